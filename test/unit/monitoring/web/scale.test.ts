/** The marks of an axis differ, whatever little there is to show. */
import { describe, expect, it } from 'vitest';
import { formatFrequency, formatRate, formatSeconds } from '../../../../monitoring/web/format.js';
import {
  LEAST_FREQUENCY,
  LEAST_RATE,
  LEAST_SECONDS,
  topOf,
} from '../../../../monitoring/web/scale.js';

describe.each([
  ['throughput', formatRate, LEAST_RATE],
  ['time', formatSeconds, LEAST_SECONDS],
  ['frequency', formatFrequency, LEAST_FREQUENCY],
])('%s', (_, format, least) => {
  it.each([null, 0, least / 1000, least, 1000 * least])('with at most %d', (most) => {
    const top = topOf(most, least);
    expect(top).toBeGreaterThan(most ?? 0);
    const marks = [0, 1, 2, 3, 4, 5].map((part) => format((part * top) / 5));
    expect(new Set(marks).size).toBe(marks.length);
  });
});
