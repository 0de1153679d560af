/** What a program set is filled with: the contents of its maps. Pure; program-set.ts and bundle.ts bring it there. */
import { REFS_PER_BLOCK, RULE_NAME_LENGTH, structSize } from './abi.js';
import { choiceBytes } from './choice.js';
import { macBytes, numberOf, type Steering } from './config.js';
import type { Tables } from './tables.js';

/** Elements 0, 1, … of an array, one behind the other; the array has room for those and no more. */
export interface ArrayContents {
  map: string;
  values: Buffer;
  valueSize: number;
}

/** Single elements of a map, by their keys. */
export interface KeyedContents {
  map: string;
  keySize: number;
  valueSize: number;
  elements: readonly (readonly [key: Buffer, value: Buffer])[];
}

export interface ProgramContents {
  arrays: readonly ArrayContents[];
  keyed: readonly KeyedContents[];
  /** Elements that other maps need room for. */
  sizes: { macs: number; rule_counters: number };
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

function arrays(tables: Tables, steering: Pick<Steering, 'choice'>): ArrayContents[] {
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

function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function macElement(mac: string, index: number): [Buffer, Buffer] {
  const key = Buffer.alloc(8);
  macBytes(mac).copy(key);
  return [key, number32(index)];
}

function heartbeatKeys(targets: Steering['targets']): [Buffer, Buffer][] {
  return targets.flatMap((target, place): [Buffer, Buffer][] =>
    target.heartbeat === undefined
      ? []
      : [[number32(numberOf(target, place)), target.heartbeat.siphashKey]],
  );
}

export function programContents(
  tables: Tables,
  steering: Pick<Steering, 'choice' | 'targets'>,
): ProgramContents {
  const { macs } = tables.matrix;
  return {
    arrays: arrays(tables, steering),
    keyed: [
      {
        map: 'macs',
        keySize: 8,
        valueSize: 4,
        elements: [...macs].map(([mac, index]) => macElement(mac, index)),
      },
      {
        map: 'heartbeat_keys',
        keySize: 4,
        valueSize: structSize.heartbeatKey,
        elements: heartbeatKeys(steering.targets),
      },
    ],
    sizes: { macs: macs.size, rule_counters: tables.policy.rules.length + 1 },
  };
}
