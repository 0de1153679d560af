/** From a list of a million prefixes in a file to a classifier that is loaded, and nft's way there. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadGeneration } from '../../../bpf/generation.js';
import { compileTables } from '../../../bpf/tables.js';
import { formatV4 } from '../../../control/config/address.js';
import { type AddressEntry, isProblem, parseEntry } from '../../../control/config/entry.js';
import { PrefixSet } from '../../../control/policy/prefix-set.js';
import { STEERING } from '../../bpf/run.js';
import { prefixSet, v4Prefixes } from '../prefixes.js';
import { CLASSIFIER_OBJECT } from './paths.js';

const PREFIXES = 1_000_000;

export interface Lists {
  text: string;
  nft: string;
}

/**
 * The prefixes as ranges that neither overlap nor touch: nft refuses what overlaps, and merging it
 * would be counted as its loading.
 */
export function writeLists(directory: string): Lists {
  const { starts, ends } = prefixSet(v4Prefixes(PREFIXES), []).v4Intervals();
  const ranges = Array.from(
    { length: starts.length },
    (_, i) => `${formatV4(starts[i]!)}-${formatV4(ends[i]!)}`,
  );
  const text = join(directory, 'list.txt');
  const nft = join(directory, 'list.nft');
  writeFileSync(text, `${ranges.join('\n')}\n`);
  // As control/nft writes a set, in the syntax that nft reads fastest.
  const set = `set prefixes { type ipv4_addr; flags interval; elements = {\n${ranges.join(',\n')} } }`;
  writeFileSync(nft, `table inet bench {\n${set}\n}\n`);
  return { text, nft };
}

function readList(path: string): PrefixSet {
  const entries: AddressEntry[] = [];
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (line === '') continue;
    const entry = parseEntry(line);
    if (isProblem(entry)) throw new Error(`${path}: ${entry.message}`);
    entries.push(entry);
  }
  return PrefixSet.of(entries);
}

export interface LoadTimes {
  /** Milliseconds: read, compile, load. */
  ours: number;
  /** Milliseconds of `nft -f`. */
  nft: number;
  /** MiB of tables in the kernel. */
  tables: number;
}

export function measureLoad({ text, nft }: Lists): LoadTimes {
  const started = performance.now();
  const to = readList(text);
  const tables = compileTables({
    rules: [{ name: 'list', to, action: 'direct' }],
    default: 'proxy',
  });
  const object = loadGeneration({
    object: CLASSIFIER_OBJECT,
    tables,
    steering: STEERING,
    flowTableSize: 1024,
    shared: {},
  });
  const ours = performance.now() - started;
  object.close();
  const nftStarted = performance.now();
  execFileSync('nft', ['-f', nft], { timeout: 120_000 });
  const nftTime = performance.now() - nftStarted;
  execFileSync('nft', ['delete', 'table', 'inet', 'bench']);
  return { ours, nft: nftTime, tables: tables.size / 2 ** 20 };
}
