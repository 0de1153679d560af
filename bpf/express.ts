/**
 * The program of the relay's mode `express` (express.bpf.c): loaded, its maps pinned where that can be,
 * attached to interfaces. Its flows are the relay's own affair, which gets the maps' descriptors.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { check, closeDescriptor } from './ffi.js';
import { requireEthernet } from './interface.js';
import { BpfObject } from './object.js';
import {
  attachExpress,
  detachExpress,
  ensureQdisc,
  expressHandles,
  removeUnusedQdisc,
} from './tc.js';

export const EXPRESS_PROGRAM = 'sidetrack_express';

/** EXPRESS_VERSION of express-flow.h: relays of one version go on with each other's flows. */
const VERSION = 1;

/** Of the filter whose maps are pinned, which all relays share. */
const SHARED_HANDLE = 0x51de;
/** Of one whose maps are not: it belongs to one process, whose number is below it. */
const OWN_HANDLE = 0x40000000;

const MAPS = ['flows', 'slots'] as const;
type ExpressMap = (typeof MAPS)[number];

export interface Express {
  readonly interfaces: readonly string[];
  /** Descriptor of the hash that leads from a packet to a slot and a side. */
  readonly flows: number;
  /** Descriptor of the array of slots. */
  readonly slots: number;
  /** Descriptor of the program, for tests. */
  readonly program: number;
  /** Whether the maps outlive this process. */
  readonly pinned: boolean;
  /** Takes the program off its interfaces; the qdisc, too, where nothing else is in it. */
  detach(): void;
  /** Gives the descriptors back. The program stays where it is attached. */
  close(): void;
}

function pinPath(directory: string, map: ExpressMap): string {
  return join(directory, `${map}_${VERSION}`);
}

function reusePins(object: BpfObject, directory: string): number[] {
  return MAPS.flatMap((map) => {
    const path = pinPath(directory, map);
    if (!existsSync(path)) return [];
    const fd = check('bpf_obj_get', path);
    object.reuseMap(map, fd);
    return [fd];
  });
}

/** Without a BPF file system the flows end with the relay; all else works. */
function pin(object: BpfObject, directory: string): boolean {
  try {
    if (!existsSync(dirname(directory))) return false;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const map of MAPS) {
      const path = pinPath(directory, map);
      if (!existsSync(path)) check('bpf_obj_pin', object.mapDescriptor(map), path);
    }
    return true;
  } catch {
    return false;
  }
}

/**
 * Loads the program and attaches it to each of the interfaces.
 * @param object path of express.bpf.o
 * @param pins directory in a BPF file system for the maps, which are gone on with where they are there
 * @throws ClassifierError when the kernel or another tool does not allow it; nothing is attached then.
 */
export function openExpress(
  object: string,
  pins: string | undefined,
  interfaces: readonly string[],
): Express {
  const indices = interfaces.map(requireEthernet);
  const loaded = BpfObject.open(object, EXPRESS_PROGRAM);
  try {
    const reused = pins === undefined ? [] : reusePins(loaded, pins);
    loaded.load();
    for (const fd of reused) closeDescriptor(fd);
    const pinned = pins !== undefined && pin(loaded, pins);
    const handle = pinned ? SHARED_HANDLE : OWN_HANDLE + process.pid;
    const points = interfaces.map((name, i) => ({ name, ifindex: indices[i]!, handle }));
    for (const { name, ifindex } of points) clearDead(name, ifindex);
    attachAll(points, loaded.programDescriptor());
    return {
      interfaces,
      flows: loaded.mapDescriptor('flows'),
      slots: loaded.mapDescriptor('slots'),
      program: loaded.programDescriptor(),
      pinned,
      detach: () => detachAll(points),
      close: () => loaded.close(),
    };
  } catch (error) {
    loaded.close();
    throw error;
  }
}

interface Point {
  name: string;
  ifindex: number;
  handle: number;
}

/** Filters of processes that are no more, of which no other could ever take over the flows. */
function clearDead(name: string, ifindex: number): void {
  for (const handle of expressHandles(name))
    if (handle > OWN_HANDLE && !isAlive(handle - OWN_HANDLE)) detachExpress(ifindex, handle);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function attachAll(points: readonly Point[], program: number): void {
  try {
    for (const { name, ifindex, handle } of points) {
      ensureQdisc(ifindex);
      attachExpress(name, ifindex, program, handle);
    }
  } catch (error) {
    detachAll(points);
    throw error;
  }
}

function detachAll(points: readonly Point[]): void {
  for (const { name, ifindex, handle } of points) {
    detachExpress(ifindex, handle);
    removeUnusedQdisc(name, ifindex);
  }
}
