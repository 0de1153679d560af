/** Nanoseconds a lookup, ours and the LPM trie's with the same prefixes, in one run. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { addressOf, check } from '../../bpf/ffi.js';
import { loadGeneration } from '../../bpf/generation.js';
import type { BpfObject } from '../../bpf/object.js';
import { compileTables } from '../../bpf/tables.js';
import { leaveNetwork, STEERING } from '../bpf/run.js';
import {
  prefixSet,
  random,
  type V4Prefix,
  type V6Prefix,
  v4Prefixes,
  v6Prefixes,
} from './prefixes.js';

const OBJECT = fileURLToPath(new URL('../../build/bpf/lookup.bpf.o', import.meta.url));
const RESULTS = fileURLToPath(new URL('../../build/bench', import.meta.url));
const ADDRESSES = 1 << 16;
const ROUNDS = 1024;
const RUNS = 7;

interface Row {
  family: 4 | 6;
  prefixes: number;
  compileMs: number;
  tableMiB: number;
  trieLoadMs: number;
  tableNs: number;
  trieNs: number;
  ratio: number;
}

function timeOf(object: BpfObject, program: string): number {
  const fd = object.programDescriptor(program);
  const packet = Buffer.alloc(64);
  const options = Buffer.alloc(88);
  options.writeBigUInt64LE(88n, 0);
  options.writeBigUInt64LE(addressOf(packet), 8);
  options.writeUInt32LE(packet.length, 24);
  options.writeInt32LE(200, 60);
  // The first run brings the tables back that the other's run has thrown out of the caches.
  check('bpf_prog_test_run_opts', fd, options);
  check('bpf_prog_test_run_opts', fd, options);
  return options.readUInt32LE(64) / ROUNDS;
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** A B A B, and the loop without a lookup beside them. */
function compare(object: BpfObject, ours: string, theirs: string): [number, number] {
  const table: number[] = [];
  const trie: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const empty = timeOf(object, 'bench_empty');
    table.push(timeOf(object, ours) - empty);
    trie.push(timeOf(object, theirs) - empty);
  }
  return [median(table), median(trie)];
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

function fillAddresses(fd: number, addresses: readonly bigint[]): void {
  const values = Buffer.alloc(ADDRESSES * 16);
  addresses.forEach((address, i) => {
    values.writeBigUInt64LE(address >> 64n, i * 16);
    values.writeBigUInt64LE(address & ((1n << 64n) - 1n), i * 16 + 8);
  });
  const keys = Buffer.from(Uint32Array.from({ length: ADDRESSES }, (_, i) => i).buffer);
  fill(fd, keys, values, ADDRESSES);
}

function measure(family: 4 | 6, v4: V4Prefix[], v6: V6Prefix[], addresses: bigint[]): Row {
  const set = prefixSet(v4, v6);
  const prefixes = family === 4 ? v4 : v6;
  const started = performance.now();
  const tables = compileTables({
    rules: [{ name: 'list', to: set, action: 'direct' }],
    default: 'proxy',
  });
  const compiled = performance.now();
  const object = loadGeneration({
    object: OBJECT,
    tables,
    steering: STEERING,
    flowTableSize: 1024,
    shared: {},
  });
  try {
    const loaded = performance.now();
    fillTrie(object.mapDescriptor(`trie_v${family}`), prefixes, family === 4 ? 4 : 16);
    const trieLoadMs = performance.now() - loaded;
    fillAddresses(object.mapDescriptor('addresses'), addresses);
    const ours = family === 4 ? 'bench_table_v4' : 'bench_tree_v6';
    const [tableNs, trieNs] = compare(object, ours, `bench_trie_v${family}`);
    return {
      family,
      prefixes: prefixes.length,
      compileMs: compiled - started,
      tableMiB: tables.size / 2 ** 20,
      trieLoadMs,
      tableNs,
      trieNs,
      ratio: trieNs / tableNs,
    };
  } finally {
    object.close();
  }
}

/** Anywhere, as a router's destinations do not fall evenly into a list. */
function v4Addresses(): bigint[] {
  const next = random(3);
  return Array.from({ length: ADDRESSES }, () => BigInt(next()));
}

/** In the list's prefixes: elsewhere in IPv6 a trie gives up after a step. */
function v6Addresses(prefixes: readonly V6Prefix[]): bigint[] {
  const next = random(3);
  return Array.from({ length: ADDRESSES }, () => {
    const { first, length } = prefixes[next() % prefixes.length]!;
    return first + (BigInt(next()) % (1n << BigInt(128 - length)));
  });
}

const rows: Row[] = [];
beforeAll(leaveNetwork);

it.each([10_000, 100_000, 1_000_000])('IPv4, %i prefixes', (count) => {
  rows.push(measure(4, v4Prefixes(count), [], v4Addresses()));
  expect(rows.at(-1)!.ratio).toBeGreaterThan(1);
});

it.each([10_000, 100_000])('IPv6, %i prefixes', (count) => {
  const prefixes = v6Prefixes(count);
  rows.push(measure(6, [], prefixes, v6Addresses(prefixes)));
  expect(rows.at(-1)!.ratio).toBeGreaterThan(1);
});

it('writes the results', () => {
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(`${RESULTS}/lookup.json`, `${JSON.stringify(rows, null, 2)}\n`);
  const rounded = rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([key, value]) => [key, Math.round(value * 10) / 10]),
    ),
  );
  console.table(rounded);
});
