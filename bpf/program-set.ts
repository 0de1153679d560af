/** One program set of the classifier: the program with the tables of one policy, loaded. */
import { REFS_PER_BLOCK, RULE_NAME_LENGTH, structSize } from './abi.js';
import { choiceBytes } from './choice.js';
import { macBytes, numberOf, type Steering, writeConfig } from './config.js';
import { fillArray, updateElement } from './map.js';
import { BpfObject } from './object.js';
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

interface Table {
  map: string;
  values: Buffer;
  valueSize: number;
}

const REF_BLOCK = 4 * REFS_PER_BLOCK;

function padTo(values: Buffer, size: number): Buffer {
  return Buffer.concat([values, Buffer.alloc((size - (values.length % size)) % size)]);
}

function ruleNames({ policy }: Tables): Buffer {
  const names = [...policy.rules.map(({ name }) => name), 'default'];
  const bytes = Buffer.alloc(names.length * RULE_NAME_LENGTH);
  names.forEach((name, i) => {
    bytes.write(name, i * RULE_NAME_LENGTH, RULE_NAME_LENGTH - 1);
  });
  return bytes;
}

function arrays({ tables, steering }: LoadOptions): Table[] {
  const { v4, v6, matrix } = tables;
  const choices = choiceBytes(steering.choice?.groups ?? []);
  return [
    { map: 'v4_blocks', values: v4.blocks, valueSize: structSize.block },
    { map: 'v4_refs', values: padTo(v4.refs, REF_BLOCK), valueSize: REF_BLOCK },
    { map: 'v4_pairs', values: v4.pairs, valueSize: structSize.pair },
    { map: 'v4_leaves', values: v4.leaves, valueSize: structSize.leaf },
    { map: 'v6_index', values: v6.index, valueSize: REF_BLOCK },
    { map: 'v6_nodes', values: v6.nodes, valueSize: structSize.node },
    { map: 'port_classes', values: matrix.portTable, valueSize: matrix.portTable.length },
    { map: 'rows', values: matrix.rows, valueSize: structSize.row },
    { map: 'choices', values: choices, valueSize: structSize.choice },
    { map: 'rule_names', values: ruleNames(tables), valueSize: RULE_NAME_LENGTH },
  ];
}

function setSizes(object: BpfObject, options: LoadOptions): void {
  const { tables, shared, flowTableSize } = options;
  for (const { map, values, valueSize } of arrays(options)) {
    object.setMaxEntries(map, values.length / valueSize);
  }
  object.setMaxEntries('macs', tables.matrix.macs.size);
  object.setMaxEntries('rule_counters', tables.policy.rules.length + 1);
  for (const map of SHARED_MAPS) {
    const fd = shared[map];
    if (fd !== undefined) object.reuseMap(map, fd);
    else if (map === 'flows_v4' || map === 'flows_v6') object.setMaxEntries(map, flowTableSize);
  }
}

function writeTables(object: BpfObject, options: LoadOptions): void {
  const { tables } = options;
  for (const { map, values, valueSize } of arrays(options)) {
    fillArray(object.mapDescriptor(map), values, valueSize);
  }
  const macs = object.mapDescriptor('macs');
  for (const [mac, index] of tables.matrix.macs) {
    const key = Buffer.alloc(8);
    macBytes(mac).copy(key);
    const value = Buffer.alloc(4);
    value.writeUInt32LE(index);
    updateElement(macs, key, value);
  }
}

function writeKeys(object: BpfObject, { targets }: Steering): void {
  const keys = object.mapDescriptor('heartbeat_keys');
  targets.forEach((target, place) => {
    if (target.heartbeat === undefined) return;
    const key = Buffer.alloc(4);
    key.writeUInt32LE(numberOf(target, place));
    updateElement(keys, key, target.heartbeat.siphashKey);
  });
}

/** Loads a program set and writes its tables; it is not attached anywhere yet. */
export function loadProgramSet(options: LoadOptions): BpfObject {
  const object = BpfObject.open(options.object, PROGRAM);
  try {
    if (options.steering.xdpPorts === undefined) object.skipProgram(XDP_PROGRAM);
    if (!options.listensOnly) object.skipProgram(HEARTBEAT_PROGRAM);
    object.setConstants(writeConfig(options.tables, options.steering));
    setSizes(object, options);
    object.load();
    writeTables(object, options);
    writeKeys(object, options.steering);
    return object;
  } catch (error) {
    object.close();
    throw error;
  }
}
