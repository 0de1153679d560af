/** Fragments and garbage: nothing that has no whole TCP header may be steered. */
import { randomBytes } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { parseAddress } from '../../control/config/address.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { routerTable } from '../../control/nft/router-table.js';
import type { Packet } from '../../control/policy/evaluate.js';
import { type Fragment, ip, TCP, transport } from './policy/frame.js';
import { listedCounts, listedFlows } from './policy/prediction.js';
import { RouterBench } from './policy/router-bench.js';
import { ROUTER } from './policy/table-input.js';
import { MACS } from './policy/world.js';

const PROXY_ALL = routerTable({
  ...ROUTER,
  policy: { rules: [{ name: 'all', proto: 'tcp', action: 'proxy' }], default: 'direct' },
});

const FAMILIES = ['v4', 'v6'] as const;
const packetOf = (family: (typeof FAMILIES)[number]): Packet => ({
  sourceMac: MACS[0],
  family: family === 'v4' ? 4 : 6,
  source: parseAddress(ADDRESS.client[family])!,
  destination: parseAddress(ADDRESS.internet[family])!,
  protocol: 'tcp',
  sourcePort: 40_000,
  destinationPort: 443,
});

let bench: RouterBench;
afterEach(() => bench?.stop());

async function start(conntrack: boolean): Promise<void> {
  bench = await RouterBench.start({ conntrack });
  await bench.load(PROXY_ALL);
}

async function outcome() {
  const listing = await bench.listing();
  return { steered: listedCounts(listing).steered ?? 0, flows: listedFlows(listing).length };
}

/** A SYN with 12 bytes of data, 32 bytes in all, as parts of a packet. */
function parts(fragments: readonly Fragment[]): string[] {
  return FAMILIES.flatMap((family) => {
    const packet = packetOf(family);
    const content = Buffer.concat([transport({ packet, serial: 1 }), Buffer.alloc(12)]);
    return fragments.map((fragment) =>
      bench.ethernet('client', packet, ip(packet, content, { fragment })),
    );
  });
}

const EXTENSION_HEADERS = [0, 43, 44, 60];
const UNASSIGNED = 200;

const FIRST = { offset: 0, more: true };
const MIDDLE = { offset: 4, more: true };
const LAST = { offset: 8, more: false };
const LAST_BEHIND_A_HOLE = { offset: 12, more: false };

test('fragments that conntrack put together are judged as one packet', async () => {
  await start(true);
  await bench.send({ client: parts([FIRST, MIDDLE, LAST]) });
  expect(await outcome()).toEqual({ steered: 2, flows: 2 });
});

test('fragments that make no whole are not steered', async () => {
  await start(true);
  await bench.send({ client: parts([FIRST, MIDDLE, LAST_BEHIND_A_HOLE]) });
  expect(await outcome()).toEqual({ steered: 0, flows: 0 });
});

test('without conntrack no fragment is steered, not even the one with the ports', async () => {
  await start(false);
  await bench.send({ client: parts([FIRST, MIDDLE, LAST]) });
  expect(await outcome()).toEqual({ steered: 0, flows: 0 });
});

test.each([true, false])('garbage is not steered (conntrack: %s)', async (conntrack) => {
  await start(conntrack);
  const protocols = [6, 17, 1, 58, UNASSIGNED, ...EXTENSION_HEADERS];
  const frames = Array.from({ length: 2000 }, (_, i) => {
    const packet = packetOf(FAMILIES[i % 2]!);
    const bytes = randomBytes(i % 97);
    // Every third has no IP header at all.
    if (i % 3 === 0) return bench.ethernet('client', packet, bytes);
    const protocol = protocols[i % protocols.length]!;
    // By chance it would sometimes be a SYN, also behind an extension header: that is no garbage.
    if (bytes.length > 13) bytes[13] = bytes[13]! | TCP.ack;
    if (EXTENSION_HEADERS.includes(protocol) && bytes.length > 0) bytes[0] = UNASSIGNED;
    return bench.ethernet('client', packet, ip(packet, bytes, { protocol }));
  });
  await bench.send({ client: frames });
  expect(await outcome()).toEqual({ steered: 0, flows: 0 });
});
