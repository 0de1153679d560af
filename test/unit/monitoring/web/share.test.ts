import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { State } from '../../../../monitoring/state.js';
import {
  type Channel,
  type ShareListener,
  shareStream,
  type TabMessage,
} from '../../../../monitoring/web/share.js';
import { stateAt } from '../../../netns/browser/states.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Tabs of one browser, and the server that their streams go to. */
class Tabs {
  readonly #ears = new Map<string, (message: TabMessage) => void>();
  readonly streams = new Map<string, ShareListener & { onRefused: () => void }>();
  readonly seen = new Map<string, State[]>();
  readonly lost = new Map<string, string[]>();
  readonly deaf = new Set<string>();

  open(name: string, hasChannel = true): () => void {
    const channel: Channel = {
      post: (message) => {
        for (const [other, take] of this.#ears)
          if (other !== name && !this.deaf.has(name) && !this.deaf.has(other)) take(message);
      },
      listen: (take) => {
        this.#ears.set(name, take);
        return () => this.#ears.delete(name);
      },
      close: () => {},
    };
    this.seen.set(name, []);
    this.lost.set(name, []);
    return shareStream(
      {
        channel: hasChannel ? channel : undefined,
        name,
        open: (listener) => {
          this.streams.set(name, listener);
          return () => this.streams.delete(name);
        },
      },
      {
        onState: (state) => this.seen.get(name)!.push(state),
        onLost: (why) => this.lost.get(name)!.push(why),
      },
    );
  }

  /** Seconds in which the server sends a state each. */
  run(from: number, seconds: number): void {
    for (let at = from; at < from + seconds; at++) {
      for (const stream of [...this.streams.values()]) stream.onState(stateAt(at, 1));
      vi.advanceTimersByTime(1000);
    }
  }
}

it('opens one stream for ten tabs, and all see it', () => {
  const tabs = new Tabs();
  const names = Array.from({ length: 10 }, (_, i) => `tab${i}`);
  for (const name of names) tabs.open(name);
  vi.advanceTimersByTime(1000);
  tabs.run(0, 10);
  expect(tabs.streams.size).toBe(1);
  for (const name of names) expect(tabs.seen.get(name)!.length).toBeGreaterThanOrEqual(8);
});

it('gives a tab that comes later the last state at once', () => {
  const tabs = new Tabs();
  tabs.open('a');
  vi.advanceTimersByTime(1000);
  tabs.run(0, 2);
  tabs.open('b');
  expect(tabs.seen.get('b')).toHaveLength(1);
});

it('goes on in another tab within a second of the first one being closed', () => {
  const tabs = new Tabs();
  const close = tabs.open('a');
  vi.advanceTimersByTime(1000);
  tabs.open('b');
  tabs.open('c');
  tabs.run(0, 3);
  close();
  vi.advanceTimersByTime(1000);
  expect(tabs.streams.size).toBeGreaterThan(0);
  // Should two have begun in the same moment, the first state decides.
  tabs.run(3, 1);
  expect(tabs.streams.size).toBe(1);
  expect([...tabs.streams.keys()]).not.toContain('a');
});

it('goes on when the tab with the stream falls silent, and ends up with one when it wakes', () => {
  const tabs = new Tabs();
  tabs.open('b');
  vi.advanceTimersByTime(1000);
  tabs.open('a');
  tabs.run(0, 2);
  expect([...tabs.streams.keys()]).toEqual(['b']);
  tabs.deaf.add('b');
  tabs.run(2, 8);
  expect([...tabs.streams.keys()].toSorted()).toEqual(['a', 'b']);
  tabs.deaf.delete('b');
  tabs.run(10, 3);
  expect([...tabs.streams.keys()]).toEqual(['a']);
  expect(tabs.seen.get('b')!.at(-1)).toEqual(stateAt(12, 1));
});

it('tells the others that nothing comes, and they do not all ask', () => {
  const tabs = new Tabs();
  tabs.open('a');
  vi.advanceTimersByTime(1000);
  tabs.open('b');
  for (let i = 0; i < 10; i++) {
    tabs.streams.get('a')!.onLost('connection refused');
    vi.advanceTimersByTime(1000);
  }
  expect(tabs.lost.get('b')).toContain('connection refused');
  expect([...tabs.streams.keys()]).toEqual(['a']);
});

it('shows a tab without a token what one with a token gets', () => {
  const tabs = new Tabs();
  tabs.open('a');
  vi.advanceTimersByTime(1000);
  tabs.streams.get('a')!.onRefused();
  tabs.open('b');
  vi.advanceTimersByTime(5000);
  expect(tabs.streams.has('b')).toBe(true);
  tabs.streams.get('b')!.onState(stateAt(1, 1));
  expect(tabs.seen.get('a')).toEqual([stateAt(1, 1)]);
});

it('needs no channel', () => {
  const tabs = new Tabs();
  tabs.open('a', false);
  tabs.run(0, 1);
  expect(tabs.seen.get('a')).toHaveLength(1);
});
