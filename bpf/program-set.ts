/** One program set of the classifier: the program with the tables of one policy, loaded. */
import { type Steering, writeConfig } from './config.js';
import { fillArray, updateElement } from './map.js';
import { BpfObject } from './object.js';
import { type ProgramContents, programContents } from './program-contents.js';
import type { Tables } from './tables.js';
import { XDP_PROGRAM } from './xdp.js';

/** The program's function, which is also the name that the kernel shows. */
export const PROGRAM = 'sidetrack_tc';

/** The program of interfaces that only servers are behind. */
export const HEARTBEAT_PROGRAM = 'sidetrack_hear';

/** Maps that every program set shares. */
export const SHARED_MAPS = [
  'flows_v4',
  'flows_v6',
  'clients',
  'counters',
  'servers',
  'moved',
] as const;
export type SharedMap = (typeof SHARED_MAPS)[number];

export interface LoadOptions {
  /** The object file. */
  object: string;
  tables: Tables;
  steering: Steering;
  /** Whether the program for interfaces of servers alone is wanted, too. */
  listensOnly?: boolean;
  /** Flows that a new flow table holds, for each family. */
  flowTableSize: number;
  /** Descriptors of the maps to go on with. */
  shared: Partial<Record<SharedMap, number>>;
}

function setSizes(object: BpfObject, options: LoadOptions, contents: ProgramContents): void {
  const { shared, flowTableSize } = options;
  for (const { map, values, valueSize } of contents.arrays)
    object.setMaxEntries(map, values.length / valueSize);
  for (const [map, entries] of Object.entries(contents.sizes)) object.setMaxEntries(map, entries);
  for (const map of SHARED_MAPS) {
    const fd = shared[map];
    if (fd !== undefined) object.reuseMap(map, fd);
    else if (map === 'flows_v4' || map === 'flows_v6') object.setMaxEntries(map, flowTableSize);
  }
}

function writeContents(object: BpfObject, { arrays, keyed }: ProgramContents): void {
  for (const { map, values, valueSize } of arrays)
    fillArray(object.mapDescriptor(map), values, valueSize);
  for (const { map, elements } of keyed) {
    const fd = object.mapDescriptor(map);
    for (const [key, value] of elements) updateElement(fd, key, value);
  }
}

/** Loads a program set and writes its tables; it is not attached anywhere yet. */
export function loadProgramSet(options: LoadOptions): BpfObject {
  const object = BpfObject.open(options.object, PROGRAM);
  try {
    if (options.steering.xdpPorts === undefined) object.skipProgram(XDP_PROGRAM);
    if (!options.listensOnly) object.skipProgram(HEARTBEAT_PROGRAM);
    object.setConstants(writeConfig(options.tables, options.steering));
    const contents = programContents(options.tables, options.steering);
    setSizes(object, options, contents);
    object.load();
    writeContents(object, contents);
    return object;
  } catch (error) {
    object.close();
    throw error;
  }
}
