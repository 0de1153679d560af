import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressToBytes, formatEndpoint } from '../../../proxy/address.js';

const there = (address: string, port: number) => formatEndpoint(addressToBytes(address), port);

describe('addresses of the engine', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1:80'],
    ['0.0.0.0', '0.0.0.0:80'],
    ['::', '[::]:80'],
    ['::1', '[::1]:80'],
    ['2001:DB8:0:0:1:0:0:1', '[2001:db8::1:0:0:1]:80'],
    ['fe80::', '[fe80::]:80'],
    ['::ffff:192.0.2.1', '192.0.2.1:80'],
    ['64:ff9b::192.0.2.1', '[64:ff9b::c000:201]:80'],
  ])('%s is shown as %s', (address, shown) => {
    expect(there(address, 80)).toBe(shown);
  });

  it.each(['', 'localhost', '192.0.2', '192.0.2.256', '1::2::3', '::1%eth0'])(
    'refuses "%s"',
    (text) => {
      expect(() => addressToBytes(text)).toThrow(RangeError);
    },
  );

  it('survives the way there and back', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV6(), fc.integer({ min: 0, max: 65535 }), (v4, v6, port) => {
        expect(there(v4, port)).toBe(`${v4}:${port}`);
        const bytes = addressToBytes(v6);
        const shown = formatEndpoint(bytes, port);
        const address = shown.startsWith('[')
          ? shown.slice(1, shown.indexOf(']'))
          : shown.slice(0, shown.lastIndexOf(':'));
        expect(addressToBytes(address)).toEqual(bytes);
      }),
    );
  });
});
