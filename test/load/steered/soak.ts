/** A mixed load for a while, with time-outs of seconds: afterwards all is as it was before. */
import { z } from 'zod';
import { ADDRESS } from '../../../control/lab/topology.js';
import { waitFor } from '../../../control/lab/wait.js';
import type { Fixture } from '../../netns/fixture.js';
import { flowEntries, scrape, translated } from './counters.js';
import { FlowsFailed, runFlows } from './flows.js';
import { afterWarmUp, trendOf } from './leak.js';
import { quiet } from './phase.js';
import type { Check } from './sums.js';

/** Of the relay, for the soak. */
export const SOAK_SETTINGS = 'relay: { idle_timeout_seconds: 4, half_close_timeout_seconds: 2 }\n';

/** Instead of hours and minutes; the kernel's own, too. */
const ROUTER_TIMES: readonly (readonly [RegExp, string])[] = [
  [/timeout 2h4m\b/g, 'timeout 20s'],
  [/timeout 4m\b/g, 'timeout 10s'],
  [/timeout 1m\b/g, 'timeout 5s'],
];
const CONNTRACK = ['time_wait', 'close', 'close_wait', 'fin_wait', 'last_ack', 'established'];
const CONNTRACK_SECONDS: Readonly<Record<string, number>> = { established: 30 };

export interface SoakResult {
  rounds: number;
  connections: number;
  seconds: number;
  samples: readonly Sample[];
  checks: Check[];
}

/** When nothing is open. */
export interface Sample {
  /** Resident bytes of the relay's process. */
  memory: number;
  descriptors: number;
  pipes: number;
}

/** Everything that remembers something forgets it within seconds. */
export async function shortenTimes({ lab }: Fixture): Promise<void> {
  const listing = await lab.check('router', ['nft', 'list', 'table', 'inet', 'sidetrack']);
  const short = ROUTER_TIMES.reduce(
    (text, [long, seconds]) => text.replace(long, seconds),
    listing,
  );
  if (short === listing) throw new Error('the router has no time-outs that could be shortened');
  const stdin = `delete table inet sidetrack\n${short}`;
  await lab.check('router', ['nft', '-f', '-'], { stdin });
  const lines = CONNTRACK.map((state) => {
    const file = `/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_${state}`;
    return `echo ${CONNTRACK_SECONDS[state] ?? 1} > ${file}`;
  });
  await lab.check('server1', ['sh', '-ec', lines.join('\n')]);
}

const PER_ROUND = { flows: 10, quick: 2000, downloads: 20, abandoned: 10 } as const;
/** Those of a round together: iperf3 has two runs with a connection of its own each. */
const ROUND_CONNECTIONS =
  2 * (PER_ROUND.flows + 1) + PER_ROUND.quick + PER_ROUND.downloads + 3 * PER_ROUND.abandoned;

/** @param deadline in milliseconds, as Date.now() says it */
export async function soak(
  fixture: Fixture,
  deadline: number,
  tell: (line: string) => void,
): Promise<SoakResult> {
  const began = performance.now();
  const samples: Sample[] = [await sampleOf(fixture)];
  const failed: string[] = [];
  const before = await scrape(fixture);
  let rounds = 0;
  for (; rounds < ROUNDS_LEAST || Date.now() < deadline; rounds++) {
    failed.push(...(await round(fixture)));
    await quiet(fixture);
    samples.push(await sampleOf(fixture));
    tell(
      `soak: round ${rounds + 1}, ${Math.max(Math.ceil((deadline - Date.now()) / 1000), 0)} s left`,
    );
  }
  const after = await scrape(fixture);
  const ended = (reason: string) =>
    after.sum('relayClosed', { reason }) - before.sum('relayClosed', { reason });
  const expected = rounds * PER_ROUND.abandoned;
  return {
    rounds,
    connections: rounds * ROUND_CONNECTIONS,
    seconds: (performance.now() - began) / 1000,
    samples,
    checks: [
      {
        name: 'no byte is lost',
        ok: failed.length === 0,
        detail: failed.join('; ') || 'all digests are right',
      },
      atLeast('idle connections end by their time-out', ended('idle_timeout'), expected),
      atLeast('half-closed connections end by theirs', ended('half_close_timeout'), expected),
      atLeast('connections that a client resets end so', ended('client_reset'), expected),
      ...leakChecks(samples),
      await forgets('flow-table entries of the router', () => flowEntries(fixture)),
      await forgets('connections that server1 translates', () => translated(fixture)),
    ],
  };
}

/** For a line through the samples. */
const ROUNDS_LEAST = 12;

const wrongOf = z.object({ wrong: z.literal(0) });
const doneOf = z.object({ done: z.literal(PER_ROUND.quick) });
const abandonedOf = z.object({ abandoned: z.literal(3 * PER_ROUND.abandoned) });

/** @returns what went wrong. */
async function round(fixture: Fixture): Promise<string[]> {
  const host = ADDRESS.internet.v4;
  const client = async (shape: z.ZodType, ...args: string[]) => {
    const said = await fixture.client('client', ...args);
    return shape.safeParse(said).success ? [] : [`${args[0]}: ${JSON.stringify(said)}`];
  };
  const flows = async () => {
    for (const direction of ['upload', 'download'] as const)
      await runFlows(fixture, { flows: PER_ROUND.flows, seconds: 1, direction }).catch(tolerate);
  };
  const [, ...found] = await Promise.all([
    flows(),
    client(doneOf, 'quick', host, `${PER_ROUND.quick}`),
    client(wrongOf, 'many', host, `${PER_ROUND.downloads}`, '1000000'),
    client(abandonedOf, 'abandon', host, `${PER_ROUND.abandoned}`),
  ]);
  return found.flat();
}

/** What iperf3 has against its server is no business of the soak's. */
function tolerate(error: unknown): void {
  if (!(error instanceof FlowsFailed) || !error.again) throw error;
}

async function sampleOf(fixture: Fixture): Promise<Sample> {
  const page = await scrape(fixture);
  return {
    memory: page.sum('processResidentMemoryBytes'),
    descriptors: page.sum('processOpenFds'),
    pipes: page.sum('relayPipes'),
  };
}

/** Smaller than what any leak of one thing for each connection is: the engine's own record has 500 bytes. */
const LEAK_LEAST = 100;

export function leakChecks(samples: readonly Sample[]): Check[] {
  const flat = (name: string, pick: (one: Sample) => number, most: number): Check => {
    const values = afterWarmUp(samples).map(pick);
    const { slope, least } = trendOf(values);
    const per = (value: number) => (value / ROUND_CONNECTIONS).toFixed(3);
    const detail = `${per(slope)} for each connection (surely ${per(least)}, at most ${most}); ${values[0]} → ${values.at(-1)}`;
    return { name, ok: least / ROUND_CONNECTIONS <= most, detail };
  };
  return [
    flat('resident memory is flat', ({ memory }) => memory, LEAK_LEAST),
    flat('descriptors are flat', ({ descriptors }) => descriptors, 0.001),
    flat('pipes are flat', ({ pipes }) => pipes, 0.001),
  ];
}

const atLeast = (name: string, value: number, least: number): Check => ({
  name,
  ok: value >= least,
  detail: `${value} of ${least}`,
});

const FORGET_MS = 60_000;

async function forgets(what: string, count: () => Promise<number>): Promise<Check> {
  let left = 0;
  const look = async () => {
    left = await count();
    return left === 0;
  };
  const ok = await waitFor(what, look, FORGET_MS).then(
    () => true,
    () => false,
  );
  return { name: `${what} are forgotten`, ok, detail: `${left} left` };
}
