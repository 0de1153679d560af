import { describe, expect, it } from 'vitest';
import type { Difference } from '../../../control/plan/difference.js';
import { differenceLines } from '../../../control/plan/difference-text.js';
import { lineDiff } from '../../../control/plan/line-diff.js';

const set = (overrides: Partial<NonNullable<Difference['elements']>>): Difference => ({
  kind: 'set',
  name: 'list4',
  action: 'changed',
  destructive: false,
  elements: { before: 100_000, after: 100_009, added: [], removed: [], ...overrides },
});
const texts = (differences: Difference[], full = false) =>
  differenceLines(differences, full).map(({ sign, text }) => `${sign} ${text}`);
const prefixes = (count: number, octet: number) =>
  Array.from({ length: count }, (_, i) => `${octet}.0.${i}.0/24`);

describe('lines that stay, go and come', () => {
  it('keep their order', () => {
    const lines = lineDiff('a\nb\nc\n', 'a\nx\nc\nd\n').map(({ sign, text }) => sign + text);
    expect(lines).toEqual([' a', '-b', '+x', ' c', '+d']);
  });

  it('are all new, or all gone, where the other text is not there', () => {
    expect(lineDiff('', 'a\nb').map(({ sign }) => sign)).toEqual(['+', '+']);
    expect(lineDiff('a', '').map(({ sign }) => sign)).toEqual(['-']);
  });

  it('of very long texts are found at once', () => {
    const text = Array.from({ length: 20_000 }, (_, i) => `line ${i}`);
    const changed = text.with(7, 'other').join('\n');
    expect(lineDiff(text.join('\n'), changed)).toEqual([
      { sign: '-', text: 'line 7' },
      { sign: '+', text: 'other' },
    ]);
  });
});

describe('a long set', () => {
  it('is told by numbers and examples', () => {
    expect(texts([set({ added: prefixes(12, 1), removed: prefixes(4, 2) })])).toEqual([
      '~ set list4: +12 −4 of 100009 elements, e.g. +1.0.0.0/24, +1.0.1.0/24, +1.0.2.0/24, −2.0.0.0/24, −2.0.1.0/24, −2.0.2.0/24',
    ]);
  });

  it('is told whole where little changes', () => {
    expect(texts([set({ added: prefixes(1, 1), removed: prefixes(2, 2) })])).toEqual([
      '~ set list4: +1 −2 of 100009 elements: +1.0.0.0/24, −2.0.0.0/24, −2.0.1.0/24',
    ]);
  });

  it('is whole with --full', () => {
    const lines = texts([set({ added: prefixes(12, 1), removed: prefixes(4, 2) })], true);
    expect(lines.slice(1)).toHaveLength(16);
    expect(lines.at(-1)).toBe('+ 1.0.11.0/24');
  });
});

describe('a chain', () => {
  const chain = (before: string, after: string): Difference => ({
    kind: 'chain',
    name: 'classify',
    action: 'changed',
    before,
    after,
    destructive: false,
  });

  it('shows the rules that go and come', () => {
    expect(texts([chain('accept\ndrop', 'accept\nreturn')])).toEqual([
      '~ chain classify',
      '- drop',
      '+ return',
    ]);
  });

  it('that only no apply knows says so', () => {
    expect(texts([chain('accept', 'accept')])).toEqual([
      '~ chain classify: written anew, since no earlier apply knows it; the same text',
    ]);
  });

  it('of many rules is shortened', () => {
    const long = Array.from({ length: 20 }, (_, i) => `rule ${i}`).join('\n');
    expect(texts([chain('', long)]).at(-1)).toBe('  … 8 more lines (--full)');
    expect(texts([chain('', long)], true)).toHaveLength(21);
  });
});

it('a table that is new is numbers; with --full it is all of it', () => {
  const differences: Difference[] = [
    { kind: 'table', name: 'inet sidetrack', action: 'added', destructive: false },
    { kind: 'chain', name: 'a', action: 'added', after: 'accept\ndrop', destructive: false },
    { ...set({ before: 0, after: 2, added: prefixes(2, 1) }), action: 'added' },
  ];
  expect(texts(differences)).toEqual([
    '+ 1 chain with 2 rules, 1 set with 2 elements (all of it: sidetrack plan --full)',
  ]);
  expect(texts(differences, true)).toHaveLength(6);
});

it('what is destructive raises an alarm', () => {
  const route: Difference = {
    kind: 'route',
    name: 'x',
    action: 'changed',
    before: '-4 default via 192.0.2.1',
    after: '-4 default via 192.0.2.2',
    destructive: true,
    flows: 'break',
  };
  expect(differenceLines([route], false)).toEqual([
    { sign: '-', text: 'ip route -4 default via 192.0.2.1', alarm: true },
    { sign: '+', text: 'ip route -4 default via 192.0.2.2' },
  ]);
});
