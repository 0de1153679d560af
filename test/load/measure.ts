/** The relay's core and its memory: what a load has cost. */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { type BenchLab, CORE, PORT } from './bench-lab.js';
import { type Figure, LESS_IS_BETTER } from './cases.js';
import type { ContestantName } from './contestants.js';
import { foreignSeconds } from './foreign.js';
import { type Outcome, peer, type RunningLoad, runLoad } from './loads.js';

/** What a run gave and what it cost. */
export interface Sample extends Outcome {
  /** Seconds in which the relay's core was not idle. */
  busySeconds: number;
  /** Processor time of processes that are not ours, as a part of one core. */
  disturbance: number;
}

const TICKS_PER_SECOND = 100; // USER_HZ, part of the kernel's ABI
const NANOSECONDS = 1e9;

interface CoreTime {
  seconds: number;
  /** Idle, or stolen by the hypervisor: not spent on the relay. */
  away: number;
}

/** A tickless kernel accounts idle time exactly, and user and system time only by sampling. */
function coreTime(core: number): CoreTime {
  const line = readFileSync('/proc/stat', 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`cpu${core} `));
  if (line === undefined) throw new Error(`this machine has no core ${core}`);
  const [, , , , idle, iowait, , , steal] = line.split(/\s+/).map(Number);
  const away = (idle! + iowait! + steal!) / TICKS_PER_SECOND;
  return { seconds: Number(process.hrtime.bigint()) / NANOSECONDS, away };
}

/** One run of `load` by way of `contestant`. */
export async function measure(
  bench: BenchLab,
  contestant: ContestantName,
  load: RunningLoad,
  seconds: number,
  rate: number,
): Promise<Sample> {
  await bench.leadThrough(contestant);
  const others = foreignSeconds();
  const before = coreTime(CORE.relay);
  const outcome = await runLoad(bench, load, seconds, rate);
  const after = coreTime(CORE.relay);
  const elapsed = after.seconds - before.seconds;
  const busySeconds = elapsed - (after.away - before.away);
  const disturbance = Math.max(0, foreignSeconds() - others) / elapsed;
  return { ...outcome, busySeconds, disturbance };
}

const GIGABIT_BYTES = 1e9 / 8;
const THOUSAND = 1000;

export function readFigure(figure: Figure, sample: Sample): number {
  switch (figure) {
    case 'gigabits per CPU second':
      return sample.amount / GIGABIT_BYTES / sample.busySeconds;
    case 'gigabits per second':
      return sample.amount / GIGABIT_BYTES / sample.seconds;
    case 'thousands per CPU second':
      return sample.amount / THOUSAND / sample.busySeconds;
    case 'thousands per second':
      return sample.amount / THOUSAND / sample.seconds;
    case 'p50':
    case 'p99':
    case 'longest':
      return sample[figure]!;
    case 'bytes each':
      return sample.amount;
  }
}

export const lessIsBetter = (figure: Figure) => LESS_IS_BETTER.includes(figure);

/** Bytes of anonymous memory that a fresh `contestant` needs for each of so many connections. */
export async function measureMemory(
  bench: BenchLab,
  contestant: ContestantName,
  connections: number,
): Promise<number> {
  await bench.stopContestant(contestant);
  await bench.startContestant(contestant);
  await bench.leadThrough(contestant);
  const before = await bench.anonymousBytes(contestant);
  const holder = bench.spawnClient(peer('hold', PORT.echo, connections));
  try {
    for await (const line of createInterface({ input: holder.child.stdout! }))
      if (line === 'ready')
        return ((await bench.anonymousBytes(contestant)) - before) / connections;
    throw new Error(`${contestant} did not hold ${connections} connections`);
  } finally {
    holder.child.stdin?.end();
    await holder.exited;
    await bench.stopContestant(contestant);
  }
}
