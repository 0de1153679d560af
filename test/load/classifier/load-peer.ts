/** `load-peer.js LIST`: reads, compiles and loads a list, in a process whose memory is its own. */
import { readdirSync, readFileSync } from 'node:fs';
import type { BpfObject } from '../../../bpf/object.js';
import { loadProgramSet, SHARED_MAPS } from '../../../bpf/program-set.js';
import { compileTables } from '../../../bpf/tables.js';
import { type AddressEntry, isProblem, parseEntry } from '../../../control/config/entry.js';
import { PrefixSet } from '../../../control/policy/prefix-set.js';
import { STEERING } from '../../bpf/run.js';
import { type Loaded, memoryOf } from './load.js';
import { CLASSIFIER_OBJECT } from './paths.js';

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

function load(path: string): BpfObject {
  const to = readList(path);
  return loadProgramSet({
    object: CLASSIFIER_OBJECT,
    tables: compileTables({ rules: [{ name: 'list', to, action: 'direct' }], default: 'proxy' }),
    steering: STEERING,
    flowTableSize: 1024,
    shared: {},
  });
}

/** What the kernel charges for each map that this process has open, but those of all program sets. */
function kernelBytes(object: BpfObject): number {
  const shared = SHARED_MAPS.map((map) => `${object.mapDescriptor(map)}`);
  return readdirSync('/proc/self/fdinfo')
    .filter((fd) => !shared.includes(fd))
    .map((fd) => Number(mapMemory(fd) ?? 0))
    .reduce((sum, one) => sum + one, 0);
}

function mapMemory(fd: string): string | undefined {
  try {
    const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
    return info.includes('map_type:') ? /^memlock:\s*(\d+)/m.exec(info)?.[1] : undefined;
  } catch {
    return undefined; // The directory's own descriptor.
  }
}

const before = memoryOf('self', 'VmRSS')!;
const started = performance.now();
const object = load(process.argv[2]!);
const milliseconds = performance.now() - started;
const result: Loaded = {
  milliseconds,
  kernelBytes: kernelBytes(object),
  addedBytes: memoryOf('self', 'VmHWM')! - before,
};
console.log(JSON.stringify(result));
