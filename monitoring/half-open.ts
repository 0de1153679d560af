/** Clients whose handshake stays half open, counted when a scrape asks. */
import { networkInterfaces } from 'node:os';
import type { Registry } from 'prom-client';
import { type HalfOpen, readHalfOpen } from '../proxy/half-open.js';
import { registerMetrics, single } from './register.js';
import { soon } from './soon.js';

/** Whether a handshake is one of the relay's: of its port, or with tproxy for an address that is not ours. */
export type IsForRelay = (one: HalfOpen) => boolean;

export const toPort =
  (port: number): IsForRelay =>
  ({ local }) =>
    local.port === port;

export const toOthers = (): IsForRelay => {
  const interfaces = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  const own = new Set(interfaces.map(({ address }) => address));
  return ({ local }) => !own.has(local.address);
};

/** The files list every connection of the machine, so they are not read for each of several scrapers. */
export const HALF_OPEN_KEEP_MS = 5000;
/** A resolver that hangs may hold all of Node's threads: nobody waits longer for this one figure. */
const WAIT_MS = 500;
/** An older figure is not told. */
const STALE_MS = 30_000;

export type HalfOpenKey = 'relayHalfOpenHandshakes';

/** @returns what counts them, once in a while however often it is asked; undefined while it cannot be told. */
export function halfOpenCounter(
  isForRelay: () => IsForRelay,
  root = '/proc',
): () => Promise<number | undefined> {
  const count = async () => (await readHalfOpen(`${root}/net`)).filter(isForRelay()).length;
  let last: { at: number; count: number } | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | undefined;
  const ask = async () => {
    try {
      last = { count: await count(), at: Date.now() };
    } finally {
      asking = undefined;
    }
  };
  return async () => {
    if (asking === undefined && Date.now() - askedAt >= HALF_OPEN_KEEP_MS) {
      askedAt = Date.now();
      asking = ask();
    }
    if (asking !== undefined) await soon(asking, WAIT_MS);
    return last !== undefined && Date.now() - last.at < STALE_MS ? last.count : undefined;
  };
}

export function registerHalfOpen(
  registry: Registry,
  count: () => Promise<number | undefined>,
): void {
  registerMetrics<HalfOpenKey, number | undefined>(
    registry,
    { relayHalfOpenHandshakes: single },
    count,
  );
}
