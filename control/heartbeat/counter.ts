/**
 * The counter of heartbeats: the time in milliseconds, and never less than before, whatever the clock
 * does and however often the sender is started. What is kept on disk is ahead of what has been sent, so
 * that it is written every ten minutes and not for each heartbeat. Pure.
 */

/** How far ahead: more than the heartbeats of that time where the clock stands still. */
export const COUNTER_AHEAD = 600_000n;

export interface CounterState {
  /** The last one that was sent; at the start what is on disk. */
  last: bigint;
  /** What is on disk: all that may have been sent. */
  kept: bigint;
}

/** @param kept what is on disk, if anything. */
export const firstCounter = (kept: bigint | undefined): CounterState => ({
  last: kept ?? 0n,
  kept: kept ?? 0n,
});

const MOST = 2n ** 64n - 1n;

/** @returns the state after the next heartbeat, whose counter is `last`; where `kept` differs it is written before that is sent. */
export function nextCounter({ last, kept }: CounterState, nowMs: number): CounterState {
  const now = Number.isFinite(nowMs) && nowMs > 0 ? BigInt(Math.floor(nowMs)) : 0n;
  const wanted = now > last ? now : last + 1n;
  const next = wanted > MOST ? MOST : wanted;
  if (next <= kept) return { last: next, kept };
  const ahead = next + COUNTER_AHEAD;
  return { last: next, kept: ahead > MOST ? MOST : ahead };
}

/** @returns undefined for what is no counter: an empty or damaged file. */
export function parseCounter(text: string): bigint | undefined {
  const digits = text.trim();
  if (!/^\d{1,20}$/.test(digits)) return undefined;
  const value = BigInt(digits);
  return value > MOST ? undefined : value;
}
