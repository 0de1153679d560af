/** Servers with heartbeats for tests: their keys, their packets, and the state that they leave. */
import { createHash } from 'node:crypto';
import { familyOffset, serverOffset, structSize } from '../../bpf/abi.js';
import type { Steering, SteeringTarget } from '../../bpf/config.js';
import { type KnownServer, ownerOf, serverHealth } from '../../bpf/health.js';
import { lookupElement, updateElement } from '../../bpf/map.js';
import type { ServerHealth } from '../../bpf/server-health.js';
import {
  encodeHeartbeat,
  type Heartbeat,
  type HeartbeatSecrets,
  heartbeatSecrets,
} from '../../control/heartbeat/message.js';
import type { Packet } from '../../control/policy/evaluate.js';
import { frame } from './frame.js';
import type { Runner } from './run.js';

export const PORT = 9155;
export const ROUTER = { v4: 0xc0a80101, v6: (0xfd00n << 112n) | 1n };

export const LAN = 'lan';

/**
 * The router's interface to the LAN, in this thread's network namespace. As long as there is no rule of
 * our own, IPv4 keeps the local and the main table in one, and the program cannot tell them apart.
 */
export const ROUTER_NETWORK = `
ip link add ${LAN} type veth peer name host
ip link set lo up
ip link set host up
ip link set ${LAN} up
ip addr add 192.168.1.1/24 dev ${LAN}
ip addr add fd00::1/64 dev ${LAN} nodad
ip rule add priority 1500 fwmark 0x100/0xfff lookup 250
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv6/conf/all/forwarding`;

/** What makes the tests' servers differ: their number. */
export interface TestServer {
  number: number;
  mac: string;
  v4: number;
  v6: bigint;
  secrets: HeartbeatSecrets;
}

export function testServer(number: number, key = `key of ${number}`): TestServer {
  return {
    number,
    mac: `02:00:00:00:01:${(number + 16).toString(16)}`,
    v4: 0xc0a80110 + number,
    v6: (0xfd00n << 112n) | BigInt(0x10 + number),
    secrets: heartbeatSecrets(createHash('sha256').update(key).digest('hex')),
  };
}

const keyBytes = ({ secrets }: TestServer) => Buffer.from(secrets.siphashKey, 'hex');

export function beatingTarget(server: TestServer, macFixed = false): SteeringTarget {
  const { number, mac, v4, v6 } = server;
  return {
    number,
    mark: { value: 0x100 + number, mask: 0xfff },
    nextHop: { v4, v6 },
    macs: [mac],
    heartbeat: {
      addresses: { v4, v6 },
      siphashKey: keyBytes(server),
      ...(macFixed && { mac }),
    },
  };
}

export const markOf = ({ number }: TestServer): number => 0x100 + number;

/** One group of all, first come, first served. */
export function steeringOf(
  servers: readonly TestServer[],
  more: Partial<Steering> = {},
): Partial<Steering> {
  const table = { levels: [], order: servers.map(({ number }) => number) };
  return {
    targets: servers.map((server) => beatingTarget(server)),
    serverAddresses: servers.flatMap(({ v4, v6 }) => [v4, v6]),
    choice: { groups: [{ v4: [table], v6: [table] }], balance: 'client', seed: 1 },
    heartbeats: { port: PORT, rise: 3, resetAfterSeconds: 10 },
    ...more,
  };
}

export const FIT: Omit<Heartbeat, 'counter'> = {
  fit4: true,
  fit6: true,
  leaving: false,
  reason: 'ok',
};

export const payloadOf = (
  { secrets }: TestServer,
  counter: bigint | number,
  what: Partial<Heartbeat> = {},
): Buffer => encodeHeartbeat({ ...FIT, counter: BigInt(counter), ...what }, secrets);

/** The packet that it travels in. */
export function beatPacket({ mac, v4, v6 }: TestServer, family: 4 | 6 = 4): Packet {
  return {
    sourceMac: mac,
    family,
    source: family === 4 ? v4 : v6,
    destination: family === 4 ? ROUTER.v4 : ROUTER.v6,
    protocol: 'udp',
    sourcePort: 9160,
    destinationPort: PORT,
  };
}

export const beat = (
  server: TestServer,
  counter: bigint | number,
  what: Partial<Heartbeat> = {},
  family: 4 | 6 = 4,
): Buffer => frame(beatPacket(server, family), { payload: payloadOf(server, counter, what) });

const keyOf = (number: number): Buffer => {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(number);
  return key;
};

export const knownServer = (server: TestServer): KnownServer => ({
  number: server.number,
  name: `s${server.number}`,
  health: 'heartbeat',
  drained: false,
  families: [4, 6],
  owner: ownerOf(keyBytes(server)),
});

/** Its element of `servers`. */
export class State {
  private readonly fd: number;

  constructor(
    runner: Runner,
    private readonly server: TestServer,
  ) {
    this.fd = runner.object.mapDescriptor('servers');
  }

  get bytes(): Buffer {
    return lookupElement(this.fd, keyOf(this.server.number), structSize.server)!;
  }

  get health(): ServerHealth {
    return serverHealth(knownServer(this.server), this.bytes);
  }

  get counter(): bigint {
    return this.bytes.readBigUInt64LE(serverOffset.counter);
  }

  /** As if that much time had passed without a heartbeat; or with them, where it `keeps` being heard. */
  age(seconds: number, keeps = false): void {
    this.change((bytes) => {
      const past = BigInt(Math.round(seconds * 1e9));
      const shift = (offset: number) => {
        const time = bytes.readBigUInt64LE(offset);
        if (time !== 0n && time > past) bytes.writeBigUInt64LE(time - past, offset);
      };
      if (!keeps) shift(serverOffset.heard);
      for (const start of [serverOffset.family, serverOffset.family + structSize.family])
        for (const time of ['since', 'returned', 'heldUntil'] as const)
          shift(start + familyOffset[time]);
    });
  }

  /** Fit, held or neither in both families. */
  put(fitness: 'fit' | 'held' | 'unfit'): void {
    this.change((bytes) => {
      bytes.fill(0);
      const now = process.hrtime.bigint();
      bytes.writeBigUInt64LE(ownerOf(keyBytes(this.server)), serverOffset.owner);
      bytes.writeBigUInt64LE(now + 3_600_000_000_000n, serverOffset.heard);
      bytes.writeBigUInt64LE(1n, serverOffset.counter);
      for (const start of [serverOffset.family, serverOffset.family + structSize.family]) {
        bytes.writeUInt16LE(Number(fitness !== 'unfit'), start + familyOffset.isUp);
        if (fitness === 'held')
          bytes.writeBigUInt64LE(now + 3_600_000_000_000n, start + familyOffset.heldUntil);
      }
    });
  }

  /** It is not silent for an hour, whatever the test waits for. */
  keep(): void {
    this.change((bytes) => {
      const later = process.hrtime.bigint() + 3_600_000_000_000n;
      bytes.writeBigUInt64LE(later, serverOffset.heard);
    });
  }

  /** Not even whose it is. */
  erase(): void {
    this.change((bytes) => {
      bytes.fill(0);
    });
  }

  /** Nothing is known but whose it is, as an attach leaves it. */
  clear(): void {
    this.change((bytes) => {
      bytes.fill(0);
      bytes.writeBigUInt64LE(ownerOf(keyBytes(this.server)), serverOffset.owner);
    });
  }

  private change(how: (bytes: Buffer) => void): void {
    const { bytes } = this;
    how(bytes);
    updateElement(this.fd, keyOf(this.server.number), bytes);
  }
}
