/** Nanoseconds a lookup: our tables and the kernel's LPM trie with the same prefixes. */
import { check } from '../../../bpf/ffi.js';
import type { BpfObject } from '../../../bpf/object.js';
import type { ClassifierPolicy } from '../../../bpf/policy.js';
import { loadProgramSet } from '../../../bpf/program-set.js';
import { compileTables } from '../../../bpf/tables.js';
import { STEERING } from '../../bpf/run.js';
import {
  prefixSet,
  random,
  type V4Prefix,
  type V6Prefix,
  v4Prefixes,
  v6Prefixes,
} from '../prefixes.js';
import { BENCH_OBJECT } from './paths.js';
import { testRun } from './test-run.js';

const ADDRESSES = 1 << 16;
/** Lookups of one repetition, as in lookup.bpf.c, and repetitions. */
const ROUNDS = 1024;
const REPEAT = 200;

export interface Contest {
  family: 4 | 6;
  prefixes: number;
  object: BpfObject;
}

export function loadBenchObject(policy: ClassifierPolicy, flowTableSize = 1024): BpfObject {
  return loadProgramSet({
    object: BENCH_OBJECT,
    tables: compileTables(policy),
    steering: STEERING,
    flowTableSize,
    shared: {},
  });
}

function fill(fd: number, keys: Buffer, values: Buffer, count: number): void {
  const written = Buffer.alloc(4);
  written.writeUInt32LE(count);
  check('bpf_map_update_batch', fd, keys, values, written, 0n);
}

function fillTrie(fd: number, prefixes: readonly (V4Prefix | V6Prefix)[], size: number): void {
  const keys = Buffer.alloc(prefixes.length * (4 + size));
  prefixes.forEach(({ first, length }, i) => {
    keys.writeUInt32LE(length, i * (4 + size));
    keys.write(first.toString(16).padStart(2 * size, '0'), i * (4 + size) + 4, 'hex');
  });
  fill(fd, keys, Buffer.alloc(prefixes.length * 4, 1), prefixes.length);
}

/** In the list's prefixes: elsewhere in IPv6 a trie gives up after a step. */
function fillAddresses(fd: number, prefixes: readonly V6Prefix[]): void {
  const next = random(3);
  const values = Buffer.alloc(ADDRESSES * 16);
  for (let i = 0; i < ADDRESSES; i++) {
    const { first, length } = prefixes[next() % prefixes.length]!;
    const address = first + (BigInt(next()) % (1n << BigInt(128 - length)));
    values.writeBigUInt64LE(address >> 64n, i * 16);
    values.writeBigUInt64LE(address & ((1n << 64n) - 1n), i * 16 + 8);
  }
  const keys = Buffer.from(Uint32Array.from({ length: ADDRESSES }, (_, i) => i).buffer);
  fill(fd, keys, values, ADDRESSES);
}

/** Both structures in one object, with the same prefixes. */
export function startContest(family: 4 | 6, count: number): Contest {
  const v4 = family === 4 ? v4Prefixes(count) : [];
  const v6 = family === 6 ? v6Prefixes(count) : [];
  const to = prefixSet(v4, v6);
  const object = loadBenchObject({
    rules: [{ name: 'list', to, action: 'direct' }],
    default: 'proxy',
  });
  const trie = object.mapDescriptor(`trie_v${family}`);
  fillTrie(trie, family === 4 ? v4 : v6, family === 4 ? 4 : 16);
  if (family === 6) fillAddresses(object.mapDescriptor('addresses'), v6);
  return { family, prefixes: count, object };
}

/** The loop with this lookup; the first run brings back what the others threw out of the caches. */
function loopTime(object: BpfObject, program: string): number {
  const frame = Buffer.alloc(64);
  testRun(object, program, frame, REPEAT);
  return testRun(object, program, frame, REPEAT).nanoseconds / ROUNDS;
}

/** Our nanoseconds and the trie's, without those of the loop itself. */
export function measureLookup({ family, object }: Contest): { ours: number; trie: number } {
  const empty = loopTime(object, `bench_empty_v${family}`);
  const ours = loopTime(object, family === 4 ? 'bench_table_v4' : 'bench_tree_v6') - empty;
  const trie = loopTime(object, `bench_trie_v${family}`) - empty;
  return { ours, trie };
}
