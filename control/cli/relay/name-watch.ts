/**
 * Resolves the names of upstreams again while the relay runs: every minute, and what does not resolve
 * sooner, after 1 s, 2 s and so on. New addresses are for new connections; nothing else changes.
 */
import { isIP } from 'node:net';
import pc from 'picocolors';
import type { UpstreamConfig } from '../../config/config.js';
import { say } from '../output.js';
import type { Names, Resolution } from './names.js';
import { addressesOf } from './upstreams.js';

const LOOK_EVERY_MS = 1000;
const AGAIN_MS = 60_000;
const FIRST_RETRY_MS = 1000;

/** The relay as far as names are concerned. */
export interface Readdressed {
  upstreams(): readonly UpstreamConfig[];
  /** What new connections are told at the moment. */
  addressesOf(upstream: string): readonly string[];
  /** @throws when there is no such upstream any more. */
  readdress(upstream: string, addresses: readonly string[]): void;
}

interface Watched {
  dueMs: number;
  /** Failures in a row. */
  failures: number;
  asking: boolean;
}

/** @returns what looks once and settles when all that was due has been asked. */
export function nameWatch(
  relay: Readdressed,
  names: Names,
  say: (line: string) => void,
): (nowMs: number) => Promise<void> {
  const watched = new Map<string, Watched>();
  const look = async (upstream: Named, state: Watched, nowMs: number) => {
    const { host } = upstream.target;
    state.asking = true;
    const resolution = await names.resolve(host);
    state.asking = false;
    tell(upstream, resolution, state, say);
    state.failures = resolution.failure === undefined ? 0 : state.failures + 1;
    state.dueMs = nowMs + pause(state.failures);
    // A reload may have come meanwhile.
    for (const one of named(relay.upstreams()))
      if (one.target.host === host) apply(relay, one, resolution, say);
  };
  return async (nowMs) => {
    const upstreams = named(relay.upstreams());
    forgetOthers(watched, upstreams);
    const hosts = new Map(upstreams.map((upstream) => [upstream.target.host, upstream]));
    const due = [...hosts].flatMap(([host, upstream]) => {
      const state = watched.get(host) ?? { dueMs: nowMs, failures: 0, asking: false };
      watched.set(host, state);
      return state.asking || state.dueMs > nowMs ? [] : [look(upstream, state, nowMs)];
    });
    await Promise.all(due);
  };
}

type Named = UpstreamConfig & { target: { host: string } };

const isNamed = (upstream: UpstreamConfig): upstream is Named =>
  upstream.target.kind !== 'direct' && isIP(upstream.target.host) === 0;

const named = (upstreams: readonly UpstreamConfig[]) => upstreams.filter(isNamed);

function forgetOthers(watched: Map<string, Watched>, upstreams: readonly Named[]): void {
  for (const host of watched.keys())
    if (!upstreams.some(({ target }) => target.host === host)) watched.delete(host);
}

const pause = (failures: number) =>
  failures === 0 ? AGAIN_MS : Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), AGAIN_MS);

/** Once when it begins to fail; that it succeeds again is told where it matters. */
function tell(
  { name, target: { host } }: Named,
  { failure, addresses }: Resolution,
  { failures }: Watched,
  say: (line: string) => void,
): void {
  if (failure === undefined || failures > 0) return;
  const meanwhile =
    addresses.length > 0
      ? `still using ${addresses.join(', ')}`
      : 'until it resolves this upstream counts as not reachable';
  say(
    `${pc.yellow('warning:')} cannot resolve ${host} for upstream "${name}" (${failure}): trying again; ${meanwhile}`,
  );
}

function apply(
  relay: Readdressed,
  { name, addresses: more, target: { host } }: Named,
  resolution: Resolution,
  say: (line: string) => void,
): void {
  const addresses = addressesOf(resolution.addresses, more);
  const before = relay.addressesOf(name);
  // Nothing new is no reason to forget what is known.
  if (addresses.length === 0 || isSameSet(addresses, before)) return;
  try {
    relay.readdress(name, addresses);
  } catch {
    return; // a reload has removed it, or the relay is ending
  }
  const was = before.length > 0 ? ` (was ${before.join(', ')})` : '';
  say(`upstream "${name}": ${host} is ${resolution.addresses.join(', ')}${was}`);
}

const isSameSet = (a: readonly string[], b: readonly string[]) =>
  a.length === b.length && a.every((one) => b.includes(one));

/** @returns what ends it. */
export function watchNames(relay: Readdressed, names: Names): () => void {
  const look = nameWatch(relay, names, say);
  const tick = () => void look(Date.now());
  tick();
  const timer = setInterval(tick, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
