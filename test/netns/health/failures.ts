/** What may happen to a server, and how it is set right again. */
import type { HealthWorld } from './world.js';

export interface Failure {
  name: string;
  make: (world: HealthWorld, server: string) => Promise<void> | void;
  undo: (world: HealthWorld, server: string) => Promise<void>;
  /** No connection attempt may be lost. */
  isPlanned?: true;
  /** Only this family is hit. */
  family?: 6;
}

/** As a machine without power: the cable is dead. What the interface had must be set again. */
const powerOff: Failure = {
  name: 'power-off (link down)',
  make: async (world, server) => void (await world.sh(server, 'ip link set eth0 down')),
  undo: async (world, server) => {
    const { v4, v6 } = world.server(server);
    await world.sh(
      server,
      `ip link set eth0 up
       ip address replace ${v6}/64 dev eth0 nodad
       ip route replace default via 192.168.1.1
       ip -6 route replace default via fd00:1::1
       ip address show dev eth0 | grep -q '${v4}/24'`,
    );
  },
};

/** The cable is alive, and nothing answers any more, ARP included. */
const hang: Failure = {
  name: 'kernel hang (interface up, nothing answers)',
  make: async (world, server) =>
    void (await world.sh(
      server,
      `nft 'table netdev hang {
         chain in { type filter hook ingress device eth0 priority -500; policy drop; }
         chain out { type filter hook egress device eth0 priority -500; policy drop; }
       }'`,
    )),
  undo: async (world, server) => void (await world.sh(server, 'nft delete table netdev hang')),
};

async function ended(world: HealthWorld, server: string, signal: NodeJS.Signals): Promise<void> {
  const relay = world.relays.get(server)!;
  relay.signal(signal);
  await relay.exited;
}

const killed: Failure = {
  name: 'relay killed with -9',
  make: (world, server) => ended(world, server, 'SIGKILL'),
  undo: (world, server) => world.startRelay(server),
};

/** Its port still accepts: the kernel does, until the backlog is full. */
const frozen: Failure = {
  name: 'relay that does not run (SIGSTOP)',
  make: (world, server) => world.relays.get(server)!.signal('SIGSTOP'),
  undo: async (world, server) => world.relays.get(server)!.signal('SIGCONT'),
};

/** It ends when the last of its connections has, which may be one that lost its client in an earlier failure. */
const stopped: Failure = {
  name: 'relay stopped orderly (SIGTERM)',
  make: (world, server) => world.relays.get(server)!.signal('SIGTERM'),
  undo: async (world, server) => {
    await ended(world, server, 'SIGKILL');
    await world.startRelay(server);
  },
  isPlanned: true,
};

/** The way out of the server is refused, as by a provider; the LAN is well. */
const withoutUpstream = (name: string, families: readonly (4 | 6)[]): Failure => ({
  name,
  make: async (world, server) => {
    const { v4, v6 } = world.server(server);
    const matches = families.map((family) => (family === 4 ? `ip saddr ${v4}` : `ip6 saddr ${v6}`));
    const rules = matches.map(
      (match) => `${match} oifname "wan" meta l4proto tcp reject with tcp reset`,
    );
    await world.sh(
      'router',
      `nft 'table inet upstream_dead { chain forward { type filter hook forward priority -10;
       ${rules.join('\n')}
       }
       }'`,
    );
  },
  undo: async (world) => void (await world.sh('router', 'nft delete table inet upstream_dead')),
});

/** Half a second of a bad plug, then nothing for longer than the router waits, then well. */
const portFlapping: Failure = {
  name: "router's bridge port flapping",
  make: async (world, server) => {
    const { port } = world.server(server);
    await world.sh(
      'router',
      `for i in 1 2 3; do ip link set ${port} down; sleep 0.1; ip link set ${port} up; sleep 0.1; done
       ip link set ${port} down`,
    );
  },
  undo: async (world, server) =>
    void (await world.sh('router', `ip link set ${world.server(server).port} up`)),
};

export const FAILURES: readonly Failure[] = [
  powerOff,
  hang,
  killed,
  frozen,
  stopped,
  withoutUpstream('upstream dead', [4, 6]),
  { ...withoutUpstream('upstream without IPv6', [6]), family: 6 },
  portFlapping,
];
