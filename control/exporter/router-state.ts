/** What the router answered, as pages and metrics show it. Pure, but for the sums that it carries on. */
import { events, outcomes } from '../../bpf/abi.js';
import type { ClassifierCounters } from '../../bpf/report.js';
import type { RouterState, ServerHealthState } from '../../monitoring/state.js';
import { classifierCounters } from '../apply/rule-counters.js';
import { knownServers, type ShownTarget, serverStates, serversIn } from '../apply/server-health.js';
import type { Config } from '../config/config.js';
import { intervalsOf } from '../nft/address-intervals.js';
import type { CountedRule } from '../nft/counted-rules.js';
import type { NftSet } from '../nft/json.js';
import type { TableListing } from '../nft/listing.js';
import { ruleComment } from '../nft/rules.js';
import { hopsOf } from '../plan/hops.js';
import { MAIN_TABLE, type ObservedHost } from '../plan/state.js';
import type { Policy } from '../policy/rule.js';
import { Counters } from './counters.js';
import { type FlowCounts, flowsOf, flowsOfTarget } from './flows.js';
import type { HostAnswers, RouterAnswers } from './questions.js';
import type { Sums } from './resets.js';
import type { ServerWatch } from './server-watch.js';

/** A file behind a set of the configuration. */
export interface SetFile {
  set: string;
  /** Intervals of each family. */
  entries: Readonly<Record<4 | 6, number>>;
  /** Unix time. */
  fileTime?: number;
}

export interface RouterSource {
  config: Config;
  policy: Policy;
  /** What the policy's sets should hold. */
  sets: readonly NftSet[];
  files: readonly SetFile[];
  /** The router when all of it was read last. */
  observed: ObservedHost | undefined;
  /** The flow table when it was counted last. */
  flows: FlowCounts | undefined;
  targets: readonly ShownTarget[];
  /** Unix time of the reading. */
  at: number;
}

/** @param watch what readings before this one have seen of the servers. */
export function routerState(
  source: RouterSource,
  answers: HostAnswers,
  sums: Sums,
  watch: ServerWatch,
): RouterState {
  const { config, policy, observed, flows } = source;
  const router: RouterAnswers = answers.router ?? { nextHops: [] };
  const { counters: judged, martians, reversePath, nextHops } = router;
  const counters = new Counters(
    sums,
    answers.rules?.rules ?? [],
    judged && classifierCounters(judged, config.onFailure),
  );
  const redirects = counters.sum('redirects', ['icmp redirect', 'icmpv6 redirect']);
  return {
    classifier: {
      kind: config.router.classifier,
      forwarding: config.router.forwarding,
      attached: attachPoints(observed),
      ...(judged && { events: eventsOf(judged) }),
    },
    rules: [
      ...policy.rules.map(({ name, action }) => ({
        ...{ rule: name, action, comment: ruleComment(name) },
        ...namedServers(config, name),
      })),
      { rule: 'default', action: policy.default, comment: 'default' },
    ].flatMap(({ comment, ...rule }) => {
      const count = counters.sum(comment, [comment]);
      return count ? [{ ...rule, ...count }] : [];
    }),
    ...counters.steeredAndRefused(),
    guards: counters.guards(),
    flows: flowsOf(config, flows),
    sets: setStates(source),
    nextHops: nextHops.map(({ family, ...hop }) => ({ ...hop, family: `ipv${family}` as const })),
    servers: watch.next(source.at, serversOf(source, answers, counters)),
    interfaces: shownInterfaces(source, router),
    ...conntrack(router),
    ...(redirects && { redirectsDropped: redirects.packets }),
    ...(martians && { martians }),
    ...(reversePath !== undefined && { reversePathFiltered: reversePath }),
  };
}

/** The servers that a rule names; a rule for all of them names none. */
function namedServers({ rules }: Config, rule: string): { servers?: string[] } {
  const servers = rules.find(({ name }) => name === rule)?.servers;
  return servers === undefined ? {} : { servers: [...servers] };
}

function serversOf(
  { targets, flows, at }: RouterSource,
  { rules, router }: HostAnswers,
  counters: Counters,
): ServerHealthState[] {
  const { healthSets: sets = [], counters: judged, nextHops = [] } = router ?? {};
  const known = knownServers({
    targets,
    listing: { sets, chains: [{ name: '', rules: (rules?.rules ?? []).map(listedRule) }] },
    servers: serversIn(judged),
  });
  const isAlone = targets.length === 1;
  return serverStates(targets, known, {
    at,
    hasRoute: (server, family) =>
      nextHops.some((hop) => hop.server === server && hop.family === family && hop.route),
    countsOf: ({ number }) => ({
      // The eBPF classifier does not count them apart.
      ...(judged === undefined
        ? counters.ofTarget(number)
        : isAlone && { steered: counters.sum('steered', ['steered']) }),
      flows: flowsOfTarget(number, flows, isAlone),
    }),
  });
}

const listedRule = ({ comment, packets, bytes }: CountedRule) => ({
  ...{ comment, packets, bytes },
  expr: [],
});

/** By name: what another version counts besides is not known here. */
function eventsOf({
  outcomes: counted,
  events: happened,
}: ClassifierCounters): Record<string, number> {
  const packets = outcomes.flatMap((name) => {
    const count = counted[name];
    return count === undefined ? [] : [[name, count.packets] as const];
  });
  const times = events.flatMap((name) => {
    const count = happened[name];
    return count === undefined ? [] : [[name, count] as const];
  });
  return Object.fromEntries([...packets, ...times]);
}

function attachPoints(observed: ObservedHost | undefined): RouterState['classifier']['attached'] {
  const { interfaces = [], xdp = [] } = observed?.classifier ?? {};
  return [
    ...interfaces.map(({ name, filter }) => ({ interface: name, state: filter })),
    ...xdp.map(({ name, mode }) => ({ interface: name, state: `XDP ${mode}` })),
  ];
}

/** The policy's set of nft of a set of the configuration; where rules look into several at once, they have one of their own. */
const nftSetOf = (set: string, family: 4 | 6) => `set_${set}_${family}`;

export function setStates({
  files,
  sets,
  observed,
}: Pick<RouterSource, 'files' | 'sets' | 'observed'>): RouterState['sets'] {
  return files.flatMap(({ set, entries, fileTime }) =>
    ([4, 6] as const).flatMap((family) => {
      const elements = elementsOf(nftSetOf(set, family), sets, observed?.listing);
      if (entries[family] === 0 && elements === undefined) return [];
      return [
        {
          set,
          family: `ipv${family}` as const,
          entries: entries[family],
          ...(elements !== undefined && { elements }),
          ...(fileTime !== undefined && { fileTime }),
        },
      ];
    }),
  );
}

/** Of a set that was told by its digest it is what we want. */
function elementsOf(
  name: string,
  wanted: readonly NftSet[],
  listing: TableListing | undefined,
): number | undefined {
  const listed = listing?.sets.find((set) => set.name === name);
  if (listed === undefined) return undefined;
  if (listed.digest === undefined) return listed.elements.length;
  const set = wanted.find((one) => one.name === name);
  return set && intervalsOf(set)?.starts.length;
}

/** Those of clients, and those of default routes: a router may have hundreds of others. */
function shownInterfaces(
  { config, observed }: RouterSource,
  { interfaces = [] }: RouterAnswers,
): RouterState['interfaces'] {
  const uplinks = (observed?.routes ?? [])
    .filter(({ destination, table }) => destination === 'default' && table === MAIN_TABLE)
    .flatMap((route) => hopsOf(route).flatMap(({ dev }) => dev ?? []));
  const shown = new Set([...config.router.interfaces, ...uplinks]);
  return interfaces.filter(({ name }) => shown.has(name));
}

function conntrack({ conntrackEntries: entries, conntrackLimit: limit }: RouterAnswers) {
  return entries === undefined || limit === undefined ? {} : { conntrack: { entries, limit } };
}
