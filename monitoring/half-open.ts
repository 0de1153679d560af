/** Clients whose handshake stays half open, counted when a scrape asks. */
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import type { Registry } from 'prom-client';
import { type HalfOpen, halfOpenHandshakes } from '../proxy/half-open.js';
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
const KEEP_MS = 5000;

export type HalfOpenKey = 'relayHalfOpenHandshakes';

export function registerHalfOpen(
  registry: Registry,
  isForRelay: () => IsForRelay,
  root = '/proc',
): void {
  const read = (name: string) => readFile(`${root}/net/${name}`, 'latin1').catch(() => '');
  const count = async () => {
    const texts = await Promise.all(['tcp', 'tcp6'].map(read));
    return texts.flatMap(halfOpenHandshakes).filter(isForRelay()).length;
  };
  let last = { at: Number.NEGATIVE_INFINITY, count: Promise.resolve(0) };
  registerMetrics<HalfOpenKey, number>(registry, { relayHalfOpenHandshakes: single }, () => {
    if (Date.now() - last.at >= KEEP_MS) last = { at: Date.now(), count: count() };
    return last.count;
  });
}
