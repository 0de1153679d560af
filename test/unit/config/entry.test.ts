import { parseCidr } from 'cidr-tools';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatAddress } from '../../../control/config/address.js';
import { isProblem, networkOf, parseEntry } from '../../../control/config/entry.js';
import { cidr, plainV6, v4 } from '../arbitraries.js';

describe('parseEntry', () => {
  it('reads a CIDR as cidr-tools does', () => {
    fc.assert(
      fc.property(cidr, (text) => {
        const { start, end } = parseCidr(text);
        const entry = parseEntry(text);
        if (isProblem(entry)) throw new Error(entry.message);
        expect([BigInt(entry.first), BigInt(entry.last)]).toEqual([start, end]);
      }),
    );
  });

  it('reads addresses and ranges of either family', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.tuple(v4, v4), fc.tuple(plainV6, plainV6)),
        fc.constantFrom('-', ' - '),
        ([a, b], dash) => {
          const [first, last] = a <= b ? [a, b] : [b, a];
          const family = typeof first === 'number' ? 4 : 6;
          expect(parseEntry(formatAddress(a))).toEqual({ family, first: a, last: a });
          expect(parseEntry(`${formatAddress(first)}${dash}${formatAddress(last)}`)).toEqual({
            family,
            first,
            last,
          });
        },
      ),
    );
  });

  it('refuses host bits and names the network', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.tuple(v4, fc.integer({ min: 0, max: 31 })),
          fc.tuple(plainV6, fc.integer({ min: 0, max: 127 })),
        ),
        ([address, length]) => {
          const network = networkOf(address, length).first;
          fc.pre(network !== address);
          const entry = parseEntry(`${formatAddress(address)}/${length}`);
          expect(isProblem(entry) && entry.hint).toContain(`${formatAddress(network)}/${length}`);
        },
      ),
    );
  });

  it.each([
    ['10.0.0.0/33', '"10.0.0.0/33": an IPv4 prefix length is at most 32', undefined],
    ['fd00::/129', '"fd00::/129": an IPv6 prefix length is at most 128', undefined],
    ['10.0.0.0/08', '"10.0.0.0/08": "08" is not a prefix length', 'write a number from 0 to 32'],
    ['10.0.0.0/', '"10.0.0.0/": "" is not a prefix length', 'write a number from 0 to 32'],
    [
      '10.1.2.3/8',
      '"10.1.2.3/8" has bits set beyond its prefix length',
      'write 10.0.0.0/8 for the network, or 10.1.2.3 for the one address',
    ],
    [
      '10.0.0.1-fd00::1',
      'range "10.0.0.1-fd00::1" mixes IPv4 and IPv6',
      'both ends must be of one family',
    ],
    [
      '10.0.0.9-10.0.0.1',
      'range "10.0.0.9-10.0.0.1" ends before it starts',
      'write 10.0.0.1-10.0.0.9',
    ],
    ['fe80::1%eth0', '"fe80::1%eth0" has a zone', 'leave out the part from the % on'],
    ['010.0.0.1', '"010.0.0.1" is not an IP address', 'write octets without leading zeros'],
    ['10.0.0.1-x', '"x" in "10.0.0.1-x" is not an IP address', undefined],
    ['', '"" is not an IP address', undefined],
  ])('explains what is wrong with "%s"', (text, message, hint) => {
    const { network: _, ...told } = Object.assign({ network: undefined }, parseEntry(text));
    expect(told).toEqual(hint === undefined ? { message } : { message, hint });
  });

  it.each([
    ['::ffff:192.168.1.1', 'write 192.168.1.1 if you mean the IPv4 address'],
    ['::ffff:192.168.1.1/128', 'write 192.168.1.1 if you mean the IPv4 address'],
    ['::ffff:0:0/96', 'leave it out; IPv4 addresses are written as such'],
    ['::ffff:0:0/104', 'leave it out; IPv4 addresses are written as such'],
    ['::ffff:1.2.3.4-::ffff:1.2.3.9', 'leave it out; IPv4 addresses are written as such'],
  ])('says that no packet has %s', (text, hint) => {
    const message = `"${text}" is IPv4-mapped (::ffff:0:0/96), and such packets are always dropped`;
    expect(parseEntry(text)).toEqual({ message, hint, noPacket: true });
  });

  it.each(['::/0', '::/80', '::1-::ffff:1.2.3.4'])('takes %s, which merely spans them', (text) => {
    expect(parseEntry(text)).toMatchObject({ family: 6 });
  });

  it('takes a range that merely spans the mapped block', () => {
    expect(parseEntry('::/0')).toEqual({ family: 6, first: 0n, last: (1n << 128n) - 1n });
  });
});

describe('networkOf', () => {
  it.each([
    [0, '0.0.0.0', '255.255.255.255'],
    [1, '128.0.0.0', '255.255.255.255'],
    [31, '192.168.1.2', '192.168.1.3'],
    [32, '192.168.1.3', '192.168.1.3'],
  ])('knows the bounds at /%i', (length, first, last) => {
    const network = networkOf(0xc0a80103, length);
    expect([formatAddress(network.first), formatAddress(network.last)]).toEqual([first, last]);
  });

  it('holds the address it is asked about', () => {
    fc.assert(
      fc.property(plainV6, fc.integer({ min: 0, max: 128 }), (address, length) => {
        const { first, last } = networkOf(address, length);
        expect(first <= address && address <= last).toBe(true);
        expect(BigInt(last) - BigInt(first)).toBe((1n << BigInt(128 - length)) - 1n);
      }),
    );
  });
});
