/** What moved between two states. Counters are sums since a start; what was started anew begins at nothing. Pure. */
import type { RelayState, RouterState, State } from '../state.js';

/** Bytes a second. */
export interface Ways {
  upload: number;
  download: number;
}

/** Everything a second; what only one of the two states knows is absent. */
export interface Rates {
  /** Seconds between the two. */
  seconds: number;
  relay?: Ways & { opened: number; errors: number };
  upstreams: ReadonlyMap<string, Ways & { opened: number; errors: number }>;
  routes: ReadonlyMap<string, Ways & { opened: number }>;
  clients: ReadonlyMap<string, Ways>;
  /** By number of the rule: packets. */
  rules: readonly (number | undefined)[];
  router?: { steeredPackets: number; steeredBytes?: number };
  interfaces: ReadonlyMap<string, { receive: number; transmit: number }>;
  /** By server: packets that the router handed to it. */
  servers: ReadonlyMap<string, number>;
  /** By server: packets that it took over. */
  captured: ReadonlyMap<string, number>;
  /** By number of the thread: the share of the time in which it was busy. */
  busy: readonly number[];
}

export const sumOf = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((total, one) => total + one, 0);

const NOTHING: Rates = {
  seconds: 0,
  upstreams: new Map(),
  routes: new Map(),
  clients: new Map(),
  rules: [],
  interfaces: new Map(),
  servers: new Map(),
  captured: new Map(),
  busy: [],
};

/** A counter that is smaller than before was begun anew: what it says now has come since then. */
const moved = (now: number, before: number) => (now >= before ? now - before : now);

/** What both lists have, by name. */
function pairs<T, V>(
  now: readonly T[] | undefined,
  before: readonly T[] | undefined,
  name: (one: T) => string,
  value: (one: T, old: T) => V,
): ReadonlyMap<string, V> {
  const earlier = new Map(before?.map((one) => [name(one), one]));
  const found = new Map<string, V>();
  for (const one of now ?? []) {
    const old = earlier.get(name(one));
    if (old !== undefined) found.set(name(one), value(one, old));
  }
  return found;
}

/**
 * Rates from two states of one stream. Without an earlier one, or with the same, there are none.
 * @param last the rates of the state before: hosts are read less often than the relay, and between two
 * readings of one the rates are still those of the reading.
 */
export function ratesOf(now: State, before: State | undefined, last: Rates = NOTHING): Rates {
  const seconds = before === undefined ? 0 : now.at - before.at;
  if (before === undefined || seconds <= 0) return last;
  return {
    ...NOTHING,
    seconds,
    ...ofRelay(now, before, seconds),
    clients: pairs(
      now.clients,
      before.clients,
      ({ address }) => address,
      (a, b) => waysPer(a.bytes, b.bytes, seconds),
    ),
    ...ofRouter(now, before, last),
    captured: ofServers(now, before, last),
  };
}

const per = (now: number, before: number, seconds: number) => moved(now, before) / seconds;

const waysPer = (now: Ways, before: Ways, seconds: number): Ways => ({
  upload: per(now.upload, before.upload, seconds),
  download: per(now.download, before.download, seconds),
});

/** Another process counts from nothing: between the two there is no rate. */
function ofRelay({ relay: now }: State, { relay: before }: State, seconds: number): Partial<Rates> {
  if (now === undefined || before === undefined) return {};
  if (now.pid !== before.pid || now.since !== before.since) return {};
  const named = ({ name }: { name: string }) => name;
  const accepted = ({ connections: { accepted } }: RelayState) => accepted.ipv4 + accepted.ipv6;
  const errors = ({ connections }: RelayState) => sumOf(connections.errors);
  return {
    relay: {
      ...waysPer(now.bytes, before.bytes, seconds),
      opened: per(accepted(now), accepted(before), seconds),
      errors: per(errors(now), errors(before), seconds),
    },
    upstreams: pairs(now.upstreams, before.upstreams, named, (a, b) => ({
      ...waysPer(a.bytes, b.bytes, seconds),
      opened: per(a.connections, b.connections, seconds),
      errors: per(sumOf(a.errors), sumOf(b.errors), seconds),
    })),
    routes: pairs(now.routes, before.routes, named, (a, b) => ({
      ...waysPer(a.bytes, b.bytes, seconds),
      opened: per(a.connections, b.connections, seconds),
    })),
    busy: (now.threads.busy ?? []).flatMap((one, i) => {
      const earlier = before.threads.busy?.[i];
      return earlier === undefined ? [] : [Math.min(per(one, earlier, seconds), 1)];
    }),
  };
}

/** Seconds between the readings of a host that two states show; 0 when both show the same. */
function between(now: State, before: State, host: string): number {
  const read = ({ hosts, at }: State) => hosts?.find(({ name }) => name === host)?.lastRead ?? at;
  return read(now) - read(before);
}

function ofRouter(now: State, before: State, last: Rates): Partial<Rates> {
  const [a, b] = [now.router, before.router];
  if (a === undefined || b === undefined) return {};
  const seconds = between(now, before, 'router');
  if (seconds <= 0) {
    const { rules, router, interfaces, servers } = last;
    return { rules, interfaces, servers, ...(router && { router }) };
  }
  const [bytes, bytesBefore] = [a.steered.bytes, b.steered.bytes];
  return {
    // A rule has no number of its own: one of the same place and words is the same.
    rules: a.rules.map((rule, i) => {
      const old = b.rules[i];
      const same = old?.rule === rule.rule && old.action === rule.action;
      return same ? per(rule.packets, old.packets, seconds) : undefined;
    }),
    router: {
      steeredPackets: per(a.steered.packets, b.steered.packets, seconds),
      ...(bytes !== undefined &&
        bytesBefore !== undefined && { steeredBytes: per(bytes, bytesBefore, seconds) }),
    },
    servers: pairs(
      counted(a),
      counted(b),
      ({ server }) => server,
      (one, old) => per(one.packets, old.packets, seconds),
    ),
    interfaces: pairs(
      a.interfaces,
      b.interfaces,
      ({ name }) => name,
      (one, old) => ({
        receive: per(one.receive, old.receive, seconds),
        transmit: per(one.transmit, old.transmit, seconds),
      }),
    ),
  };
}

/** Servers of which the router counts the packets apart. */
const counted = ({ servers = [] }: RouterState) =>
  servers.flatMap(({ server, steered }) =>
    steered === undefined ? [] : [{ server, packets: steered.packets }],
  );

function ofServers(now: State, before: State, last: Rates): Rates['captured'] {
  const earlier = new Map(before.servers?.map((one) => [one.name, one.captured]));
  const found = new Map<string, number>();
  for (const { name, captured } of now.servers ?? []) {
    const old = earlier.get(name);
    const seconds = between(now, before, name);
    const rate =
      seconds > 0 && old !== undefined ? per(captured, old, seconds) : last.captured.get(name);
    if (rate !== undefined) found.set(name, rate);
  }
  return found;
}
