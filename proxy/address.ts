/** Addresses as the engine keeps them: 16 bytes, IPv4 as ::ffff:a.b.c.d. */
import { isIPv4, isIPv6, SocketAddress } from 'node:net';

const MAPPED = Buffer.from('00000000000000000000ffff', 'hex');

/** @throws RangeError when `text` is no address, or one with a zone. */
export function addressToBytes(text: string): Buffer {
  if (isIPv4(text)) return Buffer.concat([MAPPED, Buffer.from(text.split('.').map(Number))]);
  if (!isIPv6(text) || text.includes('%')) throw new RangeError(`"${text}" is not an IP address`);
  const [head = '', tail = ''] = withoutDots(text).split('::');
  const left = groups(head);
  const right = groups(tail);
  const zeros = new Array<number>(8 - left.length - right.length).fill(0);
  const bytes = Buffer.alloc(16);
  [...left, ...zeros, ...right].forEach((group, i) => {
    bytes.writeUInt16BE(group, i * 2);
  });
  return bytes;
}

const groups = (text: string) =>
  text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));

/** `::ffff:192.0.2.1` as `::ffff:c000:201`. */
function withoutDots(text: string): string {
  const start = text.lastIndexOf(':') + 1;
  const quad = text.slice(start);
  if (!isIPv4(quad)) return text;
  const bytes = Buffer.from(quad.split('.').map(Number));
  const pair = [bytes.readUInt16BE(0), bytes.readUInt16BE(2)].map((group) => group.toString(16));
  return text.slice(0, start) + pair.join(':');
}

/** `192.0.2.1:80` or `[2001:db8::1]:80`. */
export function formatEndpoint(bytes: Buffer, port: number): string {
  const address = formatAddress(bytes);
  return isIPv4(address) ? `${address}:${port}` : `[${address}]:${port}`;
}

/** `192.0.2.1` or `2001:db8::1`. */
export function formatAddress(bytes: Buffer): string {
  if (bytes.subarray(0, 12).equals(MAPPED)) return [...bytes.subarray(12)].join('.');
  const text = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16));
  return new SocketAddress({ address: text.join(':'), family: 'ipv6' }).address;
}
