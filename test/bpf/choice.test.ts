/** Which server a flow goes to: the program's tables beside the reference. */
import { execFileSync } from 'node:child_process';
import { release } from 'node:os';
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TARGETS_MAX } from '../../bpf/abi.js';
import type { TargetGroup } from '../../bpf/choice.js';
import type { Steering } from '../../bpf/config.js';
import { BALANCES } from '../../control/config/balance.js';
import {
  type Candidate,
  CHOICE_SEED,
  type ChoiceTable,
  choiceSlot,
  choiceTables,
  chooseTarget,
  type Fitness,
} from '../../control/policy/choice.js';
import type { Packet } from '../../control/policy/evaluate.js';
import { frame } from './frame.js';
import { beatingTarget, markOf, ROUTER_NETWORK, State, testServer } from './heartbeats.js';
import { DROP, leaveNetwork, PASS, Runner } from './run.js';

const SEED = Number(process.env.SIDETRACK_FUZZ_SEED ?? Date.now() & 0x7fffffff);
const PROGRAMS = 4;
const STATES_PER_PROGRAM = 5;
const PACKETS_PER_STATE = Number(process.env.SIDETRACK_FUZZ_PACKETS ?? 100);

/** Older kernels cannot be asked for a policy route, and are believed: `has_route()` of route.h. */
const [major = 0, minor = 0] = release().split('.').map(Number);
const asksRoutes = major > 6 || (major === 6 && minor >= 10);

beforeAll(() => {
  leaveNetwork();
  execFileSync('sh', ['-ec', ROUTER_NETWORK]);
});

let runner: Runner | undefined;
afterEach(() => {
  runner?.close();
  runner = undefined;
});

/** Servers with numbers of their own, some for one family only. */
const fleet = fc
  .uniqueArray(
    fc.record({
      number: fc.nat(TARGETS_MAX - 1),
      weight: fc.integer({ min: 1, max: 1000 }),
      backup: fc.boolean(),
      drained: fc.constantFrom(false, false, false, true),
      families: fc.constantFrom('both', 'both', '4', '6'),
    }),
    { selector: ({ number }) => number, minLength: 1, maxLength: TARGETS_MAX, size: 'max' },
  )
  .map((members) =>
    members.map((member) => ({
      ...member,
      name: `s${member.number}`,
      server: testServer(member.number),
    })),
  );
type ValueOf<A> = A extends fc.Arbitrary<infer T> ? T : never;
type Fleet = ValueOf<typeof fleet>;

const takes = ({ families }: Fleet[number], family: 4 | 6) =>
  families === 'both' || families === String(family);

function tablesOf(members: Fleet): { v4: ChoiceTable[]; v6: ChoiceTable[] } {
  const of = (family: 4 | 6) =>
    choiceTables(members.filter((one) => takes(one, family)) satisfies readonly Candidate[]);
  return { v4: of(4), v6: of(6) };
}

const situation = fc.record({
  fleet,
  balance: fc.constantFrom(...BALANCES),
  onFailure: fc.constantFrom('direct' as const, 'block' as const),
  /** Of the second group; the first one has all. */
  some: fc.infiniteStream(fc.boolean()),
});

const flow: fc.Arbitrary<Packet> = fc
  .record({
    six: fc.boolean(),
    source: fc.nat(0xffff),
    destination: fc.nat(0xffff),
    sourcePort: fc.integer({ min: 1, max: 65535 }),
    inSecondGroup: fc.boolean(),
  })
  .map(({ six, source, destination, sourcePort, inSecondGroup }) => ({
    sourceMac: '02:00:00:00:00:40',
    family: six ? (6 as const) : (4 as const),
    source: six ? (0xfd01n << 112n) | BigInt(source) : 0x0a000000 + source,
    destination: six ? (0x20010db8n << 96n) | BigInt(destination) : 0xc6330000 + destination,
    protocol: 'tcp' as const,
    sourcePort,
    destinationPort: inSecondGroup ? 8443 : 443,
  }));

const fitness = fc.constantFrom<Fitness>('fit', 'fit', 'held', 'unfit');

const POLICY = {
  rules: [
    {
      name: 'some',
      proto: 'tcp' as const,
      ports: [{ first: 8443, last: 8443 }],
      action: 'proxy' as const,
      group: 1,
    },
  ],
  default: 'proxy' as const,
};

function steering(
  members: Fleet,
  groups: readonly TargetGroup[],
  { balance, onFailure }: Pick<ValueOf<typeof situation>, 'balance' | 'onFailure'>,
): Partial<Steering> {
  return {
    targets: members.map((member) => {
      const target = beatingTarget(member.server);
      const { v4, v6 } = member.server;
      return {
        ...target,
        nextHop: { ...(takes(member, 4) && { v4 }), ...(takes(member, 6) && { v6 }) },
      };
    }),
    serverAddresses: [],
    choice: { groups, balance, seed: CHOICE_SEED },
    heartbeats: { port: 9155, rise: 3, resetAfterSeconds: 10 },
    onFailure,
  };
}

describe('the target of a flow', () => {
  it(`is that of the reference, whoever is fit (seed ${SEED})`, () => {
    let chosen = 0;
    for (let round = 0; round < PROGRAMS; round++) {
      const seed = SEED + round;
      const [one] = fc.sample(situation, { seed, numRuns: 1 });
      const { fleet: members, some, ...how } = one!;
      const listed = members.filter(() => some.next().value === true);
      const groups = [tablesOf(members), tablesOf(listed)];
      const program = Runner.load(POLICY, steering(members, groups, how));
      runner = program;
      const states = members.map(({ server }) => new State(program, server));
      const fits = fc.sample(
        fc.array(fitness, { minLength: TARGETS_MAX, maxLength: TARGETS_MAX }),
        {
          seed,
          numRuns: STATES_PER_PROGRAM,
        },
      );
      for (const fit of fits) {
        states.forEach((state, i) => {
          state.put(fit[members[i]!.number]!);
        });
        for (const packet of fc.sample(flow, { seed, numRuns: PACKETS_PER_STATE })) {
          const { v4, v6 } = groups[packet.destinationPort === 8443 ? 1 : 0]!;
          const slot = choiceSlot(how.balance, {
            ...packet,
            sourcePort: packet.sourcePort!,
            destinationPort: packet.destinationPort!,
          });
          const expected = chooseTarget(
            packet.family === 4 ? v4 : v6,
            slot,
            (number) => fit[number]!,
            how.onFailure === 'block',
          );
          const { action, mark } = program.run(frame(packet));
          const wanted = expected === undefined ? 0 : markOf(testServer(expected));
          if (mark !== wanted)
            expect.fail(`seed ${seed}: 0x${mark.toString(16)}, not ${expected}, slot ${slot}`);
          expect(action).toBe(expected === undefined && how.onFailure === 'block' ? DROP : PASS);
          chosen += Number(expected !== undefined);
        }
      }
      program.close();
      runner = undefined;
    }
    expect(chosen).toBeGreaterThan((PROGRAMS * PACKETS_PER_STATE) / 2);
  });

  it.skipIf(!asksRoutes)('without a way is passed over', () => {
    const servers = [testServer(0), testServer(1)];
    const order = { levels: [], order: [0, 1] };
    runner = Runner.load(POLICY, {
      ...steering([], [], { balance: 'client', onFailure: 'direct' }),
      targets: servers.map((server, i) => ({
        ...beatingTarget(server),
        // The first one's policy route would have to use an interface that is not there.
        routeIfindex: i === 0 ? { v4: 99, v6: 99 } : {},
      })),
      choice: {
        groups: [
          { v4: [order], v6: [order] },
          { v4: [order], v6: [order] },
        ],
        balance: 'client',
        seed: 1,
      },
    });
    for (const server of servers) new State(runner, server).put('fit');
    const [packet] = fc.sample(flow, { seed: 1, numRuns: 1 });
    expect(runner.run(frame(packet!)).mark).toBe(markOf(servers[1]!));
    new State(runner, servers[1]!).put('unfit');
    expect(runner.run(frame(packet!)).mark).toBe(0);
    expect(runner.counters()).toMatchObject({
      no_route: { packets: 1 },
      no_server: { packets: 0 },
    });
    new State(runner, servers[0]!).put('unfit');
    expect(runner.run(frame(packet!)).mark).toBe(0);
    expect(runner.counters().no_server.packets).toBe(1);
  });
});
