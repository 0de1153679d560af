import { describe, expect, it } from 'vitest';
import { ServerWatch } from '../../../control/exporter/server-watch.js';
import type { ServerHealthState } from '../../../monitoring/state.js';

const server = (
  state: string,
  since: number | undefined,
  more: Partial<ServerHealthState> = {},
): ServerHealthState => ({
  ...{ server: 's1', health: 'heartbeat', drained: false, ignored: {} },
  families: { ipv4: { state, ...(since !== undefined && { since }) } },
  ...more,
});

const told = (watch: ServerWatch, at: number, one: ServerHealthState) => {
  const [first] = watch.next(at, [one]);
  const { ipv4 } = first!.families;
  return { state: ipv4!.state, since: ipv4!.since, returns: first!.returns };
};

describe('what readings tell together', () => {
  it('is since when a state lasts, by the router where it says it, else when it was seen', () => {
    const watch = new ServerWatch();
    expect(told(watch, 100, server('unfit', undefined))).toMatchObject({ since: undefined });
    expect(told(watch, 110, server('unfit', undefined))).toMatchObject({ since: undefined });
    expect(told(watch, 120, server('alive', 117))).toMatchObject({ since: 117 });
    // nft says whole seconds.
    expect(told(watch, 130, server('alive', 118.4))).toMatchObject({ since: 117 });
    expect(told(watch, 140, server('unfit', undefined))).toMatchObject({ since: 140 });
    expect(told(watch, 150, server('unfit', undefined))).toMatchObject({ since: 140 });
    expect(told(watch, 160, server('silent', 152))).toMatchObject({ since: 152 });
  });

  it('is how often it came back: seen lost, or alive since later than before', () => {
    const watch = new ServerWatch();
    const returns = (at: number, one: ServerHealthState) => told(watch, at, one).returns;
    expect(returns(100, server('alive', 50))).toBe(0);
    expect(returns(110, server('alive', 51))).toBe(0);
    expect(returns(120, server('silent', 112))).toBe(0);
    expect(returns(130, server('alive', 125))).toBe(1);
    expect(returns(140, server('alive', 137))).toBe(2);
    expect(returns(150, server('held', 147))).toBe(3);
    expect(returns(160, server('alive', 147))).toBe(3);
  });

  it('is no return where the other family comes later', () => {
    const watch = new ServerWatch();
    const both = (ipv6: { state: string; since?: number }) =>
      server('alive', 50, { families: { ipv4: { state: 'alive', since: 50 }, ipv6 } });
    watch.next(100, [both({ state: 'unfit' })]);
    const [one] = watch.next(110, [both({ state: 'alive', since: 105 })]);
    expect(one!.returns).toBe(0);
  });

  it('is what was ignored within the last minute', () => {
    const watch = new ServerWatch();
    const lately = (at: number, tag: number) =>
      watch.next(at, [server('alive', 1, { ignored: { tag, mac: 3 } })])[0]!.ignoredLately;
    expect(lately(100, 7)).toBeUndefined();
    expect(lately(130, 10)).toEqual({ tag: 3 });
    expect(lately(159, 12)).toEqual({ tag: 5 });
    expect(lately(185, 12)).toEqual({ tag: 2 });
    expect(lately(250, 12)).toBeUndefined();
    // The table was made anew.
    expect(lately(255, 4)).toEqual({ tag: 4 });
  });

  it('forgets what has gone', () => {
    const watch = new ServerWatch();
    watch.next(100, [server('silent', 90)]);
    watch.next(110, []);
    expect(told(watch, 120, server('alive', 115)).returns).toBe(0);
  });
});
