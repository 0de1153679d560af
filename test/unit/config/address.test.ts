import { isIP, isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatAddress,
  formatV4,
  formatV6,
  parseAddress,
  parseV4,
  parseV6,
} from '../../../control/config/address.js';
import { v4, v6 } from '../arbitraries.js';

/** Text that is an address, or nearly one. */
const nearlyV4 = fc
  .array(fc.constantFrom('0', '00', '1', '25', '255', '256', '01', '', 'a', ' 1'), {
    minLength: 3,
    maxLength: 5,
  })
  .map((parts) => parts.join('.'));
const nearlyV6 = fc
  .array(
    fc.constantFrom('0', 'a', 'FFFF', '12345', ':', ':', '', 'g', '1.2.3.4', '1.2.3', '00001'),
    { maxLength: 10 },
  )
  .map((parts) => parts.join(':'));
const soup = fc
  .array(fc.constantFrom(':', '.', '0', '1', 'f', 'ffff', '::', '255'), { maxLength: 18 })
  .map((parts) => parts.join(''));

describe('parsing', () => {
  it('accepts exactly what node:net accepts', () => {
    fc.assert(
      fc.property(
        fc.oneof(nearlyV4, nearlyV6, soup, v4.map(formatV4), v6.map(formatV6)),
        (text) => {
          expect(parseV4(text) !== undefined).toBe(isIPv4(text));
          expect(parseV6(text) !== undefined).toBe(isIPv6(text));
          expect(parseAddress(text) !== undefined).toBe(isIP(text) !== 0);
        },
      ),
      { numRuns: 5000 },
    );
  });

  it.each([
    ['192.168.1.2', 0xc0a80102],
    ['255.255.255.255', 0xffffffff],
    ['0.0.0.0', 0],
    ['::', 0n],
    ['::1', 1n],
    ['1::', 1n << 112n],
    ['fd00::2', (0xfd00n << 112n) | 2n],
    ['64:ff9b::192.0.2.1', (0x64n << 112n) | (0xff9bn << 96n) | 0xc0000201n],
    ['1:2:3:4:5:6:7:8', 0x00010002000300040005000600070008n],
    ['1:2:3:4:5:6:7::', 0x00010002000300040005000600070000n],
  ])('reads %s', (text, address) => {
    expect(parseAddress(text)).toBe(address);
  });

  it.each(['', '1.2.3', '1.2.3.4.5', '01.2.3.4', ':::', '1:', ':1', '1::2::3', 'fe80::1%eth0'])(
    'refuses "%s"',
    (text) => {
      expect(parseAddress(text)).toBeUndefined();
    },
  );
});

describe('formatting', () => {
  it('is undone by parsing', () => {
    fc.assert(
      fc.property(fc.oneof(v4, v6), (address) => {
        expect(parseAddress(formatAddress(address))).toBe(address);
      }),
    );
  });

  it('writes IPv6 as RFC 5952 has it, judged by the URL standard', () => {
    fc.assert(
      fc.property(v6, (address) => {
        expect(`[${formatV6(address)}]`).toBe(new URL(`http://[${formatV6(address)}]`).hostname);
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['::FFFF:1.2.3.4', '::ffff:102:304'],
  ])('turns %s into %s', (text, canonical) => {
    expect(formatAddress(parseAddress(text)!)).toBe(canonical);
  });
});
