/** The constants of one program set: `struct config` of abi.h. */
import { SocketAddress } from 'node:net';
import {
  balanceNumber,
  CONFIG_SIZE,
  configArray,
  configOffset,
  NAT64_MAX,
  PORTS_MAX,
  SERVERS_MAX,
  structSize,
  targetOffset,
  verdictNumber,
} from './abi.js';
import type { TargetGroup } from './choice.js';
import { ClassifierError } from './error.js';
import { ownerOf } from './health.js';
import type { Verdict } from './policy.js';
import type { Port } from './port.js';
import type { Tables } from './tables.js';

/** IPv4 as a number, IPv6 as a bigint. */
export type Address = number | bigint;

/** How a target's heartbeats are told from others. */
export interface TargetHeartbeat {
  /** Where they come from. */
  addresses: { v4?: number; v6?: bigint };
  /** 16 bytes. */
  siphashKey: Buffer;
  /** The only link address that they may come from; absent: any, and it is followed. */
  mac?: string;
}

/** A server that packets are steered to. */
export interface SteeringTarget {
  /** By which flows and `servers` know it; absent: its place in the list. */
  number?: number;
  mark: { value: number; mask: number };
  /** Index of the interface to the server: packets go straight there; absent, they are marked. */
  redirectIfindex?: number;
  /** Index of the device by which XDP sends to the server; absent, XDP leaves its packets to tc. */
  xdpIfindex?: number;
  /** Interfaces that the policy route must use when a flow begins; absent, any will do. */
  routeIfindex?: { v4?: number; v6?: number };
  /** The server's addresses; a family without one is not steered. */
  nextHop: { v4?: number; v6?: bigint };
  /** Lower case with colons. */
  macs: readonly string[];
  /** False: it gets flows whether the policy route leads to it or not. */
  asksRoute?: boolean;
  /** Whether packets that would go straight to it need the policy route, too, when a flow begins. */
  needsRoute?: boolean;
  /** Absent: it is not judged by heartbeats. */
  heartbeat?: TargetHeartbeat;
}

export type Balance = keyof typeof balanceNumber;

export interface Steering {
  targets: readonly SteeringTarget[];
  /** Which target a flow goes to; absent: the first one. Rules name groups by their place. */
  choice?: { groups: readonly TargetGroup[]; balance: Balance; seed: number };
  /** What is common to all heartbeats. */
  heartbeats?: {
    port: number;
    /** How many in a row a server needs to come back. */
    rise: number;
    /** Flows of a server that is silent for longer are left to nftables, which resets them. */
    resetAfterSeconds: number;
  };
  /** Where the XDP program takes packets in; absent, it is not loaded. */
  xdpPorts?: readonly Port[];
  /** What comes from them is never steered. */
  serverAddresses: readonly Address[];
  onFailure: 'direct' | 'block' | 'reset';
  /** Of `reset`: what nftables knows such packets by; absent: they are dropped. */
  resetMark?: { value: number; mask: number };
  /** Flows of each family that one client may have; absent or 0: no limit. */
  maxFlowsPerClient?: number;
}

const VERDICTS: Readonly<Record<Verdict, number>> = {
  direct: verdictNumber.DIRECT,
  proxy: verdictNumber.PROXY,
  block: verdictNumber.BLOCK,
};

export function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

/** In network order. */
export function addressBytes(address: Address): Buffer {
  const digits = typeof address === 'number' ? 8 : 32;
  return Buffer.from(address.toString(16).padStart(digits, '0'), 'hex');
}

export function addressText(address: Address): string {
  const bytes = addressBytes(address);
  if (typeof address === 'number') return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}

class ConfigWriter {
  readonly bytes = Buffer.alloc(CONFIG_SIZE);

  set(name: keyof typeof configOffset, value: number | boolean): void {
    this.bytes.writeUInt32LE(Number(value) >>> 0, configOffset[name]);
  }

  put(array: keyof typeof configArray, bytes: Buffer, index = 0, stride = bytes.length): void {
    bytes.copy(this.bytes, configArray[array] + index * stride);
  }

  /** A list of at most SERVERS_MAX structs, and how many there are. */
  list(
    array: 'target' | 'server_mac' | 'server_v4' | 'server_v6',
    count: 'targets' | 'server_macs' | 'server_v4s' | 'server_v6s',
    structs: readonly Buffer[],
    stride: number,
  ): void {
    if (structs.length > SERVERS_MAX) {
      throw new ClassifierError(`the ebpf classifier knows at most ${SERVERS_MAX} servers`, {
        code: 'too-many-servers',
        source: 'user',
        hint: 'write classifier: nftables',
      });
    }
    this.set(count, structs.length);
    structs.forEach((bytes, i) => {
      this.put(array, bytes, i, stride);
    });
  }
}

function targetBytes(
  {
    mark,
    redirectIfindex = 0,
    xdpIfindex = 0,
    routeIfindex = {},
    nextHop,
    asksRoute = true,
    needsRoute = false,
    heartbeat,
  }: SteeringTarget,
  number: number,
): Buffer {
  const bytes = Buffer.alloc(structSize.target);
  const settings: Partial<Record<keyof typeof targetOffset, number>> = {
    mark_value: mark.value,
    mark_mask: mark.mask,
    redirect_ifindex: redirectIfindex,
    xdp_ifindex: xdpIfindex,
    route_v4: routeIfindex.v4 ?? 0,
    route_v6: routeIfindex.v6 ?? 0,
    steers_v4: Number(nextHop.v4 !== undefined),
    steers_v6: Number(nextHop.v6 !== undefined),
    has_heartbeat: Number(heartbeat !== undefined),
    asks_route: Number(asksRoute),
    needs_route: Number(needsRoute),
    state: number,
  };
  for (const [name, value] of Object.entries(settings))
    bytes.writeUInt32LE(value >>> 0, targetOffset[name as keyof typeof targetOffset]);
  if (nextHop.v4 !== undefined) addressBytes(nextHop.v4).copy(bytes, targetOffset.next_hop_v4);
  if (nextHop.v6 !== undefined) addressBytes(nextHop.v6).copy(bytes, targetOffset.next_hop_v6);
  if (heartbeat) putHeartbeat(bytes, heartbeat);
  return bytes;
}

function putHeartbeat(bytes: Buffer, { addresses, siphashKey, mac }: TargetHeartbeat): void {
  const { v4, v6 } = addresses;
  if (v4 !== undefined) addressBytes(v4).copy(bytes, targetOffset.heartbeat_v4);
  if (v6 !== undefined) addressBytes(v6).copy(bytes, targetOffset.heartbeat_v6);
  if (mac !== undefined) macBytes(mac).copy(bytes, targetOffset.heartbeat_mac);
  bytes.writeBigUInt64LE(ownerOf(siphashKey), targetOffset.owner);
}

export const numberOf = ({ number }: SteeringTarget, place: number): number => number ?? place;

/** What answers for a number of config.target. */
export interface NumberedTarget<T> {
  target: T;
  number: number;
  /** The number is no target's any more: the first one answers for flows that remain, and for nothing else. */
  standsIn: boolean;
}

/** By number, without a gap. */
export function byNumber<T extends SteeringTarget>(targets: readonly T[]): NumberedTarget<T>[] {
  const first = targets[0];
  if (first === undefined) return [];
  const known = new Map(targets.map((target, place) => [numberOf(target, place), target]));
  const length = Math.max(...known.keys()) + 1;
  return Array.from({ length }, (_, number) => {
    const target = known.get(number);
    return target === undefined
      ? { target: first, number: numberOf(first, 0), standsIn: true }
      : { target, number, standsIn: false };
  });
}

/** Heartbeats of one that stands in come to its own number, where its key is. */
function targetList(targets: readonly SteeringTarget[]): Buffer[] {
  return byNumber(targets).map(({ target, number, standsIn }) => {
    const { heartbeat } = target;
    return standsIn && heartbeat
      ? targetBytes({ ...target, heartbeat: { ...heartbeat, addresses: {} } }, number)
      : targetBytes(target, number);
  });
}

function writeChoice(writer: ConfigWriter, { policy }: Tables, { choice }: Steering): void {
  if (choice === undefined) return;
  writer.set('groups', choice.groups.length);
  writer.set('balance', balanceNumber[choice.balance]);
  writer.set('choice_seed', choice.seed);
  const groups = [...policy.rules.map(({ group = 0 }) => group), 0];
  if (groups.some((group) => group >= choice.groups.length))
    throw new RangeError(
      `rules name ${Math.max(...groups) + 1} groups, of ${choice.groups.length}`,
    );
  writer.put('group', Buffer.from(Uint16Array.from(groups).buffer));
}

function writeHeartbeats(writer: ConfigWriter, { targets, heartbeats }: Steering): void {
  if (heartbeats === undefined) return;
  const port = Buffer.alloc(4);
  port.writeUInt16BE(heartbeats.port);
  writer.set('heartbeats', true);
  writer.set('heartbeat_port', port.readUInt32LE());
  writer.set('rise', heartbeats.rise);
  writer.set('reset_after', heartbeats.resetAfterSeconds);
  writer.set(
    'follows_macs',
    targets.some(({ heartbeat }) => heartbeat !== undefined && heartbeat.mac === undefined),
  );
}

function writeServers(writer: ConfigWriter, { targets, serverAddresses }: Steering): void {
  const v4 = serverAddresses.filter((address) => typeof address === 'number');
  const v6 = serverAddresses.filter((address) => typeof address === 'bigint');
  const macs = targets.flatMap((target) => target.macs);
  writer.list('target', 'targets', targetList(targets), structSize.target);
  writer.list('server_mac', 'server_macs', macs.map(macBytes), 8);
  writer.list('server_v4', 'server_v4s', v4.map(addressBytes), 4);
  writer.list('server_v6', 'server_v6s', v6.map(addressBytes), 16);
}

function writePorts(writer: ConfigWriter, ports: readonly Port[]): void {
  if (ports.length > PORTS_MAX) {
    throw new ClassifierError(`XDP takes at most ${PORTS_MAX} devices, not ${ports.length}`, {
      code: 'too-many-ports',
      source: 'user',
      hint: 'write forwarding: redirect',
    });
  }
  writer.set('ports', ports.length);
  ports.forEach((port, i) => {
    const bytes = Buffer.alloc(structSize.port);
    bytes.writeUInt32LE(port.ifindex, 0);
    bytes.writeUInt32LE(port.router, 4);
    macBytes(port.mac).copy(bytes, 8);
    writer.put('port', bytes, i);
  });
}

const HALF = (1n << 64n) - 1n;

function writeNat64(writer: ConfigWriter, { policy: { nat64 = [], guards = 0 } }: Tables): void {
  if (nat64.length > NAT64_MAX || guards > 32)
    throw new RangeError(`${nat64.length} prefixes of NAT64, ${guards} guards`);
  writer.set('nat64s', nat64.length);
  writer.set(
    'has_reserved',
    nat64.some(({ length }) => length < 96),
  );
  writer.set('guards', 2 ** guards - 1);
  nat64.forEach(({ address, length }, i) => {
    const mask = ((1n << 128n) - 1n) ^ ((1n << BigInt(128 - length)) - 1n);
    const words = [address >> 64n, address & HALF, mask >> 64n, mask & HALF, BigInt(length)];
    const bytes = Buffer.alloc(structSize.nat64);
    words.forEach((word, j) => {
      bytes.writeBigUInt64LE(word, 8 * j);
    });
    writer.put('nat64', bytes, i);
  });
}

function writeTables(writer: ConfigWriter, { policy, v4, matrix }: Tables): void {
  const { rules } = policy;
  writer.set('rules', rules.length);
  writer.set('row_words', Math.ceil(rules.length / 64));
  writer.set('from_rows', matrix.fromRows);
  writer.set('port_rows', matrix.portRows);
  writer.set('port_classes', matrix.portClasses);
  writer.set('mac_rows', matrix.macRows);
  writer.set('from_mac_rows', matrix.fromMacRows);
  writer.set('has_macs', matrix.macs.size > 0);
  writer.put('palette', Buffer.from(Uint32Array.from(v4.palette).buffer));
  const verdicts = [...rules.map(({ action }) => action), policy.default];
  writer.put('verdict', Buffer.from(verdicts.map((verdict) => VERDICTS[verdict])));
}

/** Whether a rule could block what is not TCP; if none can, such packets are not even read. */
function judgesOthers({ policy }: Tables): boolean {
  return (
    policy.default === 'block' ||
    policy.rules.some(({ action, proto }) => action === 'block' && proto !== 'tcp')
  );
}

/** Whether a rule could block anything; if none can, what cannot be judged is left alone. */
function blocks({ policy }: Tables): boolean {
  return policy.default === 'block' || policy.rules.some(({ action }) => action === 'block');
}

export function writeConfig(tables: Tables, steering: Steering): Buffer {
  const writer = new ConfigWriter();
  writer.set('blocks_on_failure', steering.onFailure !== 'direct');
  writer.set('reset_mark', steering.resetMark?.value ?? 0);
  writer.set('reset_mask', steering.resetMark?.mask ?? 0);
  writer.set('blocks', blocks(tables));
  writer.set('max_flows_per_client', steering.maxFlowsPerClient ?? 0);
  writer.set('judges_others', judgesOthers(tables));
  writeServers(writer, steering);
  writeChoice(writer, tables, steering);
  writeHeartbeats(writer, steering);
  if (steering.xdpPorts) writePorts(writer, steering.xdpPorts);
  writeNat64(writer, tables);
  writeTables(writer, tables);
  return writer.bytes;
}
