/** Clients whose handshake stays half open, counted when a scrape asks. */
import { networkInterfaces } from 'node:os';
import type { Registry } from 'prom-client';
import { type HalfOpen, readHalfOpen } from '../proxy/half-open.js';
import { registerMetrics, single } from './register.js';

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

export type HalfOpenKey = 'relayHalfOpenHandshakes';

/** @returns what counts them, once in a while however often it is asked. */
export function halfOpenCounter(
  isForRelay: () => IsForRelay,
  root = '/proc',
): () => Promise<number> {
  const count = async () => (await readHalfOpen(`${root}/net`)).filter(isForRelay()).length;
  let last = { at: Number.NEGATIVE_INFINITY, count: Promise.resolve(0) };
  return () => {
    if (Date.now() - last.at >= HALF_OPEN_KEEP_MS) last = { at: Date.now(), count: count() };
    return last.count;
  };
}

export function registerHalfOpen(registry: Registry, count: () => Promise<number>): void {
  registerMetrics<HalfOpenKey, number>(registry, { relayHalfOpenHandshakes: single }, count);
}
