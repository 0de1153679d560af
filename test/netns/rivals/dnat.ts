/**
 * What people write on the router before they know better: DNAT to the program on the other
 * machine. The answers have to come back through the router, so it also masquerades towards
 * server1; without that server1 would answer the client directly, from an address that the client
 * never called, and not even the handshake would work.
 */
import { ADDRESS } from '../../../control/lab/topology.js';
import type { Fixture } from '../fixture.js';
import { PORT } from './program.js';

const { v4, v6 } = ADDRESS.server1;

const RULESET = `table inet handmade {
  counter diverted {}
  chain prerouting {
    type nat hook prerouting priority dstnat;
    iifname != br-lan return
    ip saddr ${v4} return
    ip6 saddr ${v6} return
    ip daddr 192.168.0.0/16 return
    ip6 daddr fc00::/7 return
    meta nfproto ipv4 meta l4proto tcp counter name diverted dnat ip to ${v4}:${PORT}
    meta nfproto ipv6 meta l4proto tcp counter name diverted dnat ip6 to [${v6}]:${PORT}
  }
  chain postrouting {
    type nat hook postrouting priority srcnat - 1;
    oifname br-lan ct status dnat masquerade
  }
}`;

export async function installDnat({ lab }: Fixture): Promise<void> {
  await lab.check('router', ['nft', '-f', '-'], { stdin: RULESET });
}

export async function removeDnat({ lab }: Fixture): Promise<void> {
  await lab.check('router', ['nft', 'delete', 'table', 'inet', 'handmade']);
}

/** Connections that the DNAT rules sent to server1. */
export async function divertedByDnat({ lab }: Fixture): Promise<number> {
  const argv = ['nft', '-j', 'list', 'counter', 'inet', 'handmade', 'diverted'];
  const { nftables } = JSON.parse(await lab.check('router', argv)) as {
    nftables: { counter?: { packets: number } }[];
  };
  return nftables.find(({ counter }) => counter)?.counter?.packets ?? 0;
}

const FIREWALL = `table inet firewall {
  chain input {
    type filter hook input priority filter;
    ct state invalid drop
  }
}`;

/** A server with a firewall of its own, and so with conntrack. */
export const STATEFUL_FIREWALL = {
  install: ({ lab }: Fixture) => lab.check('server1', ['nft', '-f', '-'], { stdin: FIREWALL }),
  remove: ({ lab }: Fixture) =>
    lab.check('server1', ['nft', 'delete', 'table', 'inet', 'firewall']),
};
