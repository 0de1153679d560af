/** What bpf/lookup.h does with the tables, step by step. */
import {
  blockOffset,
  CODE_ESCAPE,
  nodeOffset,
  pairOffset,
  REF_KIND_SHIFT,
  REF_VALUE_MASK,
  refKind,
  structSize,
  TREE_KEYS,
} from '../../../bpf/abi.js';
import type { Tables } from '../../../bpf/tables.js';
import type { Packet } from '../../../control/policy/evaluate.js';
import { embeddedV4 } from '../../../control/policy/nat64.js';

function popcount(value: bigint): number {
  return value.toString(2).replaceAll('0', '').length;
}

export function classOfV4({ v4 }: Tables, address: number): number {
  const block = (address >>> 16) * structSize.block;
  const word = (address >>> 13) & 7;
  const shift = BigInt(((address >>> 8) & 31) * 2);
  const codes = v4.blocks.readBigUInt64LE(block + blockOffset.codes + 8 * word);
  const code = Number((codes >> shift) & 3n);
  if (code !== CODE_ESCAPE) return v4.palette[code]!;
  const escapes = codes & (codes >> 1n) & 0x5555555555555555n & ((1n << shift) - 1n);
  const index =
    v4.blocks.readUInt32LE(block + blockOffset.firstRef) +
    v4.blocks.readUInt8(block + blockOffset.before + word) +
    popcount(escapes);
  const ref = v4.refs.readUInt32LE(4 * index);
  const value = ref & REF_VALUE_MASK;
  switch (ref >>> REF_KIND_SHIFT) {
    case refKind.pair: {
      const pair = value * structSize.pair;
      const bits = v4.pairs.readUInt8(pair + pairOffset.bits + ((address & 255) >> 3));
      return v4.pairs.readUInt32LE(pair + pairOffset.class + 4 * ((bits >> (address & 7)) & 1));
    }
    case refKind.leaf:
      return v4.leaves.readUInt16LE(value * structSize.leaf + 2 * (address & 255));
    default:
      return value;
  }
}

export function classOfV6({ v6 }: Tables, address: bigint): number {
  let ref = v6.index.readUInt32LE(4 * Number(address >> 112n));
  let half = address >> 64n;
  while (ref >>> REF_KIND_SHIFT !== refKind.class) {
    if (ref >>> REF_KIND_SHIFT === refKind.low) half = address & ((1n << 64n) - 1n);
    const node = (ref & REF_VALUE_MASK) * structSize.node;
    let branch = 0;
    for (let i = 0; i < TREE_KEYS; i++) {
      if (half >= v6.nodes.readBigUInt64LE(node + nodeOffset.key + 8 * i)) branch++;
    }
    ref = v6.nodes.readUInt32LE(node + nodeOffset.ref + 4 * branch);
  }
  return ref & REF_VALUE_MASK;
}

function rowOfPort({ matrix }: Tables, packet: Packet): number {
  if (packet.unseen === 'protocol') return 2 * matrix.portClasses + 1;
  if (typeof packet.protocol === 'number') return 2 * matrix.portClasses;
  const port = packet.unseen === 'ports' ? undefined : packet.destinationPort;
  const inProtocol =
    port === undefined ? matrix.portClasses - 1 : matrix.portTable.readUInt16LE(2 * port);
  return (packet.protocol === 'tcp' ? 0 : matrix.portClasses) + inProtocol;
}

/** Index of the first rule that matches; the number of rules stands for the default. */
export function matchingRule(tables: Tables, packet: Packet): number {
  const { matrix, policy } = tables;
  const classOf = (address: number | bigint) =>
    typeof address === 'number' ? classOfV4(tables, address) : classOfV6(tables, address);
  const byte = (row: number, i: number) => matrix.rows[row * structSize.row + i]!;
  const to = classOf(packet.destination);
  const inner = embeddedV4(policy.nat64 ?? [], packet.destination);
  const within = inner === undefined ? undefined : classOf(inner);
  const guards = 2 ** (policy.guards ?? 0) - 1;
  const from = matrix.fromRows + classOf(packet.source);
  const port = matrix.portRows + rowOfPort(tables, packet);
  const mac = matrix.macs.get(packet.sourceMac) ?? 0;
  for (let i = 0; i < structSize.row; i++) {
    const source = byte(from, i) | byte(matrix.fromMacRows + mac, i);
    const ownOnly = (guards >>> (8 * i)) & (i < 4 ? 0xff : 0);
    const holds = byte(to, i) | (within === undefined ? 0 : byte(within, i) & ~ownOnly);
    const match = holds & byte(port, i) & source & byte(matrix.macRows + mac, i);
    if (match !== 0) return 8 * i + Math.log2(match & -match);
  }
  return policy.rules.length;
}
