/** Fragments and garbage: nothing that has no whole TCP header may be steered. */
import { createHash } from 'node:crypto';
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
    // The same in each run: what fails once fails again.
    const bytes = createHash('shake256', { outputLength: i % 97 })
      .update(`${i}`)
      .digest();
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

/** TCP to port 8080 is blocked; everything else of TCP goes to the server. */
const BLOCK_8080 = routerTable({
  ...ROUTER,
  policy: {
    rules: [
      { name: 'no', proto: 'tcp', ports: [{ first: 8080, last: 8080 }], action: 'block' },
      { name: 'rest', proto: 'tcp', action: 'proxy' },
    ],
    default: 'direct',
  },
});

const blocked = async () => listedCounts(await bench.listing())['rule no'] ?? 0;

/** One packet as fragments of `content`, cut at these multiples of eight bytes. */
function cut(packet: Packet, cuts: readonly number[], number?: number): string[] {
  const content = Buffer.concat([transport({ packet, serial: 1 }), Buffer.alloc(44)]);
  return cuts.map((offset, i) => {
    const more = i + 1 < cuts.length;
    const part = content.subarray(8 * offset, more ? 8 * cuts[i + 1]! : content.length);
    const options = { fragment: { offset, more }, ...(number && { protocol: number }) };
    return bench.ethernet('client', packet, ip(packet, part, options));
  });
}

/** Eight bytes, so that the flags are in the second fragment (RFC 1858, 3). */
const TINY = [0, 1, 4];
const PLAIN = [0, 3, 5];

// Conntrack refuses to put IPv6 together whose first fragment lacks headers (RFC 8200, 4.5): it comes
// as it is, to whatever port, and could be what is blocked.
test.each([
  ['tiny', TINY, { no: 3, steered: 1 }],
  ['plain', PLAIN, { no: 2, steered: 2 }],
] as const)(
  'a %s fragmented SYN passes no rule that blocks it, with conntrack',
  async (_, cuts, expected) => {
    bench = await RouterBench.start({ conntrack: true });
    await bench.load(BLOCK_8080);
    for (const family of FAMILIES) {
      await bench.send({ client: cut({ ...packetOf(family), destinationPort: 8080 }, cuts) });
      await bench.send({ client: cut(packetOf(family), cuts) });
    }
    const { no, steered } = expected;
    expect(await blocked()).toBe(no);
    expect(await outcome()).toEqual({ steered, flows: steered });
  },
);

test('without conntrack fragments that a rule could block are dropped, and no others', async () => {
  bench = await RouterBench.start({ conntrack: false });
  await bench.load(BLOCK_8080);
  for (const family of FAMILIES)
    for (const cuts of [TINY, PLAIN]) await bench.send({ client: cut(packetOf(family), cuts) });
  expect(await blocked()).toBe(12);
  for (const family of FAMILIES)
    await bench.send({ client: cut({ ...packetOf(family), protocol: 'udp' }, PLAIN) });
  expect(await blocked()).toBe(12);
  expect(await outcome()).toEqual({ steered: 0, flows: 0 });
});

test.each([true, false])('header chains hide nothing (conntrack: %s)', async (conntrack) => {
  bench = await RouterBench.start({ conntrack });
  await bench.load(BLOCK_8080);
  const packet = { ...packetOf('v6'), destinationPort: 8080 };
  const option = (next: number, length = 0) =>
    Buffer.concat([Buffer.of(next, length, 1, 4), Buffer.alloc(4)]);
  const syn = transport({ packet, serial: 1 });
  const frame = (...parts: Buffer[]) =>
    bench.ethernet('client', packet, ip(packet, Buffer.concat(parts), { protocol: 60 }));
  const long = [...Array.from({ length: 11 }, () => option(60)), option(6)];
  await bench.send({ client: [frame(...long, syn)] });
  expect(await blocked()).toBe(1);
  // Chains that lead out of the packet; "no next header" is a protocol, and not TCP.
  const endless = [frame(option(60), option(6, 200), syn), frame(option(60), option(60))];
  await bench.send({ client: [...endless, frame(option(59), syn)] });
  expect(await blocked()).toBe(3);
  expect(await outcome()).toEqual({ steered: 0, flows: 0 });
});

test('an address that stands for an IPv4 one is dropped in every packet, though nothing blocks', async () => {
  bench = await RouterBench.start();
  await bench.load(PROXY_ALL);
  const packet = { ...packetOf('v6'), destination: parseAddress('::ffff:203.0.113.5')! };
  // As if its tuple had been admitted before.
  const known = { ...packet, sourcePort: 40_001 };
  const element = `${ADDRESS.client.v6} . 40001 . ::ffff:203.0.113.5 . 443`;
  const add = ['nft', 'add', 'element', 'inet', 'sidetrack', 'flows6', `{ ${element} }`];
  await bench.lab.check('router', add);
  const bad: Packet[] = [
    ...[packet, { ...packet, protocol: 'udp' as const }, { ...packet, protocol: 58 }],
    { ...packet, destination: parseAddress('::203.0.113.5')! },
    { ...packet, source: parseAddress('::192.168.1.40')!, destination: packetOf('v6').destination },
    { ...packet, sourceMac: MACS[1] },
  ];
  const shots = [...bad.map((one) => ({ packet: one })), { packet: known, tcpFlags: TCP.ack }].map(
    (shot, i) => ({ ...shot, serial: i + 1, node: 'client' as const }),
  );
  const fates = await bench.fire(shots);
  expect([...fates.values()]).toEqual(shots.map(() => 'block'));
  expect((await outcome()).steered).toBe(0);
});
