/**
 * The rule matrix: one row of bits for each class of destination, source, port and MAC; bit r says
 * that rule r does not mind. The rules that match a packet are the AND of its rows, and the first of
 * them is the lowest bit, so the number of rules costs next to nothing.
 */
import { structSize } from './abi.js';
import type { AddressSet, ClassifierRule } from './policy.js';
import { cutIntoSegments, PORT_SPACE, type Segments } from './segments.js';

export interface RuleMatrix {
  rows: Buffer;
  fromRows: number;
  portRows: number;
  /** Classes of ports, and one for a port that cannot be seen, which comes last. */
  portClasses: number;
  /** Class of each port: 16 bits each. */
  portTable: Buffer;
  macRows: number;
  fromMacRows: number;
  /** Class of each MAC that a rule names; all others are of class 0. */
  macs: ReadonlyMap<string, number>;
}

type Bit = (rule: ClassifierRule) => boolean;

class Rows {
  private readonly rows: Buffer[] = [];

  constructor(private readonly rules: readonly ClassifierRule[]) {}

  get length(): number {
    return this.rows.length;
  }

  add(bit: Bit): void {
    const row = Buffer.alloc(structSize.row);
    this.rules.forEach((rule, i) => {
      if (bit(rule)) row[i >> 3]! |= 1 << (i & 7);
    });
    this.rows.push(row);
  }

  /** One row for each class: rules without a set do not mind, the others need to be in theirs. */
  addAddressRows(
    classes: readonly (readonly number[])[],
    setOf: (rule: ClassifierRule) => number | undefined,
  ): void {
    const sets = this.rules.map(setOf);
    for (const members of classes) {
      const inside = new Set(members);
      const row = Buffer.alloc(structSize.row);
      sets.forEach((set, i) => {
        if (set === undefined || inside.has(set)) row[i >> 3]! |= 1 << (i & 7);
      });
      this.rows.push(row);
    }
  }

  finish(): Buffer {
    return Buffer.concat(this.rows);
  }
}

const portKey = ({ ports }: ClassifierRule) => ports?.map((p) => `${p.first}-${p.last}`).join();

function cutPorts(rules: readonly ClassifierRule[], keys: readonly string[]): Segments<number> {
  const sets = keys.map((key) => {
    const ports = rules.find((rule) => portKey(rule) === key)!.ports!;
    return { starts: ports.map(({ first }) => first), ends: ports.map(({ last }) => last) };
  });
  return cutIntoSegments(PORT_SPACE, sets);
}

function portTable({ starts, ids }: Segments<number>): Buffer {
  const table = new Uint16Array(PORT_SPACE.last + 1);
  for (let i = 0; i < starts.length; i++) table.fill(ids[i]!, starts[i]!);
  return Buffer.from(table.buffer);
}

/**
 * Rows of TCP by port class, of UDP by port class, of everything else, and of a protocol that cannot
 * be seen. What cannot be seen does for a rule that blocks, and for no other: it could be that.
 */
function addPortRows(rows: Rows, rules: readonly ClassifierRule[]) {
  const keys = [...new Set(rules.flatMap((rule) => portKey(rule) ?? []))];
  const segments = cutPorts(rules, keys);
  for (const proto of ['tcp', 'udp'] as const) {
    const minds = (rule: ClassifierRule) => rule.proto !== undefined && rule.proto !== proto;
    for (const members of segments.members) {
      const held = new Set<string | undefined>(members.map((set) => keys[set]));
      rows.add((rule) => !minds(rule) && (rule.ports === undefined || held.has(portKey(rule))));
    }
    rows.add((rule) => !minds(rule) && (rule.ports === undefined || rule.action === 'block'));
  }
  const isForAll = ({ proto, ports }: ClassifierRule) => proto === undefined && ports === undefined;
  rows.add(isForAll);
  rows.add((rule) => isForAll(rule) || rule.action === 'block');
  return { portClasses: segments.members.length + 1, portTable: portTable(segments) };
}

/** Class 0 is the MAC that no rule names; each that one does is a class of its own. */
function addMacRows(rows: Rows, rules: readonly ClassifierRule[]) {
  const named = [
    ...new Set(rules.flatMap((rule) => [...(rule.macs ?? []), ...(rule.from?.macs ?? [])])),
  ];
  const classes = [undefined, ...named];
  const includes = (macs: readonly string[] | undefined, mac: string | undefined) =>
    mac !== undefined && macs?.includes(mac) === true;
  const macRows = rows.length;
  for (const mac of classes) {
    rows.add((rule) => rule.macs === undefined || includes(rule.macs, mac));
  }
  const fromMacRows = rows.length;
  for (const mac of classes) rows.add((rule) => includes(rule.from?.macs, mac));
  return { macRows, fromMacRows, macs: new Map(named.map((mac, i) => [mac, i + 1])) };
}

/** `classes` are the sets of each address class, as indexes that `setIndex` knows. */
export function buildRuleMatrix(
  rules: readonly ClassifierRule[],
  classes: readonly (readonly number[])[],
  setIndex: ReadonlyMap<AddressSet, number>,
): RuleMatrix {
  const rows = new Rows(rules);
  rows.addAddressRows(classes, (rule) => rule.to && setIndex.get(rule.to));
  const fromRows = rows.length;
  rows.addAddressRows(classes, (rule) => rule.from && setIndex.get(rule.from.addresses));
  const portRows = rows.length;
  const ports = addPortRows(rows, rules);
  const macs = addMacRows(rows, rules);
  return { rows: rows.finish(), fromRows, portRows, ...ports, ...macs };
}
