import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut, harmless, padded, widthOf } from '../../../../control/cli/top/text.js';

describe('text for a terminal', () => {
  it.each([
    ['abc', 3],
    ['日本', 4],
    ['ｱｲ', 2],
    ['e\u0301', 1],
    ['📺', 2],
    ['ＴＶ', 4],
  ])('%s takes %d columns', (text, width) => expect(widthOf(text)).toBe(width));

  it('has nothing that steers, hides or covers', () => {
    expect(harmless('\x1b[2J\u009b1m\u202eabc')).toBe('\\x1b[2J\\x9b1m\\u202eabc');
    expect(harmless('a\u200bb\ufeff\u061c\u{e0041}')).toBe('a?b???');
    expect(harmless(`o${'\u0300'.repeat(50)}!`)).toBe('o\u0300\u0300!');
    expect(harmless('Fernseher im Büro 日本')).toBe('Fernseher im Büro 日本');
  });

  it('is cut and padded by columns, not by letters', () => {
    expect(padded('日本語', 5)).toBe('日本~');
    expect(padded('日本語', 4)).toBe('日~ ');
    expect(padded('日本', 6, true)).toBe('  日本');
    expect(cut('abc', 0)).toBe('');
  });

  it('fills its place exactly, whatever it is', () => {
    const text = fc.string({ unit: 'binary' }).map(harmless);
    fc.assert(
      fc.property(text, fc.integer({ min: 0, max: 30 }), fc.boolean(), (one, width, right) => {
        expect(widthOf(padded(one, width, right))).toBe(width);
        expect(harmless(one)).toBe(one);
      }),
      { numRuns: 500 },
    );
  });
});
