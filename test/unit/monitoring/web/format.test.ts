import { describe, expect, it } from 'vitest';
import {
  formatAge,
  formatBytes,
  formatCount,
  formatFrequency,
  formatRate,
  formatSeconds,
  formatShare,
  oneLine,
  plural,
  UNKNOWN,
} from '../../../../monitoring/web/format.js';

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [999.6, '1.00 kB'],
  [1234, '1.23 kB'],
  [45_600_000, '45.6 MB'],
  [999_600_000, '1.00 GB'],
  [2 ** 63, '9.22 EB'],
  [Number.NaN, UNKNOWN],
  [undefined, UNKNOWN],
])('%s bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

it('says rates in bits, as lines are sold', () => {
  expect(formatRate(117_625_000)).toBe('941 Mbit/s');
  expect(formatRate(0)).toBe('0 bit/s');
  expect(formatRate(null)).toBe(UNKNOWN);
});

it.each([
  [0, '0 ms'],
  [0.0000004, '1 µs'],
  [0.00034, '340 µs'],
  [0.0012, '1.2 ms'],
  [0.0343, '34 ms'],
  [0.9996, '1.0 s'],
  [2.13, '2.1 s'],
  [12.3, '12 s'],
])('%s s are %s', (seconds, text) => {
  expect(formatSeconds(seconds)).toBe(text);
});

it.each([
  [-3, '0 s'],
  [59.9, '59 s'],
  [60, '1 min'],
  [200, '3 min 20 s'],
  [7500, '2 h 5 min'],
  [86_400 * 4 + 3600 * 3, '4 d 3 h'],
])('an age of %s s is %s', (seconds, text) => {
  expect(formatAge(seconds)).toBe(text);
});

it('counts with a space that does not break', () => {
  expect(formatCount(1234567)).toBe('1\u{a0}234\u{a0}567');
  expect(plural(1, 'connection')).toBe('1 connection');
  expect(plural(5000, 'connection')).toBe('5\u{a0}000 connections');
  expect(formatShare(1, 3)).toBe('33 %');
  expect(formatShare(1, 0)).toBe(UNKNOWN);
});

it('says how often', () => {
  expect([0, 0.01, 0.4, 12, 3400].map(formatFrequency)).toEqual([
    '0/s',
    '<0.1/s',
    '0.4/s',
    '12/s',
    '3.40 k/s',
  ]);
});

describe('text of others', () => {
  it('is one line that moves nothing and turns nothing around', () => {
    expect(oneLine('a\u001b[2Jb\nc\u202Ed\u2028e')).toBe('a [2Jb c d e');
  });
  it('has an end, and no half of a letter there', () => {
    expect(oneLine('😀'.repeat(300), 5)).toBe('😀😀😀😀…');
  });
});
