import { describe, expect, it } from 'vitest';
import type { State } from '../../../../monitoring/state.js';
import { Recording, SAMPLES_MOST } from '../../../../monitoring/web/history.js';
import { Model } from '../../../../monitoring/web/model.js';
import { ratesOf } from '../../../../monitoring/web/rates.js';
import { historyUntil, START, stateAt } from '../../../netns/browser/states.js';

/** Two states, so many seconds apart. */
const pair = (seconds: number, change: (state: State) => State = (state) => state) =>
  [stateAt(100), change(stateAt(100 + seconds))] as const;

describe('rates', () => {
  it('are what moved, by the seconds between the states', () => {
    const [before, now] = pair(4);
    const moved = now.relay!.bytes.download - before.relay!.bytes.download;
    const rates = ratesOf(now, before);
    expect(rates.seconds).toBe(4);
    expect(rates.relay?.download).toBeCloseTo(moved / 4);
    expect(rates.relay?.opened).toBeCloseTo(9);
    expect([...rates.upstreams.keys()]).toEqual(['vps', 'office']);
    expect(rates.clients.size).toBe(12);
    expect(rates.busy).toEqual([expect.closeTo(0.4), expect.closeTo(0.3)]);
  });

  it('do not exist without a state before, nor in a state that is not newer', () => {
    expect(ratesOf(stateAt(5), undefined).relay).toBeUndefined();
    const last = ratesOf(stateAt(6), stateAt(5));
    expect(ratesOf(stateAt(6), stateAt(6), last)).toBe(last);
  });

  it('do not go over the start of another relay', () => {
    const [before, now] = pair(1, (state) => ({ ...state, relay: { ...state.relay!, pid: 1 } }));
    expect(ratesOf(now, before).relay).toBeUndefined();
    expect(ratesOf(now, before).upstreams.size).toBe(0);
  });

  it('begin at nothing where a counter was begun anew', () => {
    const [before, now] = pair(5, (state) => ({
      ...state,
      router: { ...state.router!, steered: { packets: 50, bytes: 5000 } },
    }));
    expect(ratesOf(now, before).router).toEqual({ steeredPackets: 10, steeredBytes: 1000 });
  });

  it('of a host are by its readings, and stay between two of them', () => {
    const model = new Model();
    const steered: (number | undefined)[] = [];
    for (let at = 100; at < 116; at++) {
      model.take(stateAt(at));
      steered.push(model.rates.router?.steeredPackets);
    }
    // Read at 100, 105, 110 and 115.
    expect(steered.slice(0, 5)).toEqual(Array(5).fill(undefined));
    expect(steered.slice(5)).toEqual(Array(11).fill(2100));
    expect(model.rates.captured.get('server1')).toBeCloseTo(90);
  });

  it('of a rule are its own, not those of one that took its place', () => {
    const [before, now] = pair(5, (state) => {
      const [first, ...rest] = state.router!.rules;
      return { ...state, router: { ...state.router!, rules: [...rest, first!] } };
    });
    expect(ratesOf(now, before).rules).toEqual([undefined, undefined, undefined, undefined]);
    expect(ratesOf(pair(5)[1], before).rules).toEqual([4, 0, 1, 9]);
  });
});

describe('the charts', () => {
  it('have a quarter of an hour and no more, whatever came before', () => {
    const recording = new Recording();
    recording.prepend(historyUntil(2000));
    for (let at = 2000; at < 2300; at++)
      recording.add(stateAt(at), ratesOf(stateAt(at), stateAt(at - 1)));
    const { at, upload, download } = recording.samples;
    expect(at).toHaveLength(SAMPLES_MOST);
    expect([at[0], at.at(-1)]).toEqual([START + 1400, START + 2299]);
    expect(upload).toHaveLength(SAMPLES_MOST);
    expect(download.every((value) => value !== null && value > 0)).toBe(true);
  });

  it('take what the server remembers though the first states came before it', () => {
    const recording = new Recording();
    recording.add(stateAt(2000), ratesOf(stateAt(2000), stateAt(1999)));
    recording.prepend(historyUntil(2003));
    expect(recording.samples.at).toEqual(historyUntil(2001).at.slice(-recording.samples.at.length));
    expect(recording.samples.at.at(-1)).toBe(START + 2000);
  });

  it('are interrupted where nothing was known', () => {
    const recording = new Recording();
    const add = (at: number) => recording.add(stateAt(at), ratesOf(stateAt(at), stateAt(at - 1)));
    add(10);
    add(60);
    add(60);
    expect(recording.samples.at.map((at) => at - START)).toEqual([10, 11, 60]);
    expect(recording.samples.download[1]).toBeNull();
  });
});

describe('a page that stays open', () => {
  it('forgets clients that are gone', () => {
    const model = new Model();
    for (let at = 0; at < 100; at++)
      model.take({ ...stateAt(at), clients: stateAt(at, 5).clients! });
    expect(model.trace('192.168.1.10')).toHaveLength(60);
    model.take({ ...stateAt(100), clients: [] });
    expect(model.trace('192.168.1.10')).toEqual([]);
  });
});
