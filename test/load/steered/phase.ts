/** One load, and whether everything that counted it agrees. */
import { ADDRESS } from '../../../control/lab/topology.js';
import { type Fixture, waitFor } from '../../netns/fixture.js';
import { type RouterCounters, routerCounters, type Scrape, scrape } from './counters.js';
import { FlowsFailed, type FlowsOptions, type FlowsResult, runFlows } from './flows.js';
import { type Check, checkSums, type Done } from './sums.js';

export interface PhaseResult {
  name: string;
  seconds: number;
  connections: number;
  /** Absent where nothing was measured. */
  bitsPerSecond?: number;
  retransmits?: number;
  /** Of the iperf3 that measured. */
  version?: string;
  /** Why it was done again. */
  repeated?: readonly string[];
  checks: Check[];
}

/** Downloads and uploads beside the load, whose every byte is looked at. */
const BESIDE = { transfers: 4, bytes: 2_000_000 } as const;
/** For status lines, headers and the frames of chunked bodies. */
const HTTP_MOST = 4096;
/** What iperf3 says over its control connection, and each flow at its start. */
const SAID = { process: 4096, flow: 512 } as const;
const ATTEMPTS = 3;

const nothing = { least: 0, most: 0 };

/** Once more where iperf3 says that this may help: its first run after a start sometimes fails. */
export async function flowsPhase(fixture: Fixture, options: FlowsOptions): Promise<PhaseResult> {
  const repeated: string[] = [];
  for (;;) {
    try {
      const phase = await tryFlows(fixture, options);
      return { ...phase, ...(repeated.length > 0 && { repeated }) };
    } catch (error) {
      if (!(error instanceof FlowsFailed) || !error.again) throw error;
      repeated.push(error.message);
      if (repeated.length === ATTEMPTS) throw error;
      await quiet(fixture);
    }
  }
}

async function tryFlows(fixture: Fixture, options: FlowsOptions): Promise<PhaseResult> {
  let result: FlowsResult | undefined;
  const { flows, direction, rate } = options;
  const speed = rate === undefined ? '' : ` of ${rate / 1e6} Mbit/s`;
  const phase = await measured(fixture, `${flows} flows${speed}, ${direction}`, async () => {
    const [done, beside] = await Promise.all([
      runFlows(fixture, options),
      transfersBeside(fixture),
    ]);
    result = done;
    const said = done.processes * SAID.process + flows * SAID.flow;
    const other = direction === 'upload' ? 'download' : 'upload';
    const own = { least: done.receivedBytes, most: done.sentBytes + said };
    const connections = flows + done.processes + beside.connections;
    return {
      ...{ connections, lost: beside.lost },
      ...{ [direction]: add(own, beside[direction]) },
      ...{ [other]: add({ least: 0, most: said }, beside[other]) },
    };
  });
  return {
    ...phase,
    ...(result && {
      bitsPerSecond: result.bitsPerSecond,
      retransmits: result.retransmits,
      version: result.version,
    }),
  };
}

type Bytes = Done['upload'];
const add = (a: Bytes, b: Bytes): Bytes => ({ least: a.least + b.least, most: a.most + b.most });

interface Work extends Partial<Pick<Done, 'upload' | 'download'>> {
  connections: number;
  /** Transfers of which a byte was missing or another one. */
  lost: number;
}

async function transfersBeside(fixture: Fixture): Promise<Required<Work>> {
  const { transfers, bytes } = BESIDE;
  const host = ADDRESS.internet.v4;
  const downloads = await fixture.client('client', 'same', host, `${transfers}`, `${bytes}`);
  const uploads: Record<string, unknown>[] = [];
  for (let i = 0; i < transfers; i++)
    uploads.push(await fixture.client('client', 'half-close', host, `${bytes}`));
  const wrong = typeof downloads.wrong === 'number' ? downloads.wrong : transfers;
  const sum = { least: transfers * bytes, most: transfers * (bytes + HTTP_MOST) };
  return {
    connections: 2 * transfers,
    lost: wrong + uploads.filter(({ match }) => match !== true).length,
    upload: sum,
    download: sum,
  };
}

/** Short connections, fifty at a time. */
export function burstPhase(fixture: Fixture, count: number): Promise<PhaseResult> {
  return measured(fixture, `${count} short connections`, async () => {
    const { done } = await fixture.client('client', 'quick', ADDRESS.internet.v4, `${count}`);
    const greeting = { least: count, most: count * HTTP_MOST };
    return { connections: count, lost: done === count ? 0 : 1, download: greeting };
  });
}

/** Looks at all counters before and after `work`, when nothing is open any more. */
async function measured(
  fixture: Fixture,
  name: string,
  work: () => Promise<Work>,
): Promise<PhaseResult> {
  await quiet(fixture);
  const before = await look(fixture);
  const began = performance.now();
  const { lost, connections, upload = nothing, download = nothing } = await work();
  const seconds = (performance.now() - began) / 1000;
  await quiet(fixture);
  const after = await look(fixture);
  const sums = checkSums(
    { connections, upload, download },
    {
      grown: (key, labels) => after.page.sum(key, labels) - before.page.sum(key, labels),
      now: (key) => after.page.sum(key),
      router: grownRouter(before.router, after.router),
    },
  );
  const bytes = { name: 'no byte is lost', ok: lost === 0, detail: `${lost} transfers are wrong` };
  return { name, seconds, connections, checks: [bytes, ...sums] };
}

/** No connection of the relay is open. */
export function quiet(fixture: Fixture): Promise<void> {
  return waitFor(
    'all connections to end',
    async () => (await scrape(fixture)).sum('relayConnectionsActive') === 0,
    QUIET_MS,
  );
}

const QUIET_MS = 30_000;

async function look(fixture: Fixture): Promise<{ page: Scrape; router: RouterCounters }> {
  const [page, router] = await Promise.all([scrape(fixture), routerCounters(fixture)]);
  return { page, router };
}

function grownRouter(before: RouterCounters, after: RouterCounters): RouterCounters {
  const rules = Object.entries(after.rules).map(
    ([name, packets]) => [name, packets - (before.rules[name] ?? 0)] as const,
  );
  return {
    steered: {
      packets: after.steered.packets - before.steered.packets,
      bytes: after.steered.bytes - before.steered.bytes,
    },
    rules: Object.fromEntries(rules),
    refused: after.refused - before.refused,
  };
}
