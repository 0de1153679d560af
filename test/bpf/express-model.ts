/** What express.bpf.c does to a packet, said once more and plainly; and the slots that it reads. */
import { randomBytes } from 'node:crypto';

export const SLOT_SIZE = 304;
export const STATE = { free: 0, hold: 1, passing: 2, ended: 3, killed: 4 } as const;

/** Offsets in `struct express_slot`; sides begin at SIDE and are SIDE_SIZE long. */
const SIDE = 32;
const SIDE_SIZE = 136;

export interface Endpoints {
  family: 4 | 6;
  source: Buffer;
  destination: Buffer;
  sourcePort: number;
  destinationPort: number;
}

export interface Side {
  comes: Endpoints;
  leaves: Endpoints;
  sequenceDelta: number;
  acknowledgeDelta: number;
  windowLeft: number;
  windowRight: number;
  hasTimestamps: boolean;
  /** What is added to its timestamps; known. */
  timestampDelta: number;
  end: number;
  acknowledged: number;
  window: number;
}

const padded = (address: Buffer) => Buffer.concat([address, Buffer.alloc(16 - address.length)]);

/** `struct express_key` */
export function encodeKey({ family, source, destination, sourcePort, destinationPort }: Endpoints) {
  const rest = Buffer.alloc(8);
  rest.writeUInt16BE(sourcePort, 0);
  rest.writeUInt16BE(destinationPort, 2);
  rest.writeUInt16LE(family, 4);
  return Buffer.concat([padded(source), padded(destination), rest]);
}

function encodeSide(side: Side): Buffer {
  const bytes = Buffer.alloc(SIDE_SIZE);
  encodeKey(side.comes).copy(bytes, 0);
  encodeKey(side.leaves).copy(bytes, 40, 0, 36);
  bytes.writeUInt32LE(side.sequenceDelta, 76);
  bytes.writeUInt32LE(side.acknowledgeDelta, 80);
  bytes.writeUInt8(side.windowLeft, 88);
  bytes.writeUInt8(side.windowRight, 89);
  bytes.writeUInt8(side.hasTimestamps ? 1 : 0, 90);
  bytes.writeUInt32LE(1, 92); // where the other side's packets leave
  bytes.writeUInt32LE(side.end, 100);
  bytes.writeUInt32LE(side.acknowledged, 104);
  bytes.writeUInt32LE(side.window, 108);
  bytes.writeBigUInt64LE((1n << 32n) | BigInt(side.timestampDelta), 120);
  return bytes;
}

export function encodeSlot(state: number, sides: readonly [Side, Side]): Buffer {
  const head = Buffer.alloc(SIDE);
  head.writeUInt32LE(state, 0);
  return Buffer.concat([head, ...sides.map(encodeSide)]);
}

/** What the program has made of a slot. */
export function decodeSlot(slot: Buffer) {
  const side = (number: number) => {
    const bytes = slot.subarray(SIDE + number * SIDE_SIZE);
    return {
      seen: bytes.readUInt32LE(96),
      end: bytes.readUInt32LE(100),
      acknowledged: bytes.readUInt32LE(104),
      window: bytes.readUInt32LE(108),
      fin: bytes.readUInt32LE(112),
      hasFin: bytes.readUInt32LE(116) === 1,
      packets: Number(bytes.readBigUInt64LE(128)),
    };
  };
  return {
    state: slot.readUInt32LE(0),
    reset: slot.readUInt32LE(24),
    dropped: slot.readUInt32LE(28),
    sides: [side(0), side(1)] as const,
  };
}

export interface Segment {
  endpoints: Endpoints;
  hops: number;
  /** The byte of IPv4's TOS or IPv6's traffic class. */
  traffic: number;
  sequence: number;
  acknowledge: number;
  flags: number;
  window: number;
  urgent: number;
  /** Whole options, padded to words by the encoder with NOPs in front. */
  options: readonly Option[];
  payload: Buffer;
}

export type Option =
  | { kind: 'nop' }
  | { kind: 'timestamp'; value: number; echo: number }
  | { kind: 'sack'; edges: readonly number[] }
  | { kind: 'other'; bytes: Buffer };

export const FLAG = {
  fin: 1,
  syn: 2,
  rst: 4,
  psh: 8,
  ack: 16,
  urg: 32,
  ece: 64,
  cwr: 128,
} as const;

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
};

function encodeOption(option: Option): Buffer {
  switch (option.kind) {
    case 'nop':
      return Buffer.of(1);
    case 'timestamp':
      return Buffer.concat([Buffer.of(8, 10), u32(option.value), u32(option.echo)]);
    case 'sack':
      return Buffer.concat([Buffer.of(5, 2 + 4 * option.edges.length), ...option.edges.map(u32)]);
    case 'other':
      return option.bytes;
  }
}

/** RFC 1071 */
function checksum(bytes: Buffer): number {
  const even = bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.of(0)]);
  let sum = 0;
  for (let i = 0; i < even.length; i += 2) sum += even.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function encodeTcp(segment: Segment): Buffer {
  const { endpoints } = segment;
  const options = Buffer.concat(segment.options.map(encodeOption));
  const padding = Buffer.alloc((4 - (options.length % 4)) % 4, 1);
  const header = Buffer.alloc(20);
  header.writeUInt16BE(endpoints.sourcePort, 0);
  header.writeUInt16BE(endpoints.destinationPort, 2);
  header.writeUInt32BE(segment.sequence, 4);
  header.writeUInt32BE(segment.acknowledge, 8);
  header[12] = ((20 + padding.length + options.length) / 4) << 4;
  header[13] = segment.flags;
  header.writeUInt16BE(segment.window, 14);
  header.writeUInt16BE(segment.urgent, 18);
  const whole = Buffer.concat([header, padding, options, segment.payload]);
  const pseudo = Buffer.concat([
    endpoints.source,
    endpoints.destination,
    u32(whole.length),
    u32(6),
  ]);
  whole.writeUInt16BE(checksum(Buffer.concat([pseudo, whole])), 16);
  return whole;
}

function encodeIp({ endpoints, hops, traffic }: Segment, length: number): Buffer {
  if (endpoints.family === 6) {
    const header = Buffer.alloc(8);
    header.writeUInt32BE(((6 << 28) | (traffic << 20) | 0x12345) >>> 0, 0);
    header.writeUInt16BE(length, 4);
    header[6] = 6;
    header[7] = hops;
    return Buffer.concat([header, endpoints.source, endpoints.destination]);
  }
  const header = Buffer.alloc(12);
  header[0] = 0x45;
  header[1] = traffic;
  header.writeUInt16BE(20 + length, 2);
  header.writeUInt16BE(0xbeef, 4);
  header.writeUInt16BE(0x4000, 6);
  header[8] = hops;
  header[9] = 6;
  const whole = Buffer.concat([header, endpoints.source, endpoints.destination]);
  whole.writeUInt16BE(checksum(whole), 10);
  return whole;
}

/** An Ethernet frame with right checksums. */
export function encode(segment: Segment): Buffer {
  const tcp = encodeTcp(segment);
  const type = segment.endpoints.family === 4 ? [0x08, 0x00] : [0x86, 0xdd];
  return Buffer.concat([Buffer.alloc(12), Buffer.from(type), encodeIp(segment, tcp.length), tcp]);
}

function translateOption(option: Option, from: Side, to: Side): Option {
  if (option.kind === 'sack')
    return { ...option, edges: option.edges.map((edge) => (edge + from.acknowledgeDelta) >>> 0) };
  if (option.kind === 'timestamp' && from.hasTimestamps) {
    return {
      kind: 'timestamp',
      value: (option.value + from.timestampDelta) >>> 0,
      echo: option.echo === 0 ? 0 : (option.echo - to.timestampDelta) >>> 0,
    };
  }
  return option;
}

/** The segment as it leaves. */
export function translate(segment: Segment, from: Side, to: Side): Segment {
  const { flags } = segment;
  const window = (segment.window * 2 ** from.windowLeft) / 2 ** from.windowRight;
  return {
    ...segment,
    endpoints: from.leaves,
    hops: segment.hops - 1,
    sequence: (segment.sequence + from.sequenceDelta) >>> 0,
    acknowledge:
      (flags & FLAG.ack) === 0
        ? segment.acknowledge
        : (segment.acknowledge + from.acknowledgeDelta) >>> 0,
    window: (flags & FLAG.syn) === 0 ? Math.min(65535, Math.floor(window)) : segment.window,
    options: segment.options.map((option) => translateOption(option, from, to)),
  };
}

export const anyAddress = (family: 4 | 6) => randomBytes(family === 4 ? 4 : 16);
