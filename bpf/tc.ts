/**
 * Our filter on an interface's clsact ingress, found by a handle and priority of our own. Filters of
 * others are never touched, nor is the qdisc as long as it holds one.
 */
import { spawnSync } from 'node:child_process';
import { z } from 'zod';
import { ClassifierError } from './error.js';
import { call, check, closeDescriptor } from './ffi.js';
import { isCallError } from './object.js';

const INGRESS = 1;
const BOTH = 3;
const REPLACE = 1;
const HANDLE = 0x51de;
export const PRIORITY = 1500;

/** `struct bpf_tc_hook`: size, ifindex, attach point, parent. */
function hook(ifindex: number, point: number): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.writeBigUInt64LE(24n, 0);
  bytes.writeInt32LE(ifindex, 8);
  bytes.writeUInt32LE(point, 12);
  return bytes;
}

const PROGRAM_ID = 16;

/** `struct bpf_tc_opts`: size, program, flags, program id, handle, priority. */
function filter(program: number, flags: number, priority = PRIORITY, handle = HANDLE): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.writeBigUInt64LE(32n, 0);
  bytes.writeInt32LE(program, 8);
  bytes.writeUInt32LE(flags, 12);
  bytes.writeUInt32LE(handle, 20);
  bytes.writeUInt32LE(priority, 24);
  return bytes;
}

/** Id of the program at our handle and priority, or nothing. */
export function attachedProgram(ifindex: number): number | undefined {
  const ours = filter(0, 0);
  // Without a qdisc or a filter there is nothing to find: ENOENT or EINVAL, by kernel.
  return call('bpf_tc_query', hook(ifindex, INGRESS), ours) < 0
    ? undefined
    : ours.readUInt32LE(PROGRAM_ID);
}

/** Where `struct bpf_prog_info` keeps them. */
const ID_OFFSET = 4;
const NAME_OFFSET = 64;
const NAME_LENGTH = 16;

function programInfo(fd: number): Buffer {
  const info = Buffer.alloc(128);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(info.length);
  check('bpf_obj_get_info_by_fd', fd, info, length);
  return info;
}

export function programId(fd: number): number {
  return programInfo(fd).readUInt32LE(ID_OFFSET);
}

/** The name of a loaded program; the kernel keeps 15 characters. */
export function programName(id: number): string {
  const fd = check('bpf_prog_get_fd_by_id', id);
  try {
    const name = programInfo(fd).subarray(NAME_OFFSET, NAME_OFFSET + NAME_LENGTH);
    return name.toString('latin1').replace(/\0.*$/s, '');
  } finally {
    closeDescriptor(fd);
  }
}

function foreign(name: string, priority = PRIORITY): ClassifierError {
  return new ClassifierError(
    `another tool's filter is on ${name} at priority ${priority}, which is ours`,
    {
      code: 'tc-filter-foreign',
      source: 'host',
      hint: `see: tc filter show dev ${name} ingress; or write classifier: nftables`,
    },
  );
}

/** Whether the filter at our handle and priority is one of these programs, by name. */
export function holdsOurs(ifindex: number, programs: readonly string[]): boolean {
  const id = attachedProgram(ifindex);
  return id !== undefined && programs.includes(programName(id));
}

/** @throws ClassifierError when the filter at our handle and priority is not ours. */
export function requireOwnFilter(name: string, ifindex: number, programs: readonly string[]): void {
  if (attachedProgram(ifindex) !== undefined && !holdsOurs(ifindex, programs)) throw foreign(name);
}

/**
 * A priority belongs to one kind of filter and one protocol. The kernel says so when it is too late
 * for a plan, tc before.
 * @throws ClassifierError when our priority is taken.
 */
export function requireFreePriority(name: string): void {
  const taken = filtersAt(name, 'ingress')?.some(
    ({ pref, kind, protocol }) => pref === PRIORITY && (kind !== 'bpf' || protocol !== 'all'),
  );
  if (taken) throw foreign(name);
}

/** Makes sure that there is a clsact qdisc; true if there was none. */
export function ensureQdisc(ifindex: number): boolean {
  try {
    check('bpf_tc_hook_create', hook(ifindex, INGRESS));
    return true;
  } catch (error) {
    if (isCallError(error, 'EEXIST')) return false;
    throw error;
  }
}

/** Attaches `fd`; in one step where one of `programs`, a filter of ours, is already. */
export function attachFilter(
  name: string,
  ifindex: number,
  fd: number,
  programs: readonly string[],
): void {
  requireOwnFilter(name, ifindex, programs);
  try {
    check('bpf_tc_attach', hook(ifindex, INGRESS), filter(fd, REPLACE));
  } catch (cause) {
    // A filter of another kind at our priority: flower, u32, …
    if (isCallError(cause, 'EINVAL', 'EEXIST')) throw foreign(name);
    throw cause;
  }
}

/** The relay's filters of the mode `express`, which come before the classifier's. */
const EXPRESS_PRIORITY = 1490;

const expressFilter = (program: number, flags: number, handle: number) =>
  filter(program, flags, EXPRESS_PRIORITY, handle);

/** Attaches `fd` as the one with that handle; in one step where there is one already. */
export function attachExpress(name: string, ifindex: number, fd: number, handle: number): void {
  try {
    check('bpf_tc_attach', hook(ifindex, INGRESS), expressFilter(fd, REPLACE, handle));
  } catch (cause) {
    if (isCallError(cause, 'EINVAL', 'EEXIST')) throw foreign(name, EXPRESS_PRIORITY);
    throw cause;
  }
}

/** Takes it away, if it is there. */
export function detachExpress(ifindex: number, handle: number): void {
  call('bpf_tc_detach', hook(ifindex, INGRESS), expressFilter(0, 0, handle));
}

/** Handles of all of them on an interface; none where tc gives no answer. */
export function expressHandles(name: string): number[] {
  const ours = filtersAt(name, 'ingress')?.filter(({ pref }) => pref === EXPRESS_PRIORITY) ?? [];
  return ours.flatMap(({ options }) =>
    options?.handle === undefined ? [] : [Number(options.handle)],
  );
}

/** Takes our filter away, if it is there; another one at our priority stays. */
export function detachFilter(ifindex: number, programs: readonly string[]): void {
  if (!holdsOurs(ifindex, programs)) return;
  check('bpf_tc_detach', hook(ifindex, INGRESS), filter(0, 0));
}

const filters = z.array(
  z.object({
    protocol: z.string(),
    pref: z.number(),
    kind: z.string(),
    options: z.object({ handle: z.string().optional() }).optional(),
  }),
);

type FilterJson = z.output<typeof filters>[number];

/** libbpf cannot list filters, tc can; nothing where it gives no answer. */
function filtersAt(name: string, point: 'ingress' | 'egress'): FilterJson[] | undefined {
  const { status, stdout } = spawnSync('tc', ['-j', 'filter', 'show', 'dev', name, point], {
    encoding: 'utf8',
  });
  if (status !== 0) return undefined;
  try {
    return filters.safeParse(JSON.parse(stdout || '[]')).data;
  } catch {
    return undefined; // Older versions print some kinds of filters as no JSON.
  }
}

/** Takes the clsact qdisc away unless it has filters. */
export function removeUnusedQdisc(name: string, ifindex: number): void {
  // Without an answer, be careful: an empty qdisc does no harm.
  const isEmpty = (point: 'ingress' | 'egress') => filtersAt(name, point)?.length === 0;
  if (isEmpty('ingress') && isEmpty('egress')) call('bpf_tc_hook_destroy', hook(ifindex, BOTH));
}
