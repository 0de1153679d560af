/**
 * The choice of a server in a real kernel against the reference evaluator: 1 to 16 servers with weights, backups and
 * groups, some of them dead, held or drained. A failure prints its seed; SIDETRACK_SEED=… runs the same again, and
 * SIDETRACK_CHOICES=… as many as that.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, test } from 'vitest';
import { parseAddress } from '../../control/config/address.js';
import { BALANCES, type Balance } from '../../control/config/balance.js';
import { parseFlowSet } from '../../control/nft/flow-target.js';
import { routerTable } from '../../control/nft/router-table.js';
import {
  type Candidate,
  choiceSlot,
  choiceTables,
  chooseTarget,
  type Fitness,
} from '../../control/policy/choice.js';
import type { Packet } from '../../control/policy/evaluate.js';
import type { Policy } from '../../control/policy/rule.js';
import { PORT, serverOf } from './policy/beat.js';
import { tuple } from './policy/prediction.js';
import { RouterBench, type Shot } from './policy/router-bench.js';
import { ROUTER } from './policy/table-input.js';
import { MACS } from './policy/world.js';

const RUNS = Number(process.env.SIDETRACK_CHOICES ?? 4);
const PACKETS = 100;
const HEALTH = { rise: 3, resetAfterSeconds: 10, port: PORT };
/** Flows to this port go to the second group. */
const GROUP_PORT = 8443;

interface Case {
  servers: (Candidate & { fitness: Fitness; beats: boolean; families: (4 | 6)[] })[];
  group: number[];
  balance: Balance;
  onFailure: 'direct' | 'block';
}

const candidate = fc.record({
  weight: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 1000 })),
  backup: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.constant(true)),
  drained: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
  fitness: fc.constantFrom<Fitness>('fit', 'fit', 'fit', 'unfit', 'held'),
  beats: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, fc.constant(false)),
  families: fc.constantFrom<(4 | 6)[]>([4, 6], [4, 6], [4, 6], [4]),
});

const cases: fc.Arbitrary<Case> = fc
  .array(candidate, { minLength: 1, maxLength: 16 })
  .chain((servers) =>
    fc.record({
      servers: fc.constant(
        servers.map((one, number) => ({
          ...one,
          // Without heartbeats the route alone counts, which is there.
          fitness: one.beats ? one.fitness : ('fit' as const),
          number,
          name: `server${number + 1}`,
        })),
      ),
      group: fc.subarray([...servers.keys()], { minLength: 1 }),
      balance: fc.constantFrom(...BALANCES),
      onFailure: fc.constantFrom<'direct' | 'block'>('direct', 'block'),
    }),
  );

const flow: fc.Arbitrary<Flow> = fc.record({
  family: fc.constantFrom<4 | 6>(4, 6),
  source: fc.integer({ min: 0x10, max: 0xffff }),
  destination: fc.integer({ min: 1, max: 0xffff }),
  sourcePort: fc.integer({ min: 1024, max: 65535 }),
  destinationPort: fc.constantFrom(443, GROUP_PORT),
});
const flows = fc.uniqueArray(flow, {
  minLength: PACKETS,
  maxLength: PACKETS,
  selector: (one) => JSON.stringify(one),
});

interface Flow {
  family: 4 | 6;
  source: number;
  destination: number;
  sourcePort: number;
  destinationPort: number;
}

function packetOf({ family, source, destination, ...ports }: Flow): Packet {
  const base = family === 4 ? ['10.1.0.0', '198.18.0.0'] : ['fd00:7::', '2001:db8:1::'];
  const [from, to] = base.map((text) => parseAddress(text)!);
  const plus = (address: number | bigint, offset: number) =>
    typeof address === 'bigint' ? address + BigInt(offset) : address + offset;
  return {
    sourceMac: MACS[0],
    family,
    source: plus(from!, source),
    destination: plus(to!, destination),
    protocol: 'tcp',
    ...ports,
  };
}

const POLICY: Policy = {
  rules: [
    {
      name: 'some',
      proto: 'tcp',
      ports: [{ first: GROUP_PORT, last: GROUP_PORT }],
      action: 'proxy',
      group: 1,
    },
  ],
  default: 'proxy',
};

let bench: RouterBench;
beforeAll(async () => {
  bench = await RouterBench.start();
});
afterAll(() => bench?.stop());

/** The table, and the sets of servers as heartbeats would have left them. */
async function load({ servers, group, balance, onFailure }: Case): Promise<void> {
  const targets = servers.map(({ number, beats, fitness: _, ...one }) => {
    const { target } = serverOf(number, one);
    const { heartbeat, ...silent } = target;
    return beats ? target : silent;
  });
  const all = targets.map(({ number }) => number);
  const policy = { ...POLICY, groups: [{ targets: all }, { targets: group }] };
  await bench.load(routerTable({ ...ROUTER, policy, targets, balance, onFailure, health: HEALTH }));
  const judged = servers.filter(({ beats }) => beats);
  if (judged.length === 0) return;
  const marksOf = (of: typeof judged) =>
    of.map(({ number }) => ({
      elem: { val: serverOf(number).target.mark.value, timeout: 600 },
    }));
  const alive = marksOf(judged.filter(({ fitness }) => fitness !== 'unfit'));
  const held = marksOf(judged.filter(({ fitness }) => fitness === 'held'));
  const names = (what: string) => [`${what}4`, `${what}6`];
  const set = (name: string) => ({ family: 'inet', table: 'sidetrack', name });
  await bench.transact([
    ...names('alive').map((name) => ({ flush: { set: set(name) } })),
    ...[
      ...names('alive').map((name) => ({ name, elem: alive })),
      ...names('held').map((name) => ({ name, elem: held })),
      { name: 'keep', elem: alive },
    ].flatMap(({ name, elem }) =>
      elem.length === 0 ? [] : [{ add: { element: { ...set(name), elem } } }],
    ),
  ]);
}

function expected(one: Case, packet: Packet): number | undefined {
  const { servers, group, balance, onFailure } = one;
  const { family, source, destination, sourcePort = 0, destinationPort = 0 } = packet;
  const isMember = ({ number }: Candidate) =>
    destinationPort !== GROUP_PORT || group.includes(number);
  const members = servers.filter((server) => isMember(server) && server.families.includes(family));
  const key = { family, source, destination, sourcePort, destinationPort };
  const fitness = (number: number) => servers.find((server) => server.number === number)!.fitness;
  return chooseTarget(
    choiceTables(members),
    choiceSlot(balance, key),
    fitness,
    onFailure === 'block',
  );
}

/** Which target each flow was entered for. */
async function entered(): Promise<Map<string, number>> {
  const { sets } = await bench.listing();
  return new Map(
    sets.flatMap(({ name, elements }) => {
      const set = parseFlowSet(name);
      if (set === undefined) return [];
      return (elements as { elem: { val: { concat: unknown[] } } }[]).map(
        ({ elem }): [string, number] => [elem.val.concat.join(' '), set.number],
      );
    }),
  );
}

async function agree(one: Case, opened: Flow[]): Promise<void> {
  await load(one);
  const shots = opened
    .map(packetOf)
    .map((packet, i): Shot => ({ serial: i + 1, node: 'client', packet }));
  const fates = await bench.fire(shots);
  const found = await entered();
  const wrong = shots.flatMap(({ packet, serial }) => {
    const wanted = expected(one, packet);
    const target = found.get(tuple(packet));
    const fate = wanted === undefined ? one.onFailure : 'proxy';
    const told = fates.get(serial);
    if (target === wanted && told === fate) return [];
    return [`${tuple(packet)}: kernel ${told} ${target}, evaluator ${fate} ${wanted}`];
  });
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
}

test('the kernel takes sixteen servers in two groups', { tags: 'long' }, async () => {
  const servers = Array.from({ length: 16 }, (_, number) => ({
    number,
    name: `server${number + 1}`,
    weight: number + 1,
    backup: false,
    drained: number === 3,
    fitness: number % 5 === 0 ? ('unfit' as const) : ('fit' as const),
    beats: true,
    families: [4 as const, 6 as const],
  }));
  const one: Case = { servers, group: [1, 2, 4, 8], balance: 'flow', onFailure: 'block' };
  const opened = Array.from({ length: PACKETS }, (_, i): Flow => {
    const family = i % 2 === 0 ? 4 : 6;
    const destinationPort = i % 3 === 0 ? GROUP_PORT : 443;
    return { family, source: 100 + i, destination: 1 + i, sourcePort: 2000 + i, destinationPort };
  });
  await agree(one, opened);
});

test('the kernel chooses servers as the reference evaluator does', async () => {
  await fc.assert(fc.asyncProperty(cases, fc.noShrink(flows), agree), {
    seed: Number(process.env.SIDETRACK_SEED ?? Date.now() % 2 ** 31),
    numRuns: RUNS,
    interruptAfterTimeLimit: 60_000,
    endOnFailure: true,
    reporter: ({ failed, seed, counterexample, errorInstance }) => {
      if (!failed) return;
      const found = JSON.stringify(counterexample?.[0]);
      throw new Error(`SIDETRACK_SEED=${seed} shows it again.\n${found}\n${errorInstance}`);
    },
  });
});
