/** From a list of a million prefixes in a file to a classifier that is loaded, and nft's way there. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { formatV4 } from '../../../control/config/address.js';
import type { PrefixSet } from '../../../control/policy/prefix-set.js';
import { peer } from './paths.js';
import { millionPrefixes } from './policies.js';

const TIMEOUT_MS = 120_000;
const POLL_MS = 20;
const MIB = 2 ** 20;

export interface Lists {
  text: string;
  nft: string;
}

function ranges(set: PrefixSet): string[] {
  const { starts, ends } = set.v4Intervals();
  return Array.from(
    { length: starts.length },
    (_, i) => `${formatV4(starts[i]!)}-${formatV4(ends[i]!)}`,
  );
}

/** The elements of a set as control/nft writes them, in the syntax that nft reads fastest. */
export const writeRanges = (set: PrefixSet): string => ranges(set).join(',\n');

/**
 * The prefixes as ranges that neither overlap nor touch: nft refuses what overlaps, and merging it
 * would be counted as its loading.
 */
export function writeLists(directory: string): Lists {
  const set = millionPrefixes('first');
  const text = join(directory, 'list.txt');
  const nft = join(directory, 'list.nft');
  writeFileSync(text, `${ranges(set).join('\n')}\n`);
  const elements = `elements = {\n${writeRanges(set)} }`;
  writeFileSync(
    nft,
    `table inet bench {\nset prefixes { type ipv4_addr; flags interval; ${elements}\n}\n}\n`,
  );
  return { text, nft };
}

/** What load-peer.ts says. */
export interface Loaded {
  /** To read, compile and load. */
  milliseconds: number;
  /** Bytes of the program set's maps, as the kernel counts them. */
  kernelBytes: number;
  /** Most that the process held, beside what it held before. */
  addedBytes: number;
}

export interface LoadFigures {
  /** Milliseconds of both. */
  ours: number;
  nft: number;
  /** MiB of ours in the kernel. */
  tables: number;
  /** MiB of both programs at their largest. */
  oursPeak: number;
  nftPeak: number;
}

export async function measureLoad({ text, nft }: Lists): Promise<LoadFigures> {
  const [file, ...args] = peer('load-peer', text);
  const { stdout } = await promisify(execFile)(file!, args, { timeout: TIMEOUT_MS });
  const { milliseconds, kernelBytes, addedBytes } = JSON.parse(stdout) as Loaded;
  const rival = await runNft(nft);
  return {
    ours: milliseconds,
    nft: rival.milliseconds,
    tables: kernelBytes / MIB,
    oursPeak: addedBytes / MIB,
    nftPeak: rival.peakBytes / MIB,
  };
}

async function runNft(path: string): Promise<{ milliseconds: number; peakBytes: number }> {
  const started = performance.now();
  const nft = spawn('nft', ['-f', path], { stdio: ['ignore', 'inherit', 'inherit'] });
  let peakBytes = 0;
  const timer = setInterval(() => {
    peakBytes = Math.max(peakBytes, memoryOf(nft.pid!, 'VmHWM') ?? 0);
    if (performance.now() - started > TIMEOUT_MS) nft.kill('SIGKILL');
  }, POLL_MS);
  const status = await new Promise((resolve) => nft.once('close', resolve));
  clearInterval(timer);
  if (status !== 0) throw new Error(`nft -f ended with ${status}`);
  const milliseconds = performance.now() - started;
  execFileSync('nft', ['delete', 'table', 'inet', 'bench']);
  return { milliseconds, peakBytes };
}

/** Bytes; nothing when the process has ended. */
export function memoryOf(pid: number | 'self', field: 'VmHWM' | 'VmRSS'): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kilobytes = new RegExp(`^${field}:\\s*(\\d+) kB`, 'm').exec(status)?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}
