/** How the hosts are: in line with the configuration or not, and what the counters say. */
import type { ClassifierState } from '../../bpf/report.js';
import { FAMILY_STATES, HEARTBEAT_REASONS, type ServerHealth } from '../../bpf/server-health.js';
import type { ServerHealthState } from '../../monitoring/state.js';
import type { Config, ServerConfig } from '../config/config.js';
import type { Diagnostic } from '../config/diagnostic.js';
import { addressOf } from '../hosts/connect.js';
import { ask } from '../hosts/host.js';
import { type KeepState, keepStateQuery } from '../keep/state.js';
import type { ObservedHost } from '../plan/state.js';
import type { Step } from '../plan/step.js';
import { targetsOf } from '../plan/targets.js';
import { readCounters } from './classifier.js';
import { congestionOn } from './congestion.js';
import { type Deployment, type HostSurvey, surveyDeployment } from './deployment.js';
import { type FlowTableStatus, flowTableWarnings, readFlowTable } from './flow-table.js';
import { halfOpenWarnings } from './half-open.js';
import { ROUTER } from './macs.js';
import { type Persistence, persistence } from './persist.js';
import {
  classifierCounters,
  type RuleCounter,
  ruleCounters,
  sortCounters,
} from './rule-counters.js';
import { healthSetsQuery, knownServers, serverStates, serversIn } from './server-health.js';

export type AttachPoints = Pick<ClassifierState, 'interfaces' | 'xdp'>;

export interface HostStatus {
  name: string;
  address: string;
  /**
   * `absent`: nothing of ours is there. `drifted`: apply would change something, or `problems` says
   * what it cannot. `unfit`: apply would refuse, for what `problems` says.
   */
  state: 'in-sync' | 'drifted' | 'absent' | 'unfit';
  /** Titles of the steps that apply would take. */
  differences: string[];
  /** Why the host is not, or cannot be, as configured, where no step would mend it. */
  problems: readonly Diagnostic[];
  counters: RuleCounter[];
  /** Entries of the flow table; router only. */
  flows?: number;
  /** Clients that were over their share of it in the last ten minutes; router only. */
  overShare?: string[];
  /** Congestion control of both legs, in words; of a server with our relay. */
  congestion?: string;
  /** Where the eBPF classifier sits; absent where nftables classifies. */
  classifier?: AttachPoints;
  /** Whether the next boot brings it back; absent for a network namespace. */
  persistence?: Persistence;
  /** What it knows of the servers; router only, and absent where nothing of ours is there. */
  servers?: JudgedServer[];
  /** What its watcher has done; absent where none has run since the host was started. */
  keep?: KeepState;
}

/** With what the configuration says of it. */
export interface JudgedServer extends ServerHealth {
  weight: number;
  backup: boolean;
}

export interface DeploymentStatus {
  hosts: HostStatus[];
  /** The same servers, in the shape of the pages. */
  servers: ServerHealthState[];
  /** What keeps the configured state from working: nothing listens, the router does not forward. */
  warnings: Diagnostic[];
}

export async function deploymentStatus(deployment: Deployment): Promise<DeploymentStatus> {
  const hosts = await surveyDeployment(deployment);
  const router = hosts.find(({ name }) => name === ROUTER);
  const flowTable = router && (await readFlowTable(deployment.hosts.get(ROUTER)!, router.observed));
  const statuses = await Promise.all(
    hosts.map((host) => hostStatus(deployment, host, host.name === ROUTER ? flowTable : undefined)),
  );
  const alarms = flowTable ? flowTableWarnings(deployment.config, flowTable) : [];
  const halfOpen = await Promise.all(deployment.config.servers.map(halfOpenOn(deployment)));
  const judged = router && (await judgedServers(deployment, router));
  const warnings = [
    ...hosts.flatMap((one) => one.warnings),
    ...alarms,
    ...halfOpen.flat(),
    ...idleServers(deployment.config, judged?.states ?? []),
  ];
  const withServers = statuses.map((one) =>
    one.name === ROUTER && judged ? { ...one, servers: judged.known } : one,
  );
  return {
    hosts: [...missedServers(deployment), ...withServers],
    servers: judged?.states ?? [],
    warnings,
  };
}

/** What is to be said of those that could not be asked. */
function missedServers({ config, missed = new Map() }: Deployment): HostStatus[] {
  return [...missed].map(([name, { message, hint }]): HostStatus => {
    const index = config.servers.findIndex((server) => server.name === name);
    const found = { ...config.positionOf(['servers', index, 'host']), message, hint };
    const address = addressOf(config.servers[index]!.host);
    return {
      ...{ name, address, state: 'unfit', differences: [], counters: [] },
      problems: [{ ...found, hint: hint ?? `see whether ${name} is on` }],
    };
  });
}

async function judgedServers(
  { config, hosts }: Deployment,
  { observed }: HostSurvey,
): Promise<{ known: JudgedServer[]; states: ServerHealthState[] } | undefined> {
  const { listing, classifier, routes } = observed;
  if (listing === undefined && classifier === undefined) return undefined;
  const { sets } = await ask(hosts.get(ROUTER)!, { sets: healthSetsQuery(config) });
  const targets = targetsOf(config, observed);
  const known = knownServers({
    targets,
    listing: { sets, chains: listing?.chains ?? [] },
    servers: serversIn(classifier),
  });
  const tables = new Map(targets.map(({ name, table }) => [name, table.id]));
  const states = serverStates(targets, known, {
    at: Date.now() / 1000,
    hasRoute: (server, family) =>
      routes.some(
        (route) =>
          route.table === tables.get(server) &&
          route.family === family &&
          route.destination === 'default' &&
          route.type === 'unicast' &&
          route.dead !== true,
      ),
  });
  const withTargets = targets.flatMap(({ name, weight, backup }) => {
    const one = known.find(({ server }) => server === name);
    const state = states.find(({ server }) => server === name);
    if (one === undefined || state === undefined) return [];
    return [{ ...one, families: familiesOfState(state), weight, backup }];
  });
  return { known: withTargets, states };
}

/** What is judged by its route, or not at all, has a state here, too. */
function familiesOfState({
  families: { ipv4, ipv6 },
}: ServerHealthState): ServerHealth['families'] {
  const known = (state: string | undefined) => FAMILY_STATES.find((one) => one === state);
  const [v4, v6] = [known(ipv4?.state), known(ipv6?.state)];
  return { ...(v4 && { 4: v4 }), ...(v6 && { 6: v6 }) };
}

const TAKES_FLOWS = new Set<string>(['alive', 'held', 'rising']);

const isReason = (word: string | undefined): word is keyof typeof HEARTBEAT_REASONS =>
  word !== undefined && Object.hasOwn(HEARTBEAT_REASONS, word);

/** Servers that should have new connections, and have none. */
function idleServers(config: Config, states: readonly ServerHealthState[]): Diagnostic[] {
  return states.flatMap(({ server, health, drained, families, reason, lastHeard }) => {
    const index = config.servers.findIndex(({ name }) => name === server);
    const isIdle = !Object.values(families).some(({ state }) => TAKES_FLOWS.has(state));
    if (health !== 'heartbeat' || drained || index < 0 || !isIdle) return [];
    const isSilent = Object.values(families).every(({ state }) => state !== 'unfit');
    const why =
      lastHeard === undefined
        ? 'the router has not heard its heartbeat yet'
        : isSilent || !isReason(reason)
          ? 'its heartbeats have stopped'
          : `it says that ${HEARTBEAT_REASONS[reason]}`;
    return [
      {
        ...config.positionOf(['servers', index]),
        message: `${server} is given no new connections: ${why}`,
        hint: isSilent
          ? `see whether ${server} is on and its relay runs: sidetrack status --only ${server}`
          : `look at its relay: sidetrack status --only ${server}`,
      },
    ];
  });
}

const halfOpenOn =
  ({ config, hosts }: Deployment) =>
  async (server: ServerConfig) => {
    const host = hosts.get(server.name);
    return host ? halfOpenWarnings(host, config, server) : [];
  };

async function congestionOf({ config, hosts }: Deployment, name: string) {
  const server = config.servers.find((one) => one.name === name);
  const host = hosts.get(name);
  return server && host && congestionOn(host, config, server);
}

async function hostStatus(
  deployment: Deployment,
  survey: HostSurvey,
  flowTable?: FlowTableStatus,
): Promise<HostStatus> {
  const { name, observed } = survey;
  const congestion = await congestionOf(deployment, name);
  const kept = persistence(observed, survey.plan?.steps);
  const { keep } = await ask(hostOf(deployment, name), { keep: keepStateQuery(observed) });
  return {
    name,
    address: observed.address,
    ...judgement(survey),
    ...(kept && { persistence: kept }),
    counters: await countersOf(deployment, name, observed),
    ...(congestion !== undefined && { congestion }),
    ...(flowTable && { flows: flowTable.flows, overShare: flowTable.overShare }),
    ...(observed.classifier && { classifier: attachPoints(observed.classifier) }),
    ...(keep && { keep }),
  };
}

const hostOf = ({ hosts }: Deployment, name: string) => hosts.get(name)!;

export type Judgement = Pick<HostStatus, 'state' | 'differences' | 'problems'>;

/** How a host is, as far as its plan says it. */
export function judgement({ observed, plan, problems, bypasses }: HostSurvey): Judgement {
  const steps = plan?.steps.filter(matters) ?? [];
  return {
    state: plan ? stateOf(observed, steps.length + bypasses.length) : 'unfit',
    differences: steps.map(({ title }) => title),
    problems: [...problems, ...bypasses],
  };
}

/** What no packet depends on is no drift: where it cannot be had, it would be one for ever. */
const matters = ({ optional }: Step) => !optional;

function attachPoints({ interfaces, xdp }: ClassifierState): AttachPoints {
  return { interfaces, ...(xdp && { xdp }) };
}

async function countersOf(
  { config, hosts }: Deployment,
  name: string,
  { listing, classifier }: ObservedHost,
): Promise<RuleCounter[]> {
  const own = listing ? ruleCounters(listing) : [];
  if (classifier === undefined) return own;
  const counted = await readCounters(hosts.get(name)!);
  if (counted === undefined) return own;
  return sortCounters([...classifierCounters(counted, config.onFailure), ...own]);
}

/** What has been flushed, or taken down in part, is not absent: it is still written down. */
function stateOf({ listing, classifier, saved }: ObservedHost, steps: number): HostStatus['state'] {
  if (listing === undefined && classifier === undefined && saved === undefined) return 'absent';
  return steps === 0 ? 'in-sync' : 'drifted';
}
