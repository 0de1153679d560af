/** The way of the traffic as places and hops, with the state of each in a word. Pure; the terminal uses it, too. */
import type { RelayState, RouterState, State, UpstreamState } from '../state.js';
import { formatCount, oneLine, plural } from './format.js';
import { hostStanding, type Place, type Standing } from './place.js';
import type { Rates } from './rates.js';
import { serversOf } from './server-places.js';
import { isAlive } from './servers.js';

/** Bytes a second; absent where nothing counts them. */
export interface Hop {
  upload?: number;
  download?: number;
}

/** From the clients to the Internet; a hop leads from each group of places to the next. */
export interface Topology {
  groups: readonly { places: readonly Place[]; hop?: Hop }[];
}

/** Of more upstreams a count is told. */
const UPSTREAMS_MOST = 6;

export function topologyOf(state: State, rates: Rates): Topology {
  const relayed = rates.relay;
  const steered = rates.router?.steeredBytes;
  const toRouter: Hop = {
    ...(steered !== undefined ? { upload: steered } : relayed && { upload: relayed.upload }),
    ...(relayed && { download: relayed.download }),
  };
  const toServer: Hop = steered !== undefined ? { upload: steered } : {};
  const out: Hop = relayed ? { upload: relayed.upload, download: relayed.download } : {};
  return {
    groups: [
      { places: [clientsOf(state)], hop: toRouter },
      { places: [routerOf(state)], hop: toServer },
      { places: serversOf(state), hop: out },
      { places: upstreamPlaces(state.relay), hop: out },
      { places: [internetOf(state.relay)] },
    ],
  };
}

function clientsOf({ clients, relay }: State): Place {
  const active = clients?.filter((one) => one.active > 0).length;
  const open = relay?.connections.active;
  return {
    key: 'clients',
    kind: 'clients',
    title: 'Clients',
    level: open === undefined ? 'unknown' : 'ok',
    word: active === undefined ? (open === undefined ? 'not known' : 'served') : `${active} active`,
    details: open === undefined ? [] : [plural(open, 'connection')],
  };
}

function routerOf(state: State): Place {
  const host = state.hosts?.find(({ name }) => name === 'router');
  const { router } = state;
  const trouble = host?.up === false ? undefined : handOver(router);
  const standing = trouble ?? hostStanding(host);
  return {
    key: 'router',
    kind: 'router',
    title: 'Router',
    ...standing,
    details: router
      ? [
          `${router.classifier.kind}${router.classifier.kind === 'ebpf' ? ` by ${router.classifier.forwarding}` : ''}`,
          ...(router.flows.entries === undefined ? [] : [plural(router.flows.entries, 'flow')]),
        ]
      : ['sidetrack exporter shows it'],
  };
}

/** What keeps the router from handing flows over: to some servers, or to all of them. */
function handOver(router: RouterState | undefined): Standing | undefined {
  const { nextHops = [], servers = [] } = router ?? {};
  const judged = servers.filter(({ health }) => health === 'heartbeat');
  const usable = judged.filter((one) => isAlive(one) && !one.drained);
  if (judged.length > 0 && judged.length === servers.length && usable.length === 0)
    return { level: 'critical', word: 'no server' };
  const all = new Set(nextHops.map(({ server }) => server));
  const lost = new Set(
    nextHops.filter((one) => one.reachable === false || !one.route).map(({ server }) => server),
  );
  if (lost.size === 0) return undefined;
  if (lost.size === all.size) return { level: 'critical', word: 'cannot hand over' };
  return { level: 'warning', word: `without ${lost.size} of ${all.size} servers` };
}

const FAMILIES = { ipv4: 'IPv4', ipv6: 'IPv6' } as const;

export function upstreamStanding(one: UpstreamState): Standing {
  if (!one.up) return { level: 'critical', word: one.resolved ? 'down' : 'no address' };
  if (one.silent) return { level: 'warning', word: 'silent' };
  if (one.lacking.length > 0)
    return {
      level: 'warning',
      word: `no ${one.lacking.map((family) => FAMILIES[family]).join(', no ')}`,
    };
  return { level: 'ok', word: 'up' };
}

/** Those that are in use or in trouble first. */
function upstreamPlaces(relay: RelayState | undefined): readonly Place[] {
  if (relay === undefined) return [unknownUpstream('its relay has a page of its own')];
  const weight = (one: UpstreamState) => (upstreamStanding(one).level === 'ok' ? 0 : 1);
  const sorted = relay.upstreams.toSorted((a, b) => weight(b) - weight(a) || b.active - a.active);
  const chosen = new Set(sorted.slice(0, UPSTREAMS_MOST));
  const shown = relay.upstreams.filter((one) => chosen.has(one)).map(upstreamPlace);
  const more = relay.upstreams.length - shown.length;
  return more > 0 ? [...shown, unknownUpstream(`and ${more} more`)] : shown;
}

const upstreamPlace = (one: UpstreamState): Place => ({
  key: `upstream ${one.name}`,
  kind: 'upstream',
  title: oneLine(one.name, 40),
  ...upstreamStanding(one),
  details: [
    `${formatCount(one.active)} open`,
    ...(one.reason !== undefined ? [oneLine(one.reason, 40)] : []),
  ],
});

const unknownUpstream = (detail: string): Place => ({
  key: 'upstream',
  kind: 'upstream',
  title: 'Upstreams',
  level: 'unknown',
  word: 'below',
  details: [detail],
});

function internetOf(relay: RelayState | undefined): Place {
  const place = { key: 'internet', kind: 'Internet', title: 'Internet', details: [] };
  if (relay === undefined) return { ...place, level: 'unknown', word: 'not known' };
  const up = relay.upstreams.filter((one) => one.up).length;
  if (up === 0) return { ...place, level: 'critical', word: 'not reached' };
  return up < relay.upstreams.length
    ? { ...place, level: 'warning', word: `by ${up} of ${relay.upstreams.length}` }
    : { ...place, level: 'ok', word: 'reached' };
}
