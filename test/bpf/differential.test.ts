/**
 * The program in the kernel against the reference evaluator: random rule sets, random packets in
 * random dress. SIDETRACK_FUZZ_PACKETS and SIDETRACK_FUZZ_SEED ask for more, or for a failure again.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { classifyFirstPacket, type Packet, type Unseen } from '../../control/policy/evaluate.js';
import { guardedPolicy } from '../../control/policy/guard-rules.js';
import type { Policy, Verdict } from '../../control/policy/rule.js';
import { GUARDS, packet, policy } from './arbitraries.js';
import { ACK, type Dress, FIN, frame, RST, SYN } from './frame.js';
import { canLoad, LoaderPlace } from './loader.js';
import { DROP, leaveNetwork, MARK, PASS, type Result, Runner, STEERING } from './run.js';

const PACKETS = Number(process.env.SIDETRACK_FUZZ_PACKETS ?? 120_000);
const SEED = Number(process.env.SIDETRACK_FUZZ_SEED ?? Date.now() & 0x7fffffff);
/** Loaded by the other way in. */
const BY_LOADER = Math.ceil(PACKETS / 12);

const dress: fc.Arbitrary<Dress> = fc.oneof(
  { weight: 2, arbitrary: fc.constant({}) },
  {
    weight: 3,
    arbitrary: fc.record(
      {
        vlanTags: fc.array(fc.constantFrom(0x8100, 0x88a8), { maxLength: 2 }),
        vlanId: fc.constantFrom(0, 0, 0, 1, 4095),
        ipv4Options: fc.constantFrom(0, 4, 12, 40),
        extensions: fc.array(fc.constantFrom(0, 43, 60, 51), { maxLength: 11, size: 'max' }),
        fragment: fc.constantFrom(
          ...(['none', 'none', 'none', 'first', 'tiny', 'second', 'later'] as const),
        ),
        padding: fc.nat(30),
        ttl: fc.constantFrom(1, 64, 255),
      },
      { requiredKeys: [] },
    ),
  },
);

/** As many as the program follows, a fragment header among them. */
const EXTENSIONS_MAX = 8;

/** What this dress hides. */
function unseenIn({ family, protocol }: Packet, how: Dress): Unseen | undefined {
  const { extensions = [], fragment = 'none' } = how;
  const headers = extensions.length + (fragment === 'none' ? 0 : 1);
  if (family === 6 && headers > EXTENSIONS_MAX) return 'protocol';
  if (fragment === 'second' || fragment === 'later') return 'ports';
  return fragment === 'tiny' && protocol === 'tcp' ? 'ports' : undefined;
}

const isOfOtherVlan = ({ vlanTags = [], vlanId = 0 }: Dress) => vlanTags.length > 0 && vlanId !== 0;

/** What becomes of the packet when it opens a flow, dressed so. */
function expectedVerdict(rules: Policy, one: Packet, how: Dress): Verdict {
  if (isOfOtherVlan(how)) return 'direct';
  const unseen = unseenIn(one, how);
  const { verdict } = classifyFirstPacket(rules, GUARDS, { ...one, ...(unseen && { unseen }) });
  // Nothing but whole packets can be handed over.
  return how.fragment !== undefined && how.fragment !== 'none' && verdict === 'proxy'
    ? 'direct'
    : verdict;
}

const EXPECTED: Readonly<Record<Verdict, Pick<Result, 'action' | 'mark'>>> = {
  direct: { action: PASS, mark: 0 },
  block: { action: DROP, mark: 0 },
  proxy: { action: PASS, mark: MARK.value },
};

function explain(rules: Policy, one: Packet, how: unknown): string {
  const text = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value);
  return `seed ${SEED}: ${JSON.stringify({ one, how, rules }, text)}`;
}

let verdicts = 0;
const compared: Record<Verdict, number> = { direct: 0, proxy: 0, block: 0 };

/** A comparison that never sees one of the verdicts proves nothing about it: few policies may lack one. */
const isOneSided = () => Object.values(compared).some((count) => count <= verdicts / 50);

/** One comparison; `expect` for each would take longer than the program itself. */
function compare(result: Result, verdict: Verdict, context: () => string): void {
  const { action, mark } = EXPECTED[verdict];
  verdicts++;
  compared[verdict]++;
  if (result.action !== action || result.mark !== mark) {
    expect.fail(`expected ${verdict}, got ${result.action} and mark ${result.mark}; ${context()}`);
  }
}

/** Nobody else has this identification, so nothing is known of other parts. */
let fragmentId = 0;

function checkFirstPacket(runner: Runner, rules: Policy, one: Packet, dressed: Dress): void {
  const how = { ...dressed, fragmentId: ++fragmentId };
  const verdict = expectedVerdict(rules, one, how);
  const context = () => explain(rules, one, how);
  compare(runner.run(frame(one, how)), verdict, context);
  if (how.fragment === 'first') checkRest(runner, rules, one, how, verdict);
  if (one.protocol !== 'tcp' || (how.fragment ?? 'none') !== 'none') return;
  // Later packets do what the first one did, except that nothing but a first packet is dropped.
  const always = classifyFirstPacket(
    { ...rules, rules: [], default: 'direct' },
    GUARDS,
    one,
  ).verdict;
  const isJudged = !isOfOtherVlan(how) && unseenIn(one, how) === undefined;
  const later = verdict === 'proxy' || !isJudged ? verdict : always;
  for (const tcpFlags of [ACK, FIN | ACK, RST]) {
    compare(runner.run(frame(one, { ...how, tcpFlags })), later, context);
  }
}

/** Later fragments do what the first one did, if they cannot change what it said. */
function checkRest(runner: Runner, rules: Policy, one: Packet, how: Dress, first: Verdict): void {
  for (const fragment of ['later', 'second'] as const) {
    const rest = { ...how, fragment };
    const isOverlap = fragment === 'second' && one.protocol === 'tcp';
    const verdict =
      isOverlap || unseenIn(one, how) !== undefined ? expectedVerdict(rules, one, rest) : first;
    compare(runner.run(frame(one, rest)), verdict, () => explain(rules, one, rest));
  }
}

/** Cut short, or with a byte changed in its length and version fields: never steered. */
function checkTruncated(runner: Runner, rules: Policy, one: Packet, how: Dress): void {
  const { padding: _, ...unpadded } = how;
  const whole = frame(one, { ...unpadded, tcpFlags: SYN });
  const cut = whole.subarray(0, 15 + ((Number(one.source) + whole.length) % (whole.length - 15)));
  const result = runner.runIfAllowed(cut);
  if (result === undefined) return;
  verdicts++;
  if (result.mark !== 0) expect.fail(`marked ${cut.toString('hex')}; ${explain(rules, one, how)}`);
}

beforeAll(leaveNetwork);

let runner: Runner | undefined;
afterAll(() => runner?.close());

/** As many as are wanted; of few packets, too, there must be several policies. */
function compareAll(packets: number, load: (policy: Policy) => Runner): void {
  verdicts = 0;
  Object.assign(compared, { direct: 0, proxy: 0, block: 0 });
  const perPolicy = Math.min(2500, Math.ceil(packets / 20));
  for (let round = 0; verdicts < packets || (isOneSided() && verdicts < 4 * packets); round++) {
    const seed = SEED + round;
    const [rules] = fc.sample(policy, { seed, numRuns: 1 });
    runner = load(guardedPolicy(rules!, GUARDS));
    for (const [one, how] of fc.sample(fc.tuple(packet, dress), { seed, numRuns: perPolicy })) {
      checkFirstPacket(runner, rules!, one, how);
      checkTruncated(runner, rules!, one, how);
    }
    runner.close();
    runner = undefined;
  }
  expect(verdicts).toBeGreaterThanOrEqual(packets);
  expect(isOneSided()).toBe(false);
}

it(`agrees with the reference evaluator on at least ${PACKETS} verdicts (seed ${SEED})`, () => {
  compareAll(PACKETS, Runner.load);
}, 3_600_000);

it.skipIf(!canLoad)(
  `the same on ${BY_LOADER}, loaded by sidetrack-bpf (seed ${SEED})`,
  () => {
    const place = new LoaderPlace();
    try {
      compareAll(BY_LOADER, (rules) => new Runner(place.load(rules, STEERING)));
    } finally {
      place.close();
    }
  },
  3_600_000,
);

it('steers no noise', () => {
  const all = Runner.load({ rules: [], default: 'proxy' });
  const noise = fc.uint8Array({ minLength: 1, maxLength: 200 });
  const headers = fc.constantFrom('', '0800', '86dd', '080045', '86dd60', '81000001080045');
  for (const [bytes, header] of fc.sample(fc.tuple(noise, headers), {
    seed: SEED,
    numRuns: 20_000,
  })) {
    const head = Buffer.alloc(12);
    const data = Buffer.concat([head, Buffer.from(header, 'hex'), bytes, Buffer.alloc(2)]);
    const result = all.runIfAllowed(data);
    if (result === undefined || looksLikeTcp(data)) continue;
    if (result.mark !== 0 || result.action !== PASS) {
      expect.fail(`seed ${SEED}: ${JSON.stringify(result)} for ${data.toString('hex')}`);
    }
  }
  all.close();
});

/** Noise that happens to be a packet is one: protocol 6 in an IPv4 or IPv6 header. */
function looksLikeTcp(data: Buffer): boolean {
  const l3 = data.readUInt16BE(12) === 0x8100 ? 18 : 14;
  const version = data[l3]! >> 4;
  return version === 4 ? data[l3 + 9] === 6 : version === 6 && data[l3 + 6] === 6;
}
