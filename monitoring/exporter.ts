/** Metrics of the exporter: what it read of hosts, router, servers and sets. */
import { Registry } from 'prom-client';
import type { ExporterReading, HostReading } from './exporter-reading.js';
import type { hostMetrics, setMetrics } from './metrics/hosts.js';
import type { routerMetrics } from './metrics/router.js';
import { metrics } from './metrics.js';
import { registerProcess } from './process.js';
import { registerMetrics, type Sample, type Samplers, single } from './register.js';
import { serverSamples } from './server-metrics.js';
import type { RouterState } from './state.js';

type HostKey = keyof typeof hostMetrics;
type RouterKey = keyof typeof routerMetrics;
type OtherKey = 'serverCapturedPackets' | keyof typeof setMetrics;

const flag = (is: boolean) => Number(is);

/** A value for each host that has one. */
const byHost =
  (value: (host: HostReading) => number | undefined) =>
  ({ hosts }: ExporterReading): Sample<'hostUp'>[] =>
    hosts.flatMap((host) => {
      const found = value(host);
      return found === undefined ? [] : [{ labels: { host: host.name }, value: found }];
    });

const hostSamples: Samplers<HostKey, ExporterReading> = {
  hostUp: byHost(({ up }) => flag(up)),
  hostState: ({ hosts }) =>
    hosts.flatMap(({ name, up, state: found }) =>
      up && found !== undefined
        ? metrics.hostState.labels.state.map((state) => ({
            labels: { host: name, state },
            value: flag(state === found),
          }))
        : [],
    ),
  hostDifferences: byHost(({ up, state, differences }) =>
    up && state !== undefined ? differences.length : undefined,
  ),
  hostComparedTimestampSeconds: byHost(({ compared }) => compared),
  hostReadSeconds: byHost(({ readSeconds }) => readSeconds),
  hostReadErrors: byHost(({ errors }) => errors),
  hostLastReadTimestampSeconds: byHost(({ lastRead }) => lastRead),
  keepRunning: byHost(({ up, keep }) => (up && keep ? flag(keep.runs) : undefined)),
  keepRepairs: ({ hosts }) =>
    hosts.flatMap(({ name, keep }) =>
      Object.entries(keep?.repairs ?? {}).map(([kind, value]) => ({
        labels: { host: name, kind },
        value,
      })),
    ),
  keepAlarms: byHost(({ up, keep }) => (up ? keep?.alarms.length : undefined)),
  keepOpen: byHost(({ up, keep }) => (up ? keep?.open.length : undefined)),
};

/** Nothing while the router does not answer. */
const ofRouter =
  <S>(samples: (router: RouterState) => readonly S[]) =>
  ({ router }: ExporterReading): readonly S[] =>
    router === undefined ? [] : samples(router);

const REASONS = {
  full: 'full',
  over_share: 'overShare',
  no_route: 'noRoute',
  no_server: 'noServer',
  none_alive: 'noneAlive',
} as const;

const routerSamples: Samplers<RouterKey, ExporterReading> = {
  routerRulePackets: ofRouter((router) => byRule(router, ({ packets }) => packets)),
  routerRuleBytes: ofRouter((router) => byRule(router, ({ bytes }) => bytes)),
  routerSteeredPackets: ofRouter(({ steered }) => single(steered.packets)),
  routerSteeredBytes: ofRouter(({ steered }) => single(steered.bytes)),
  routerOnFailurePackets: ofRouter(({ onFailure }) =>
    metrics.routerOnFailurePackets.labels.reason.flatMap((reason) => {
      const value = onFailure[REASONS[reason]];
      return value === undefined ? [] : [{ labels: { reason }, value }];
    }),
  ),
  routerGuardPackets: ofRouter(({ guards }) => entriesOf(guards, (guard) => ({ guard }))),
  routerFlows: ofRouter(({ flows }) => entriesOf(flows.parts, (table) => ({ table }))),
  routerFlowsLimit: ofRouter(({ flows: { limit, parts } }) =>
    single(limit / Math.max(1, Object.keys(parts).length)),
  ),
  routerClientsOverShare: ofRouter(({ flows }) => single(flows.clientsOverShare)),
  routerSetElements: ofRouter(({ sets }) =>
    sets.flatMap(({ set, family, elements }) =>
      elements === undefined ? [] : [{ labels: { set, family }, value: elements }],
    ),
  ),
  routerNextHopReachable: ofRouter(({ nextHops }) =>
    nextHops.flatMap(({ server, family, reachable }) =>
      reachable === undefined ? [] : [{ labels: { server, family }, value: flag(reachable) }],
    ),
  ),
  routerRoutePresent: ofRouter(({ nextHops }) =>
    nextHops.map(({ server, family, route }) => ({
      labels: { server, family },
      value: flag(route),
    })),
  ),
  routerIcmpRedirectsDropped: ofRouter(({ redirectsDropped }) => single(redirectsDropped)),
  routerMartianPackets: ofRouter(({ martians }) =>
    martians === undefined
      ? []
      : metrics.routerMartianPackets.labels.direction.map((direction) => ({
          labels: { direction },
          value: martians[direction],
        })),
  ),
  routerReversePathFilteredPackets: ofRouter(({ reversePathFiltered }) =>
    single(reversePathFiltered),
  ),
  routerConntrackEntries: ofRouter(({ conntrack }) => single(conntrack?.entries)),
  routerConntrackLimit: ofRouter(({ conntrack }) => single(conntrack?.limit)),
  routerInterfaceBytes: ofRouter(({ interfaces }) =>
    interfaces.flatMap(({ name, ...bytes }) =>
      metrics.routerInterfaceBytes.labels.direction.map((direction) => ({
        labels: { interface: name, direction },
        value: bytes[direction],
      })),
    ),
  ),
  routerClassifierInfo: ofRouter(({ classifier: { kind, forwarding } }) => {
    const { labels } = metrics.routerClassifierInfo;
    const classifier = labels.classifier.find((one) => one === kind);
    const way = labels.forwarding.find((one) => one === forwarding);
    if (classifier === undefined || way === undefined) return [];
    return [{ labels: { classifier, forwarding: way }, value: 1 }];
  }),
  routerClassifierEvents: ofRouter(({ classifier: { events = {} } }) =>
    entriesOf(events, (event) => ({ event })),
  ),
};

function byRule(
  { rules }: RouterState,
  value: (rule: RouterState['rules'][number]) => number | undefined,
) {
  return rules.flatMap((one) => {
    const action = metrics.routerRulePackets.labels.action.find((name) => name === one.action);
    const found = value(one);
    if (action === undefined || found === undefined) return [];
    return [{ labels: { rule: one.rule, action }, value: found }];
  });
}

const entriesOf = <L>(counts: Readonly<Record<string, number>>, labels: (name: string) => L) =>
  Object.entries(counts).map(([name, value]) => ({ labels: labels(name), value }));

const otherSamples: Samplers<OtherKey, ExporterReading> = {
  serverCapturedPackets: ({ servers }) =>
    servers.map(({ name, captured }) => ({ labels: { server: name }, value: captured })),
  setFileTimestampSeconds: ({ sets }) =>
    sets.flatMap(({ set, fileTime }) =>
      fileTime === undefined ? [] : [{ labels: { set }, value: fileTime }],
    ),
  setEntries: ({ sets }) =>
    sets.flatMap(({ set, family, entries }) =>
      entries === undefined ? [] : [{ labels: { set, family }, value: entries }],
    ),
  listEntries: ({ lists }) =>
    lists.flatMap(({ set, entries }) =>
      entries === undefined ? [] : [{ labels: { set }, value: entries }],
    ),
  listLastSuccessTimestampSeconds: ({ lists }) =>
    lists.flatMap(({ set, checked }) =>
      checked === undefined ? [] : [{ labels: { set }, value: checked }],
    ),
  listRefreshSeconds: ({ lists }) =>
    lists.map(({ set, refreshSeconds }) => ({ labels: { set }, value: refreshSeconds })),
  listFailures: ({ lists }) =>
    lists.map(({ set, failures }) => ({ labels: { set }, value: failures })),
  listFailing: ({ lists }) =>
    lists.flatMap(({ set, reason: why }) => {
      const reason = metrics.listFailing.labels.reason.find((one) => one === why);
      return reason === undefined ? [] : [{ labels: { set, reason }, value: 1 }];
    }),
};

/**
 * @param read of all hosts; called once for a scrape.
 * @param serves it is this process that is scraped: a text file is another program's, which has such metrics itself
 */
export function exporterRegistry(
  read: () => Promise<ExporterReading>,
  versions: { version: string; node: string },
  { serves }: { serves: boolean },
): Registry {
  const registry = new Registry();
  registerMetrics(
    registry,
    { ...hostSamples, ...routerSamples, ...serverSamples, ...otherSamples },
    read,
  );
  if (serves) registerProcess(registry, versions.version);
  else
    registerMetrics(
      registry,
      {
        buildInfo: (labels: typeof versions) => [
          { labels: { ...labels, congestion_client: '', congestion_upstream: '' }, value: 1 },
        ],
      },
      () => versions,
    );
  return registry;
}
