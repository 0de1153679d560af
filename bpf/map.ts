/** Reading and writing maps by file descriptor. */
import { structSize } from './abi.js';
import { call, check } from './ffi.js';

const ANY = 0n;

/** Writes the element at `key`, adding it if the map is no array. */
export function updateElement(fd: number, key: Buffer, value: Buffer): void {
  check('bpf_map_update_elem', fd, key, value, ANY);
}

/** Writes elements 0, 1, … of an array from `values`, one behind the other. */
export function fillArray(fd: number, values: Buffer, valueSize: number): void {
  const count = values.length / valueSize;
  if (count === 0) return;
  const keys = Buffer.from(Uint32Array.from({ length: count }, (_, i) => i).buffer);
  const written = Buffer.alloc(4);
  written.writeUInt32LE(count);
  check('bpf_map_update_batch', fd, keys, values, written, 0n);
}

export interface Count {
  packets: number;
  bytes: number;
}

/** The sums over all CPUs of a per-CPU array of counters. */
export function readCounters(fd: number, length: number): Count[] {
  const cpus = check('libbpf_num_possible_cpus');
  const key = Buffer.alloc(4);
  const values = Buffer.alloc(cpus * structSize.counter);
  return Array.from({ length }, (_, index) => {
    key.writeUInt32LE(index);
    check('bpf_map_lookup_elem', fd, key, values);
    const sum = { packets: 0, bytes: 0 };
    for (let offset = 0; offset < values.length; offset += structSize.counter) {
      sum.packets += Number(values.readBigUInt64LE(offset));
      sum.bytes += Number(values.readBigUInt64LE(offset + 8));
    }
    return sum;
  });
}

/** Text in an array of fixed-size, zero-padded names. */
export function readName(fd: number, index: number, size: number): string {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(index);
  const value = Buffer.alloc(size);
  check('bpf_map_lookup_elem', fd, key, value);
  return value.toString('utf8').replace(/\0.*$/s, '');
}

/** The value at `key`, or nothing where there is none. */
export function lookupElement(fd: number, key: Buffer, size: number): Buffer | undefined {
  const value = Buffer.alloc(size);
  return call('bpf_map_lookup_elem', fd, key, value) < 0 ? undefined : value;
}

export interface MapInfo {
  type: number;
  keySize: number;
  valueSize: number;
  maxEntries: number;
}

/** The head of `struct bpf_map_info`: type, id, key size, value size, entries. */
export function mapInfo(fd: number): MapInfo {
  const info = Buffer.alloc(80);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(info.length);
  check('bpf_obj_get_info_by_fd', fd, info, length);
  return {
    type: info.readUInt32LE(0),
    keySize: info.readUInt32LE(8),
    valueSize: info.readUInt32LE(12),
    maxEntries: info.readUInt32LE(16),
  };
}
