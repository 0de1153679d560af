/**
 * The compiled nftables rules against the reference evaluator: random policies in a real kernel,
 * and real packets. A failure prints its seed; SIDETRACK_SEED=… runs the same policies again.
 * SIDETRACK_POLICIES and SIDETRACK_POLICY_SECONDS are for machines that are much slower.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { routerTable } from '../../control/nft/router-table.js';
import type { Packet } from '../../control/policy/evaluate.js';
import type { Policy } from '../../control/policy/rule.js';
import { packet, policy } from './policy/arbitraries.js';
import { describePacket, describePolicy } from './policy/describe.js';
import { listedCounts, listedFlows, predict } from './policy/prediction.js';
import { NODES, RouterBench, type Shot } from './policy/router-bench.js';
import { ROUTER } from './policy/table-input.js';

const POLICIES = Number(process.env.SIDETRACK_POLICIES ?? 120);
const PACKETS_PER_POLICY = 100;
const FIRST_SOURCE_PORT = 1025;
const TIME_LIMIT_MS = Number(process.env.SIDETRACK_POLICY_SECONDS ?? 90) * 1000;

let bench: RouterBench;
beforeAll(async () => {
  bench = await RouterBench.start();
});
afterAll(() => bench?.stop());

/** The source port numbers the packets, so that every TCP packet opens a flow of its own. */
function number(packets: readonly Packet[]): Shot[] {
  return packets.map((one, i) => ({
    serial: i + 1,
    node: NODES[i % NODES.length]!,
    packet: typeof one.protocol === 'number' ? one : { ...one, sourcePort: FIRST_SOURCE_PORT + i },
  }));
}

async function agree(policy: Policy, packets: Packet[]): Promise<void> {
  const shots = number(packets);
  await bench.load(routerTable({ ...ROUTER, policy }));
  const fates = await bench.fire(shots);
  const listing = await bench.listing();
  const expected = predict(policy, shots);
  const wrong = shots
    .filter(({ serial }) => fates.get(serial) !== expected.fates.get(serial))
    .map(({ serial, packet }) => {
      const [kernel, evaluator] = [fates.get(serial), expected.fates.get(serial)];
      return `${describePacket(packet)}: kernel ${kernel}, evaluator ${evaluator}`;
    });
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
  expect(listedCounts(listing)).toEqual(expected.counts);
  expect(listedFlows(listing)).toEqual(expected.flows);
}

test('the kernel judges first packets as the reference evaluator does', async () => {
  const size = { minLength: PACKETS_PER_POLICY, maxLength: PACKETS_PER_POLICY };
  // Only the policy is worth shrinking: the failure names the packets that were judged wrongly.
  const packets = fc.noShrink(fc.array(packet, size));
  await fc.assert(fc.asyncProperty(policy, packets, agree), {
    seed: Number(process.env.SIDETRACK_SEED ?? Date.now() % 2 ** 31),
    numRuns: POLICIES,
    // Shrinking sends real packets, too.
    interruptAfterTimeLimit: TIME_LIMIT_MS,
    markInterruptAsFailure: true,
    reporter,
  });
});

function reporter({
  failed,
  seed,
  counterexample,
  errorInstance,
}: fc.RunDetails<[Policy, Packet[]]>) {
  if (!failed) return;
  const found = counterexample ? describePolicy(counterexample[0]) : 'no policy: out of time';
  throw new Error(`SIDETRACK_SEED=${seed} shows it again.\n${found}\n${errorInstance}`);
}
