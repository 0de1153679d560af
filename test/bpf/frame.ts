/** Builds Ethernet frames from the reference evaluator's packets, plain or dressed up. */
import { addressBytes, macBytes } from '../../bpf/config.js';
import type { Packet } from '../../control/policy/evaluate.js';

export interface Dress {
  /** 0x8100 or 0x88a8 each, outermost first. */
  vlanTags?: readonly number[];
  /** One for each tag, or one for all of them; 0 if absent. */
  vlanId?: number | readonly number[];
  /** Bytes of IPv4 options, a multiple of four. */
  ipv4Options?: number;
  /** IPv6 extension headers in order: hop-by-hop 0, routing 43, destination 60, AH 51. */
  extensions?: readonly number[];
  /** `tiny`: the first one, without TCP's flags; `second`: behind eight bytes; `later`: behind 24. */
  fragment?: 'none' | 'first' | 'tiny' | 'second' | 'later';
  /** Bytes of the transport header and no more. */
  transportBytes?: number;
  fragmentId?: number;
  tcpFlags?: number;
  /** Behind a UDP header. */
  payload?: Buffer;
  /** TTL or hop limit; 64 if absent. */
  ttl?: number;
  /** Padding behind the packet, as Ethernet adds to short frames. */
  padding?: number;
  destinationMac?: string;
}

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;

const ETHERTYPE = { 4: 0x0800, 6: 0x86dd } as const;
const PROTOCOL = { tcp: 6, udp: 17 } as const;
const FRAGMENT_HEADER = 44;
const AUTHENTICATION_HEADER = 51;

/** RFC 791 and RFC 8200 both count the offset in units of 8 bytes. */
const FRAGMENTS = {
  none: { offset: 0, more: false },
  first: { offset: 0, more: true },
  tiny: { offset: 0, more: true },
  second: { offset: 1, more: true },
  later: { offset: 3, more: true },
} as const;

const u16 = (value: number) => Buffer.of(value >> 8, value & 255);

function transport(packet: Packet, flags: number, payload: Buffer): Buffer {
  const ports = Buffer.concat([u16(packet.sourcePort ?? 0), u16(packet.destinationPort ?? 0)]);
  switch (packet.protocol) {
    case 'tcp': {
      const rest = Buffer.alloc(16);
      rest[8] = 5 << 4;
      rest[9] = flags;
      return Buffer.concat([ports, rest]);
    }
    case 'udp':
      return Buffer.concat([ports, u16(8 + payload.length), u16(0), payload]);
    default:
      return Buffer.alloc(8, 0x55);
  }
}

function protocolNumber({ protocol }: Packet): number {
  return typeof protocol === 'number' ? protocol : PROTOCOL[protocol];
}

function ipv4(packet: Packet, payload: Buffer, dress: Dress): Buffer {
  const options = Buffer.alloc(dress.ipv4Options ?? 0, 1);
  const header = Buffer.alloc(20);
  header[0] = (4 << 4) | (5 + options.length / 4);
  header.writeUInt16BE(20 + options.length + payload.length, 2);
  header.writeUInt16BE((dress.fragmentId ?? 0) & 0xffff, 4);
  const { offset, more } = FRAGMENTS[dress.fragment ?? 'none'];
  header.writeUInt16BE(offset | (more ? 0x2000 : 0), 6);
  header[8] = dress.ttl ?? 64;
  header[9] = protocolNumber(packet);
  addressBytes(packet.source).copy(header, 12);
  addressBytes(packet.destination).copy(header, 16);
  const whole = Buffer.concat([header, options]);
  whole.writeUInt16BE(checksum(whole), 10);
  return Buffer.concat([whole, payload]);
}

/** RFC 1071 over whole 16-bit words. */
export function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function extension(type: number, next: number, dress: Dress): Buffer {
  if (type === FRAGMENT_HEADER) {
    const { offset, more } = FRAGMENTS[dress.fragment ?? 'none'];
    const id = Buffer.alloc(4);
    id.writeUInt32BE(dress.fragmentId ?? 0);
    return Buffer.concat([Buffer.of(next, 0), u16((offset << 3) | (more ? 1 : 0)), id]);
  }
  // Two units of eight bytes, or for AH six of four: (4 + 2) * 4.
  const [length, size] = type === AUTHENTICATION_HEADER ? [4, 24] : [1, 16];
  const bytes = Buffer.alloc(size);
  bytes[0] = next;
  bytes[1] = length;
  return bytes;
}

function ipv6(packet: Packet, payload: Buffer, dress: Dress): Buffer {
  const isFragment = dress.fragment !== undefined && dress.fragment !== 'none';
  const types = [...(dress.extensions ?? []), ...(isFragment ? [FRAGMENT_HEADER] : [])];
  const chain = [...types, protocolNumber(packet)];
  const extensions = types.map((type, i) => extension(type, chain[i + 1]!, dress));
  const body = Buffer.concat([...extensions, payload]);
  const header = Buffer.alloc(40);
  header[0] = 6 << 4;
  header.writeUInt16BE(body.length, 4);
  header[6] = chain[0]!;
  header[7] = dress.ttl ?? 64;
  addressBytes(packet.source).copy(header, 8);
  addressBytes(packet.destination).copy(header, 24);
  return Buffer.concat([header, body]);
}

/** What stands behind the IP headers. */
function content(packet: Packet, dress: Dress): Buffer {
  if (FRAGMENTS[dress.fragment ?? 'none'].offset > 0) return Buffer.alloc(24, 0xaa);
  const header = transport(packet, dress.tcpFlags ?? SYN, dress.payload ?? Buffer.alloc(0));
  const bytes = dress.transportBytes ?? (dress.fragment === 'tiny' ? 12 : header.length);
  return header.subarray(0, bytes);
}

export function frame(packet: Packet, dress: Dress = {}): Buffer {
  const ids = [dress.vlanId ?? 0].flat();
  const tags = (dress.vlanTags ?? []).flatMap((type, i) => [u16(type), u16(ids[i] ?? ids[0]!)]);
  const payload = content(packet, dress);
  return Buffer.concat([
    // The test run's device has this address; a frame to any other is overheard.
    macBytes(dress.destinationMac ?? '00:00:00:00:00:00'),
    macBytes(packet.sourceMac),
    ...tags,
    u16(ETHERTYPE[packet.family]),
    packet.family === 4 ? ipv4(packet, payload, dress) : ipv6(packet, payload, dress),
    Buffer.alloc(dress.padding ?? 0, 0xee),
  ]);
}
