/** "Decide once per flow", packet by packet: what the flow table does to all that is no first packet. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseAddress } from '../../control/config/address.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { flowsOfSet } from '../../control/nft/flow-elements.js';
import { FAILURE_COMMENT } from '../../control/nft/flow-table.js';
import { TRANSITORY_SECONDS } from '../../control/nft/flow-time.js';
import { type RouterTableInput, routerTable } from '../../control/nft/router-table.js';
import type { Packet } from '../../control/policy/evaluate.js';
import type { Policy } from '../../control/policy/rule.js';
import { TCP } from './policy/frame.js';
import { listedCounts, listedFlows, tuple } from './policy/prediction.js';
import { type Fate, RouterBench, type Shot } from './policy/router-bench.js';
import { ROUTER } from './policy/table-input.js';
import { MACS } from './policy/world.js';

const PROXY_ALL: Policy = {
  rules: [{ name: 'all', proto: 'tcp', action: 'proxy' }],
  default: 'direct',
};
const DIRECT_ALL: Policy = { rules: [], default: 'direct' };
const BLOCK_ALL: Policy = { rules: [], default: 'block' };
const table = (policy: Policy, changes: Partial<RouterTableInput> = {}) =>
  routerTable({ ...ROUTER, policy, ...changes });

let bench: RouterBench;
beforeAll(async () => {
  bench = await RouterBench.start();
});
afterAll(() => bench?.stop());

/** A TCP packet of the client's `flow`th connection to the Internet. */
function packetOf(family: 'v4' | 'v6', flow = 0): Packet {
  return {
    sourceMac: MACS[0],
    family: family === 'v4' ? 4 : 6,
    source: parseAddress(ADDRESS.client[family])!,
    destination: parseAddress(ADDRESS.internet[family])!,
    protocol: 'tcp',
    sourcePort: 40_000 + flow,
    destinationPort: 443,
  };
}

/** What becomes of packets sent in this order, one for each entry of `flags`. */
async function fire(
  packets: readonly Packet[],
  flags: readonly number[],
): Promise<(Fate | undefined)[]> {
  const shots = packets.flatMap((packet, i): Shot[] =>
    flags.map((tcpFlags, j) => ({
      packet,
      tcpFlags,
      serial: 1 + i * flags.length + j,
      node: 'client',
    })),
  );
  const fates = await bench.fire(shots);
  return shots.map(({ serial }) => fates.get(serial));
}

const { syn, ack, fin, rst, psh } = TCP;

/** Gives the flow's entry in `closing` so many seconds to live. */
async function age(packet: Packet, expires: number): Promise<void> {
  const element = { family: 'inet', table: 'sidetrack', name: `closing${packet.family}` };
  const val = { concat: tuple(packet).split(' ') };
  const timeout = TRANSITORY_SECONDS;
  await bench.transact([
    { delete: { element: { ...element, elem: [val] } } },
    { add: { element: { ...element, elem: [{ elem: { val, timeout, expires } }] } } },
  ]);
}

async function secondsLeft(packet: Packet): Promise<number | undefined> {
  const { sets } = await bench.listing();
  const flows = sets.filter(({ name }) => name === `closing${packet.family}`).flatMap(flowsOfSet);
  return flows.map(({ silent }) => TRANSITORY_SECONDS - silent).at(0);
}

describe.each(['v4', 'v6'] as const)('a flow over %s', (family) => {
  const packet = packetOf(family);
  beforeEach(() => bench.load(table(PROXY_ALL)));

  test('that is known stays steered when the rules no longer say so', async () => {
    expect(await fire([packet], [syn, ack])).toEqual(['proxy', 'proxy']);
    await bench.reload(table(DIRECT_ALL));
    expect(listedFlows(await bench.listing())).toEqual([tuple(packet)]);
    const before = listedCounts(await bench.listing()).steered ?? 0;
    expect(await fire([packet], [ack, ack | fin])).toEqual(['proxy', 'proxy']);
    expect((listedCounts(await bench.listing()).steered ?? 0) - before).toBe(2);
  });

  test('stays steered under rules that would block it', async () => {
    expect(await fire([packet], [syn])).toEqual(['proxy']);
    await bench.reload(table(BLOCK_ALL));
    expect(await fire([packet], [ack])).toEqual(['proxy']);
  });

  test.each([
    ['direct', DIRECT_ALL],
    ['block', BLOCK_ALL],
  ] as const)('is judged anew at a new SYN on its tuple: %s', async (verdict, policy) => {
    expect(await fire([packet], [syn, ack])).toEqual(['proxy', 'proxy']);
    await bench.reload(table(policy));
    expect(await fire([packet], [syn, ack])).toEqual([verdict, 'direct']);
    expect(listedFlows(await bench.listing())).toEqual([]);
    await bench.reload(table(PROXY_ALL));
    expect(await fire([packet], [ack, syn, ack])).toEqual(['direct', 'proxy', 'proxy']);
  });

  test('that nobody opened is never steered', async () => {
    const flags = [ack, ack | syn, ack | fin, fin, rst, rst | ack, 0, 0x08 | ack];
    expect(await fire([packet], flags)).toEqual(flags.map(() => 'direct'));
    expect(listedFlows(await bench.listing())).toEqual([]);
  });

  test('is remembered for hours when its client has sent data, and not before', async () => {
    expect(await fire([packet], [syn, ack, ack])).toEqual(['proxy', 'proxy', 'proxy']);
    expect(listedFlows(await bench.listing(), 'flows')).toEqual([]);
    expect(listedFlows(await bench.listing(), 'closing')).toEqual([tuple(packet)]);
    expect(await fire([packet], [psh | ack, ack])).toEqual(['proxy', 'proxy']);
    expect(listedFlows(await bench.listing(), 'flows')).toEqual([tuple(packet)]);
    expect(listedFlows(await bench.listing(), 'closing')).toEqual([]);
  });

  test('is closing after FIN or RST, and steered to its end', async () => {
    for (const last of [fin | ack, rst]) {
      await bench.load(table(PROXY_ALL));
      expect(await fire([packet], [syn, psh | ack, last])).toEqual(['proxy', 'proxy', 'proxy']);
      expect(listedFlows(await bench.listing(), 'flows')).toEqual([]);
      expect(listedFlows(await bench.listing(), 'closing')).toEqual([tuple(packet)]);
      await bench.reload(table(DIRECT_ALL));
      expect(await fire([packet], [ack, last, ack])).toEqual(['proxy', 'proxy', 'proxy']);
      expect(await fire([packet], [syn, ack])).toEqual(['direct', 'direct']);
      expect(listedFlows(await bench.listing(), 'closing')).toEqual([]);
    }
  });

  test('whose tuple is used again keeps its hours, until it is closed', async () => {
    expect(await fire([packet], [syn, psh | ack])).toEqual(['proxy', 'proxy']);
    expect(await fire([packet], [syn, ack])).toEqual(['proxy', 'proxy']);
    expect(listedFlows(await bench.listing(), 'flows')).toEqual([tuple(packet)]);
    expect(listedFlows(await bench.listing(), 'closing')).toEqual([tuple(packet)]);
    // As if the SYN were minutes ago: the FIN must not leave the flow what is left of them.
    await age(packet, 5);
    expect(await fire([packet], [fin | ack, ack])).toEqual(['proxy', 'proxy']);
    expect(listedFlows(await bench.listing(), 'flows')).toEqual([]);
    expect(listedFlows(await bench.listing(), 'closing')).toEqual([tuple(packet)]);
    expect(await secondsLeft(packet)).toBeGreaterThan(200);
  });

  test('of another client, address or port is another flow', async () => {
    expect(await fire([packet], [syn])).toEqual(['proxy']);
    const others: Packet[] = [
      { ...packet, sourcePort: 39_999 },
      { ...packet, destinationPort: 444 },
      { ...packet, source: parseAddress(ADDRESS.client2[family])! },
      { ...packet, destination: parseAddress(family === 'v4' ? '198.51.100.8' : '2001:db8:1::8')! },
    ];
    expect(await fire(others, [ack])).toEqual(others.map(() => 'direct'));
    // A client that roams to another MAC keeps its flow.
    expect(await fire([{ ...packet, sourceMac: MACS[2] }], [ack])).toEqual(['proxy']);
  });
});

describe('two targets, one for each family', () => {
  // The probe takes either for steered, and the bit beside its mask tells them apart.
  const second = {
    number: 1,
    name: 'server2',
    families: [6 as const],
    mark: { value: 0x196, mask: 0x1ff },
  };
  const targets = [
    ...ROUTER.targets.map((target) => ({ ...target, families: [4 as const] })),
    second,
  ];
  const steered = async () => {
    const { chains } = await bench.listing();
    const counts = chains
      .filter(({ name }) => name.startsWith('steer'))
      .map(({ name, rules }) => [name, rules.reduce((sum, { packets }) => sum + packets, 0)]);
    return Object.fromEntries(counts);
  };
  const both = [packetOf('v4'), packetOf('v6')];

  test('keep their flows apart, from the SYN to the end', async () => {
    await bench.load(table(PROXY_ALL, { targets }));
    const life = [syn, ack, psh | ack, ack, fin | ack];
    expect(await fire(both, life)).toEqual([...life, ...life].map(() => 'proxy'));
    expect(await steered()).toEqual({ steer: life.length, steer_1: life.length });
    const { sets } = await bench.listing();
    const holding = sets.filter(({ dynamic, elements }) => dynamic && elements.length > 0);
    expect(holding.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['closing4', 'closing6_1']),
    );
    expect(sets.filter(({ name }) => /^closing6$|^closing4_1$/.test(name))).toHaveLength(2);
  });

  test('change their mark, and their flows change with them', async () => {
    await bench.load(table(PROXY_ALL, { targets }));
    expect(await fire(both, [syn, psh | ack])).toEqual(['proxy', 'proxy', 'proxy', 'proxy']);
    const others = targets.map((target) => ({ ...target, mark: { value: 0x296, mask: 0x3ff } }));
    await bench.reload(table(PROXY_ALL, { targets: others }));
    expect(await fire(both, [ack])).toEqual(['proxy', 'proxy']);
    expect(await steered()).toEqual({ steer: 1, steer_1: 1 });
  });

  test('follow the flow to the other when a SYN on its tuple is judged anew', async () => {
    await bench.load(table(PROXY_ALL, { targets }));
    expect(await fire(both, [syn, psh | ack])).toEqual(['proxy', 'proxy', 'proxy', 'proxy']);
    const swapped = [
      ...ROUTER.targets.map((target) => ({ ...target, families: [6 as const] })),
      { ...second, families: [4 as const] },
    ];
    await bench.reload(table(PROXY_ALL, { targets: swapped }));
    expect(await fire(both, [syn, ack])).toEqual(['proxy', 'proxy', 'proxy', 'proxy']);
    expect(await steered()).toEqual({ steer: 2, steer_1: 2 });
    const { sets } = await bench.listing();
    const holding = sets.filter(
      ({ name, elements }) => /^(flows|closing)/.test(name) && elements.length > 0,
    );
    expect(holding.map(({ name }) => name).sort()).toEqual(['closing4_1', 'closing6']);
  });
});

describe('a full flow table', () => {
  const SIZE = 4;
  // What opens goes into the set of the closing ones first, then into the other one.
  const ROOM = 2 * SIZE;
  const flows = (family: 'v4' | 'v6') =>
    Array.from({ length: 2 * ROOM }, (_, flow) => packetOf(family, flow));
  const expected = (rest: Fate) => flows('v4').map((_, i) => (i < ROOM ? 'proxy' : rest));

  test.each([
    ['v4', 'direct'],
    ['v4', 'block'],
    ['v6', 'direct'],
    ['v6', 'block'],
  ] as const)('sends the rest of %s the on_failure way: %s', async (family, onFailure) => {
    await bench.load(table(PROXY_ALL, { flowTableSize: SIZE, onFailure }));
    expect(await fire(flows(family), [syn])).toEqual(expected(onFailure));
    // No flow is half steered: its later packets go where its first one went.
    expect(await fire(flows(family), [ack, ack])).toEqual(
      expected('direct').flatMap((fate) => [fate, fate]),
    );
    const counts = listedCounts(await bench.listing());
    expect(counts[`on_failure ${onFailure}`]).toBe(ROOM);
    expect(counts[FAILURE_COMMENT.full]).toBe(ROOM);
  });

  test('still lets known flows repeat their SYN', async () => {
    await bench.load(table(PROXY_ALL, { flowTableSize: SIZE }));
    expect(await fire(flows('v4'), [syn])).toEqual(expected('direct'));
    const known = flows('v4').slice(0, ROOM);
    expect(await fire(known, [syn, syn, ack])).toEqual(
      known.flatMap(() => ['proxy', 'proxy', 'proxy']),
    );
  });

  test('keeps a flow where it is when there is no room in the other set', async () => {
    await bench.load(table(PROXY_ALL, { flowTableSize: SIZE }));
    const all = flows('v4').slice(0, ROOM);
    await fire(all, [syn]);
    await fire(all, [ack | psh]);
    const [flowsThen, closingThen] = [
      listedFlows(await bench.listing(), 'flows'),
      listedFlows(await bench.listing(), 'closing'),
    ];
    expect([flowsThen.length, closingThen.length]).toEqual([SIZE, SIZE]);
    expect(await fire(all, [fin | ack, ack])).toEqual(all.flatMap(() => ['proxy', 'proxy']));
    expect(listedFlows(await bench.listing(), 'flows')).toEqual(flowsThen);
    expect(listedFlows(await bench.listing(), 'closing')).toEqual(closingThen);
  });

  test.each(['direct', 'block'] as const)(
    'is also what a family without a server address meets: %s',
    async (onFailure) => {
      const targets = ROUTER.targets.map((target) => ({ ...target, families: [4 as const] }));
      await bench.load(table(PROXY_ALL, { targets, onFailure }));
      expect(await fire([packetOf('v6')], [syn, ack])).toEqual([onFailure, 'direct']);
      expect(await fire([packetOf('v4')], [syn, ack])).toEqual(['proxy', 'proxy']);
    },
  );
});

describe('one client floods the flow table', () => {
  const SIZE = 16_384;
  const SHARE = SIZE / 4;
  const ORDINARY = 1000;
  /** Hexadecimal digits in front of the source port. */
  const PORT = { v4: 68, v6: 108 };

  /** Another host; over IPv6 of the same network, as the hosts of a LAN are. */
  const OTHER = { v4: ADDRESS.client2.v4, v6: 'fd00:1::11' };

  /** Frames of `count` flows to as many places. */
  function flood(family: 'v4' | 'v6', count: number, flags: readonly number[]): string[] {
    const frames = flags.map((tcpFlags) =>
      bench.frame({ packet: packetOf(family), tcpFlags, serial: 1, node: 'client' }),
    );
    return Array.from({ length: count }, (_, i) => i).flatMap((i) => {
      const ports = (0x04000001 + Math.floor(i / 50_000) + (i % 50_000) * 65_536).toString(16);
      return frames.map((one) => {
        const at = PORT[family];
        return `${one.slice(0, at)}${ports.padStart(8, '0')}${one.slice(at + 8)}`;
      });
    });
  }

  const ordinary = (family: 'v4' | 'v6'): Shot[] =>
    Array.from({ length: ORDINARY }, (_, i) => ({
      packet: {
        ...packetOf(family, i),
        sourceMac: MACS[1],
        source: parseAddress(OTHER[family])!,
      },
      tcpFlags: syn,
      serial: 1 + i,
      node: 'client2',
    }));

  test.each([
    ['SYN and ACK', 'v4', 100_000, [syn, ack]],
    ['SYN, ACK and data', 'v4', 2 * SIZE, [syn, ack, ack | psh]],
    ['SYN alone', 'v6', 2 * SIZE, [syn]],
  ] as const)(
    'with %s over %s: another client has all that it wants',
    async (_, family, count, flags) => {
      await bench.load(table(PROXY_ALL, { flowTableSize: SIZE, maxFlowsPerClient: SHARE }));
      await bench.send({ client: flood(family, count, flags) });
      const listing = await bench.listing();
      // Its share, and what the bucket got back meanwhile; twice as much if the flood took minutes.
      const held = listedFlows(listing).length;
      expect(held).toBeGreaterThanOrEqual(SHARE);
      expect(held).toBeLessThanOrEqual(2 * SHARE);
      expect(listedFlows(listing, 'flows').length > 0).toBe(flags.length > 2);
      const refused = listedCounts(listing)[FAILURE_COMMENT.overShare] ?? 0;
      expect(refused + held).toBeGreaterThanOrEqual(count);
      const over = listing.sets.find(({ name }) => name === `over_share${family === 'v4' ? 4 : 6}`);
      expect(over?.elements).toHaveLength(1);
      const shots = ordinary(family);
      const fates = await bench.fire(shots);
      expect(shots.filter(({ serial }) => fates.get(serial) === 'proxy')).toHaveLength(ORDINARY);
    },
  );
});
