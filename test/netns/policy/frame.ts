/** Packets as bytes on the wire, in hexadecimal. */
import type { Address } from '../../../control/config/address.js';
import type { Packet } from '../../../control/policy/evaluate.js';

export const TCP = { fin: 0x01, syn: 0x02, rst: 0x04, psh: 0x08, ack: 0x10 } as const;

export interface FrameOptions {
  packet: Packet;
  destinationMac: string;
  /**
   * 16 bits by which the router's probe tells packets apart: they end up in bytes 6 and 7 behind
   * the IP header, which belong to TCP's sequence number, ICMP's sequence or UDP's checksum.
   */
  serial: number;
  /** Default: SYN alone, a flow's first packet. */
  tcpFlags?: number;
}

const ETHERTYPE = { 4: 0x0800, 6: 0x86dd } as const;
const ICMP = { 4: 1, 6: 58 } as const;
const ECHO_REQUEST: Readonly<Record<number, number>> = { [ICMP[4]]: 8, [ICMP[6]]: 128 };

export function ipFrame(options: FrameOptions): string {
  const { packet } = options;
  return ethernet(packet, options.destinationMac, ip(packet, transport(options)));
}

/** Any bytes behind a valid Ethernet header. */
export function ethernet(
  { sourceMac, family }: Pick<Packet, 'sourceMac' | 'family'>,
  destinationMac: string,
  content: Buffer,
): string {
  const type = Buffer.alloc(2);
  type.writeUInt16BE(ETHERTYPE[family]);
  return Buffer.concat([macBytes(destinationMac), macBytes(sourceMac), type, content]).toString(
    'hex',
  );
}

/** Part of a packet; RFC 791 and RFC 8200 both count the offset in units of 8 bytes. */
export interface Fragment {
  offset: number;
  more: boolean;
}

export interface IpOptions {
  protocol?: number;
  fragment?: Fragment;
}

const MORE_V4 = 0x2000;
const FRAGMENT_HEADER = 44;

export function ip(
  packet: Packet,
  content: Buffer,
  { protocol, fragment }: IpOptions = {},
): Buffer {
  const number = protocol ?? protocolNumber(packet);
  if (packet.family === 4) {
    const field = fragment ? fragment.offset | (fragment.more ? MORE_V4 : 0) : 0;
    return Buffer.concat([ipv4Header(packet, number, content.length, field), content]);
  }
  if (fragment === undefined)
    return Buffer.concat([ipv6Header(packet, number, content.length), content]);
  const extension = Buffer.alloc(8);
  extension.writeUInt8(number, 0);
  extension.writeUInt16BE((fragment.offset << 3) | (fragment.more ? 1 : 0), 2);
  return ip(packet, Buffer.concat([extension, content]), { protocol: FRAGMENT_HEADER });
}

export function protocolNumber({ protocol }: Packet): number {
  if (protocol === 'tcp') return 6;
  return protocol === 'udp' ? 17 : protocol;
}

function ipv4Header(packet: Packet, protocol: number, length: number, fragment: number): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(20 + length, 2);
  header.writeUInt16BE(fragment, 6);
  header.writeUInt8(64, 8);
  header.writeUInt8(protocol, 9);
  addressBytes(packet.source).copy(header, 12);
  addressBytes(packet.destination).copy(header, 16);
  // The kernel drops a packet whose header checksum is wrong before any hook sees it.
  header.writeUInt16BE(checksum(header), 10);
  return header;
}

function ipv6Header(packet: Packet, protocol: number, length: number): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(0x60, 0);
  header.writeUInt16BE(length, 4);
  header.writeUInt8(protocol, 6);
  header.writeUInt8(64, 7);
  return Buffer.concat([header, addressBytes(packet.source), addressBytes(packet.destination)]);
}

/** The transport header; checksums are left out, since nothing before the rules reads them. */
export function transport({
  packet,
  serial,
  tcpFlags = TCP.syn,
}: Omit<FrameOptions, 'destinationMac'>): Buffer {
  const { protocol, sourcePort = 0, destinationPort = 0 } = packet;
  const header = Buffer.alloc(protocol === 'tcp' ? 20 : 8);
  if (typeof protocol === 'number') {
    header.writeUInt8(ECHO_REQUEST[protocol] ?? 0, 0);
    header.writeUInt32BE(probeKey(packet, serial), 4);
    return header;
  }
  header.writeUInt16BE(sourcePort, 0);
  header.writeUInt16BE(destinationPort, 2);
  header.writeUInt32BE(probeKey(packet, serial), 4);
  if (protocol === 'udp') return header;
  header.writeUInt8(5 << 4, 12);
  header.writeUInt8(tcpFlags, 13);
  header.writeUInt16BE(0xffff, 14);
  return header;
}

const UDP_LENGTH = 8;
/** Keeps our packets apart from those that kernels send by themselves, such as MLD reports. */
const NOT_UDP = 0x5e7d;

/** What the probe reads from a packet that was built with `serial`. */
export function probeKey({ protocol }: Packet, serial: number): number {
  return (protocol === 'udp' ? UDP_LENGTH : NOT_UDP) * 0x10000 + serial;
}

export function addressBytes(address: Address): Buffer {
  const digits = typeof address === 'number' ? 8 : 32;
  return Buffer.from(address.toString(16).padStart(digits, '0'), 'hex');
}

const macBytes = (mac: string): Buffer => Buffer.from(mac.replaceAll(':', ''), 'hex');

/** The Internet checksum of RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
