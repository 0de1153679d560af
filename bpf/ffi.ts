/**
 * libbpf's and libc's functions, and the one gate through which their errors come.
 *
 * Pointers travel as 64-bit integers, structs as Buffers whose layout is written where they are
 * used, so no C of our own is needed. The libraries are opened at the first call: to import this
 * file costs nothing and cannot fail.
 */
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import type { DataType } from 'ffi-rs';
import { ClassifierError } from './error.js';

/** Of ffi-rs's DataType, which would have to be loaded to be read. */
export const TYPES = { String: 0, I32: 1, Void: 7, U8Array: 10, BigInt: 16, U32: 20 } as const;

/** An address in this process's memory; 0n is NULL. */
export type Pointer = bigint;
type Argument = number | bigint | string | Buffer;

type Types = Pick<typeof DataType, keyof typeof TYPES>;
const {
  I32: i32,
  U32: u32,
  BigInt: pointer,
  String: string,
  U8Array: buffer,
  Void: nothing,
} = TYPES as Types;
const size = pointer;

/** [result, parameters]; a pointer that may be NULL is an integer, one that may not is a Buffer. */
const LIBBPF = {
  libbpf_set_print: [pointer, [pointer]],
  libbpf_major_version: [u32, []],
  libbpf_num_possible_cpus: [i32, []],
  libbpf_probe_bpf_helper: [i32, [i32, i32, pointer]],
  bpf_object__open_file: [pointer, [string, pointer]],
  bpf_object__load: [i32, [pointer]],
  bpf_object__close: [nothing, [pointer]],
  bpf_object__find_map_by_name: [pointer, [pointer, string]],
  bpf_object__find_program_by_name: [pointer, [pointer, string]],
  bpf_map__fd: [i32, [pointer]],
  bpf_map__set_max_entries: [i32, [pointer, u32]],
  bpf_map__set_initial_value: [i32, [pointer, buffer, size]],
  bpf_map__reuse_fd: [i32, [pointer, i32]],
  bpf_program__fd: [i32, [pointer]],
  bpf_program__set_autoload: [i32, [pointer, i32]],
  bpf_program__set_log_buf: [i32, [pointer, buffer, size]],
  bpf_obj_pin: [i32, [i32, string]],
  bpf_obj_get: [i32, [string]],
  bpf_obj_get_info_by_fd: [i32, [i32, buffer, buffer]],
  bpf_prog_get_fd_by_id: [i32, [u32]],
  bpf_prog_test_run_opts: [i32, [i32, buffer]],
  bpf_map_update_elem: [i32, [i32, buffer, buffer, size]],
  bpf_map_update_batch: [i32, [i32, buffer, buffer, buffer, pointer]],
  bpf_map_lookup_elem: [i32, [i32, buffer, buffer]],
  bpf_map_lookup_batch: [i32, [i32, pointer, pointer, buffer, buffer, buffer, pointer]],
  bpf_map_get_next_key: [i32, [i32, pointer, buffer]],
  bpf_tc_hook_create: [i32, [buffer]],
  bpf_tc_hook_destroy: [i32, [buffer]],
  bpf_tc_attach: [i32, [buffer, buffer]],
  bpf_tc_detach: [i32, [buffer, buffer]],
  bpf_tc_query: [i32, [buffer, buffer]],
  bpf_xdp_attach: [i32, [i32, i32, u32, buffer]],
  bpf_xdp_detach: [i32, [i32, u32, buffer]],
  bpf_xdp_query_id: [i32, [i32, u32, buffer]],
} as const satisfies Record<string, Signature>;

const LIBC = {
  memmove: [pointer, [buffer, buffer, size]],
  close: [i32, [i32]],
  socket: [i32, [i32, i32, i32]],
  ioctl: [i32, [i32, size, buffer]],
  if_nametoindex: [u32, [string]],
} as const satisfies Record<string, Signature>;

type Signature = readonly [DataType, readonly DataType[]];
type Functions = typeof LIBBPF & typeof LIBC;
type FunctionName = keyof Functions;
type ResultOf<N extends FunctionName> = Functions[N][0] extends DataType.BigInt
  ? bigint
  : Functions[N][0] extends DataType.Void
    ? undefined
    : number;

type Ffi = typeof import('ffi-rs');

let loaded: Ffi | undefined;

/** See proxy/ffi.ts: the part for this machine may be absent, which only matters here. */
function ffi(): Ffi {
  try {
    loaded ??= createRequire(import.meta.url)('ffi-rs') as Ffi;
    return loaded;
  } catch (cause) {
    throw new ClassifierError(
      `the ebpf classifier needs the module ffi-rs, which has no part for this machine (${process.platform} ${process.arch})`,
      {
        code: 'ffi-missing',
        source: 'host',
        hint: "type in sidetrack's directory: npm ci --include=optional; or write classifier: nftables",
        cause,
      },
    );
  }
}

const LIBRARIES = { libbpf: 'libbpf.so.1', libc: 'libc.so.6' } as const;
const opened = new Set<string>();

function openLibrary(library: keyof typeof LIBRARIES): void {
  if (opened.has(library)) return;
  const { open } = ffi();
  try {
    open({ library, path: LIBRARIES[library] });
  } catch (cause) {
    const missing = library === 'libbpf' ? 'libbpf 1.0 or newer' : 'the GNU C library';
    const install = library === 'libbpf' ? 'install it: apt-get install libbpf1; or ' : '';
    throw new ClassifierError(
      `the ebpf classifier needs ${missing}: cannot open ${LIBRARIES[library]}`,
      {
        code: `${library}-missing`,
        source: 'host',
        hint: `${install}write classifier: nftables`,
        cause,
      },
    );
  }
  opened.add(library);
  // libbpf would write to our standard error; what matters comes back as errno and verifier log.
  if (library === 'libbpf') invoke('libbpf_set_print', [0n]);
}

interface Outcome<T> {
  value: T;
  errno: number;
}

interface Result<N extends FunctionName> {
  value: ResultOf<N>;
  errnoCode: number;
}

function invoke<N extends FunctionName>(name: N, args: readonly Argument[]): Outcome<ResultOf<N>> {
  const library = name in LIBC ? 'libc' : 'libbpf';
  openLibrary(library);
  const { load } = ffi();
  const [retType, paramsType]: Signature = { ...LIBBPF, ...LIBC }[name];
  const request = {
    library,
    funcName: name,
    retType,
    paramsType: [...paramsType],
    paramsValue: [...args],
    errno: true,
  };
  try {
    const { value, errnoCode } = load(request) as unknown as Result<N>;
    return { value, errno: errnoCode };
  } catch (cause) {
    if (!/Cannot find/.test((cause as Error).message)) throw cause;
    const message =
      library === 'libbpf'
        ? `libbpf is too old, the ebpf classifier needs 1.0: no ${name} in it`
        : `this C library has no ${name}, the ebpf classifier needs glibc`;
    throw new ClassifierError(message, {
      code: `${library}-too-old`,
      source: 'host',
      hint: 'write classifier: nftables',
      cause,
    });
  }
}

const ERRNO_NAMES = new Map(
  Object.entries(constants.errno).map(([name, number]) => [number as number, name]),
);

/** Symbolic name of a kernel error, such as `EPERM`. */
export function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
}

/** A call that failed; the caller, which knows its purpose, turns it into an error with a hint. */
export class CallError extends Error {
  readonly errno: string;

  constructor(name: string, errno: number) {
    super(`${name}: ${errnoName(errno)}`);
    this.name = 'CallError';
    this.errno = errnoName(errno);
  }
}

/** Calls a function as it is, for results that are no errors. */
export function call<N extends FunctionName>(name: N, ...args: Argument[]): ResultOf<N> {
  return invoke(name, args).value;
}

/**
 * The error gate: a negative number, or NULL, throws.
 * libbpf returns -errno; libc returns -1, and both leave errno where a pointer is NULL.
 */
export function check<N extends FunctionName>(name: N, ...args: Argument[]): ResultOf<N> {
  const { value, errno } = invoke(name, args);
  if (typeof value === 'bigint' ? value === 0n : (value as number) < 0) {
    const isLibc = name in LIBC || typeof value === 'bigint';
    throw new CallError(name, isLibc ? errno : -(value as number));
  }
  return value;
}

/** Where a Buffer lies. It stays there while something refers to it. */
export function addressOf(bytes: Buffer): Pointer {
  return call('memmove', bytes, bytes, 0n);
}

export function closeDescriptor(fd: number): void {
  call('close', fd);
}
