/**
 * Program sets swapped under a flood with a window, so that what is missing in the end was lost by
 * the router. Two lists of a million prefixes, each tables of its own, take turns; every packet goes
 * to an address for which both say the same.
 */
import { createInterface } from 'node:readline';
import type { ClassifierStats } from '../../../bpf/stats.js';
import type { LabProcess } from '../../../control/lab/lab.js';
import { SYN } from '../../bpf/frame.js';
import { type FloodLab, generator, startFloodLab, withUrgentThreads } from './flood.js';
import { peer } from './paths.js';
import type { Contestant } from './router.js';
import type { Arrivals } from './traffic.js';

/** Of one measurement. */
const SWAPS = 3;
/** Packets that must be judged before, between and after the swaps. */
const SOME = 20_000;
const TIMEOUT_MS = 60_000;

export interface SwapLab extends FloodLab {
  /** Attaches the next program set, and tells what is counted, a line each. */
  classifier: LabProcess;
  answers: AsyncIterator<string>;
}

export async function startSwapLab(contestant: Contestant): Promise<SwapLab> {
  const bench = await startFloodLab(contestant, 'first list');
  try {
    // Conntrack would fill up with flows that nobody answers, and lose the rest itself.
    await bench.lab.check('router', ['nft', 'delete', 'table', 'inet', 'wan_nat']);
    const classifier = bench.lab.spawn(
      'router',
      peer('router-peer', contestant, 'second list', 'first list'),
    );
    const lines = createInterface({ input: classifier.child.stdout! });
    const lab = { ...bench, classifier, answers: lines[Symbol.asyncIterator]() };
    await answer(lab);
    return lab;
  } catch (error) {
    bench.lab.stop();
    throw error;
  }
}

function within<T>(what: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`nothing came of it within ${TIMEOUT_MS / 1000} s`);
    timer = setTimeout(() => reject(error), TIMEOUT_MS);
  });
  return Promise.race([what, late]).finally(() => clearTimeout(timer));
}

async function answer({ answers }: SwapLab): Promise<ClassifierStats> {
  const { value, done } = await within(answers.next());
  if (done) throw new Error('the classifier could not be attached');
  return JSON.parse(value as string) as ClassifierStats;
}

function ask(bench: SwapLab, what: 'swap' | 'stats'): Promise<ClassifierStats> {
  bench.classifier.child.stdin!.write(`${what}\n`);
  return answer(bench);
}

const steeredIn = ({ outcomes }: ClassifierStats) =>
  outcomes.marked.packets + outcomes.redirected.packets;
/** A first packet that is left alone, or a later one of a flow that is not steered. */
const leftIn = ({ outcomes }: ClassifierStats) =>
  outcomes.direct.packets + outcomes.unknown_flow.packets;
const judgedIn = (stats: ClassifierStats) => steeredIn(stats) + leftIn(stats);

/** Waits until the flood has gone on for a while. */
async function letPass(bench: SwapLab): Promise<void> {
  const [end, wanted] = [
    performance.now() + TIMEOUT_MS,
    judgedIn(await ask(bench, 'stats')) + SOME,
  ];
  while (judgedIn(await ask(bench, 'stats')) < wanted)
    if (performance.now() > end) throw new Error(`the flood has stopped`);
}

export interface SwapCounts {
  sent: number;
  lost: number;
  /** Packets that arrived where the other verdict leads. */
  misjudged: number;
  /** Packets that the classifier counted otherwise than they arrived. */
  miscounted: number;
}

async function flood(bench: SwapLab, meanwhile: () => Promise<void>): Promise<SwapCounts> {
  const before = await ask(bench, 'stats');
  const sender = bench.lab.spawn('client', generator(bench, 'paced', SYN), {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const output: Buffer[] = [];
  sender.child.stdout!.on('data', (chunk: Buffer) => output.push(chunk));
  try {
    await letPass(bench);
    await meanwhile();
    sender.child.stdin!.end();
    if ((await within(sender.exited)) !== 0) throw new Error('the generator failed');
  } finally {
    sender.signal('SIGKILL');
  }
  const arrivals = JSON.parse(Buffer.concat(output).toString()) as Arrivals;
  return count(arrivals, before, await ask(bench, 'stats'));
}

function count(
  { sent, server, internet, strayed, escaped }: Arrivals,
  before: ClassifierStats,
  after: ClassifierStats,
): SwapCounts {
  const steered = steeredIn(after) - steeredIn(before);
  const left = leftIn(after) - leftIn(before);
  return {
    sent,
    lost: sent - server - internet - strayed - escaped,
    misjudged: strayed + escaped,
    miscounted: Math.abs(steered - server - strayed) + Math.abs(left - internet - escaped),
  };
}

async function swap(bench: SwapLab): Promise<void> {
  for (let i = 0; i < SWAPS; i++) {
    await ask(bench, 'swap');
    await letPass(bench);
  }
}

/** The flood with swaps, and without any: what is lost then is not the swaps' doing. */
export async function measureSwaps(
  bench: SwapLab,
): Promise<{ swaps: SwapCounts; none: SwapCounts }> {
  return withUrgentThreads(bench, async () => {
    const none = await flood(bench, () => letPass(bench));
    return { swaps: await flood(bench, () => swap(bench)), none };
  });
}
