/** iperf3 in the lab: as many flows as are wanted, by as many processes as it takes. */
import {
  clientArgv,
  type Direction,
  divideStreams,
  type Iperf3Result,
  readIperf3,
  serverArgv,
} from '../../../control/bench/iperf3.js';
import { ADDRESS } from '../../../control/lab/topology.js';
import type { Fixture } from '../../netns/fixture.js';
import { Running } from '../../netns/rivals/launch.js';

export interface FlowsOptions {
  flows: number;
  /** Whole seconds. */
  seconds: number;
  direction: Exclude<Direction, 'both'>;
  /** Bit/s of each flow; as fast as it goes when absent. */
  rate?: number;
  address?: string;
}

export interface FlowsResult {
  /** Of all processes together, in the direction that was asked for. */
  sentBytes: number;
  receivedBytes: number;
  bitsPerSecond: number;
  retransmits: number;
  /** Each has a connection of its own beside its flows. */
  processes: number;
  version: string;
}

const FIRST_PORT = 5201;
/** To open fifty flows one after the other and to tell results, when twenty processes do so on a busy machine. */
const SLACK_MS = 120_000;

/** iperf3 failed for a reason that another try may not meet. */
export class FlowsFailed extends Error {
  constructor(
    said: string,
    readonly again: boolean,
  ) {
    super(`iperf3: ${said}`);
  }
}

/**
 * Servers of their own for each run: one that a client left in the middle would refuse the next for ever.
 * @throws FlowsFailed when a process has no result.
 */
export async function runFlows(fixture: Fixture, options: FlowsOptions): Promise<FlowsResult> {
  const streams = divideStreams(options.flows);
  const servers: Running[] = [];
  try {
    const started = streams.map(async (_, i) => {
      const port = FIRST_PORT + i;
      servers.push(await Running.start(fixture.lab, 'internet', serverArgv(port), port));
    });
    await Promise.all(started);
    const runs = streams.map((count, i) => runClient(fixture, options, count, FIRST_PORT + i));
    return sumOf(await Promise.all(runs), options.direction);
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

async function runClient(
  { lab }: Fixture,
  { seconds, direction, rate, address = ADDRESS.internet.v4 }: FlowsOptions,
  streams: number,
  port: number,
): Promise<Iperf3Result> {
  const speed = rate === undefined ? {} : { rate };
  const argv = clientArgv({ address, port, seconds, direction, streams, ...speed });
  const limit = { timeoutMs: seconds * 1000 + SLACK_MS };
  const said = await lab.run('client', argv, limit).catch((error: Error) => {
    throw new FlowsFailed(error.message, true);
  });
  const outcome = readIperf3(said);
  if ('result' in outcome) return outcome.result;
  throw new FlowsFailed(outcome.failure.said, outcome.failure.again);
}

function sumOf(results: readonly Iperf3Result[], direction: 'upload' | 'download'): FlowsResult {
  const transfers = results.flatMap((one) => one[direction] ?? []);
  const sum = (pick: (one: (typeof transfers)[number]) => number) =>
    transfers.reduce((total, one) => total + pick(one), 0);
  return {
    sentBytes: sum((one) => one.sentBytes),
    receivedBytes: sum((one) => one.receivedBytes),
    bitsPerSecond: sum((one) => one.bitsPerSecond),
    retransmits: sum((one) => one.retransmits ?? 0),
    processes: results.length,
    version: results[0]?.version ?? 'unknown',
  };
}
