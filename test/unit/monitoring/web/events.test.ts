import fc from 'fast-check';
import { expect, it } from 'vitest';
import { eventReader } from '../../../../monitoring/web/events.js';

const TEXT =
  'event: state\ndata: {"a":1}\n\n: a comment\n\ndata: b\r\ndata: c\r\n\r\nid: 1\n\ndata:d\n\n';
const EVENTS = [
  { name: 'state', data: '{"a":1}' },
  { name: 'message', data: 'b\nc' },
  { name: 'message', data: 'd' },
];

it('reads the same events however the text is cut', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(TEXT.length)), (cuts) => {
      const read = eventReader();
      const ends = [...cuts.toSorted((a, b) => a - b), TEXT.length];
      const found = ends.flatMap((end, i) => read(TEXT.slice(ends[i - 1] ?? 0, end)));
      expect(found).toEqual(EVENTS);
    }),
  );
});

it('refuses one that never ends', () => {
  const read = eventReader(100);
  expect(() => read(`data: ${'x'.repeat(200)}`)).toThrow('without an end');
  const readLines = eventReader(100);
  expect(() => {
    for (let i = 0; i < 20; i++) readLines(`data: ${'x'.repeat(20)}\n`);
  }).toThrow('without an end');
});
