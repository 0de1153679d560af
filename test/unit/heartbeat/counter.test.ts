import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  COUNTER_AHEAD,
  type CounterState,
  firstCounter,
  nextCounter,
  parseCounter,
} from '../../../control/heartbeat/counter.js';

describe('the counter', () => {
  it('is the clock where that is right', () => {
    const one = nextCounter(firstCounter(undefined), 1_800_000_000_000);
    expect(one).toEqual({ last: 1_800_000_000_000n, kept: 1_800_000_000_000n + COUNTER_AHEAD });
    expect(nextCounter(one, 1_800_000_000_500)).toEqual({ ...one, last: 1_800_000_000_500n });
  });

  it('is written every ten minutes, not each time', () => {
    let state = firstCounter(undefined);
    let writes = 0;
    for (let ms = 1_800_000_000_000; ms < 1_800_000_000_000 + 3_600_000; ms += 500) {
      const next = nextCounter(state, ms);
      if (next.kept !== state.kept) writes++;
      state = next;
    }
    expect(writes).toBe(6);
  });

  it('only goes up, whatever the clock does and whenever it is started anew from disk', () => {
    const clocks = fc.oneof(
      fc.integer({ min: 0, max: 4_000_000_000_000 }),
      fc.constantFrom(0, -1, Number.NaN, Number.MAX_SAFE_INTEGER, 1e30),
    );
    const events = fc.array(fc.tuple(clocks, fc.boolean()), { maxLength: 60 });
    fc.assert(
      fc.property(events, (list) => {
        let state: CounterState = firstCounter(undefined);
        let disk: bigint | undefined;
        let sent = -1n;
        for (const [clock, restarts] of list) {
          if (restarts) state = firstCounter(disk);
          state = nextCounter(state, clock);
          // It is written before the heartbeat leaves.
          disk = state.kept;
          if (sent < 2n ** 64n - 1n) expect(state.last).toBeGreaterThan(sent);
          expect(state.last).toBeLessThanOrEqual(disk);
          expect(state.last).toBeLessThan(2n ** 64n);
          sent = state.last;
        }
      }),
    );
  });

  it('is read from what was written, and from nothing else', () => {
    expect(parseCounter('1800000000000\n')).toBe(1_800_000_000_000n);
    expect(['', 'x', '-1', '1.5', '0x10', '99999999999999999999'].map(parseCounter)).toEqual(
      Array(6).fill(undefined),
    );
  });
});
