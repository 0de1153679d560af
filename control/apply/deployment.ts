/** The two machines as one: observe, check, plan, apply, take down. */

import type { Config } from '../config/config.js';
import { ConfigError, type Diagnostic } from '../config/diagnostic.js';
import { SidetrackError } from '../error.js';
import { addressOf, connect, type HostLocation } from '../hosts/connect.js';
import type { Host, Session } from '../hosts/host.js';
import type { NftSet } from '../nft/json.js';
import { policySets } from '../nft/policy-sets.js';
import { changeWarnings } from '../plan/change-check.js';
import type { ManagementFindings } from '../plan/management-check.js';
import { checkPersist } from '../plan/persist-check.js';
import { checkRouter, checkServer, type Findings } from '../plan/preflight.js';
import type { RelayOffer } from '../plan/relay-check.js';
import { routerState } from '../plan/router.js';
import { unreadRuleset } from '../plan/ruleset-check.js';
import { serverState } from '../plan/server.js';
import type { DrainRequest, HostState, ObservedHost } from '../plan/state.js';
import type { Step } from '../plan/step.js';
import type { Policy } from '../policy/rule.js';
import { isOurs } from '../resources/persist-query.js';
import { isUnsaved } from '../resources/saved-parts.js';
import { type HostChanges, hostChanges, removalSteps } from '../resources/steps.js';
import { bundleOf } from './bundle.js';
import { type ApplyOptions, carryOut } from './carry-out.js';
import { dryRun } from './classifier.js';
import { type ExecuteOptions, executeAll } from './execute.js';
import { type FreshKeys, freshKeys, heartbeatsOf, unknownKey } from './heartbeat-keys.js';
import { withIdleTargets } from './leaving.js';
import { loaderNeed, loaderProblems } from './loader.js';
import { withLock } from './lock.js';
import { ROUTER, resolveMacs, routerMacs, serverMacs } from './macs.js';
import { managementFindings } from './management.js';
import { observedIn, observeHost, questionsTo } from './observe.js';
import { isForBoot, persistHosts, withPersist } from './persist.js';
import type { Place, Places } from './place.js';
import { forgetChanges, recovered } from './recover.js';

/** A configuration and the hosts of it that this run acts on. */
export interface Deployment {
  config: Config;
  policy: Policy;
  /** Servers first, the router last: nothing is sent to a server that is not ready. */
  hosts: ReadonlyMap<string, Host>;
  /** What could be, or is to be, installed on a server. */
  offer?: RelayOffer;
  /** What this run changes of who gets new flows. */
  drain?: DrainRequest;
  /** Servers that could not be reached, where a run goes on without them; why, by name. */
  missed?: ReadonlyMap<string, SidetrackError>;
  /** Whether the next boot is to bring hosts back; absent: those that it does already. */
  persist?: boolean;
  /** For servers that have no key for heartbeats yet; secrets. */
  freshKeys: FreshKeys;
}

/** What to do on one host. */
export interface HostPlan extends HostChanges {
  name: string;
  observed: ObservedHost;
  desired: HostState;
}

export interface DeploymentPlan {
  hosts: HostPlan[];
  warnings: Diagnostic[];
}

type Located = readonly [name: string, location: HostLocation];

export interface OpenOptions {
  /** Name of the one host to act on (`router`, `server1`); all when absent. */
  only?: string | undefined;
  offer?: RelayOffer;
  persist?: boolean | undefined;
  /** Whether servers that cannot be reached are left out, and are `missed`. */
  missesServers?: boolean;
}

export async function openDeployment(
  config: Config,
  policy: Policy,
  { only, offer = {}, missesServers = false, persist }: OpenOptions = {},
): Promise<Deployment> {
  const locations: Located[] = [
    ...config.servers.map(({ name, host }): Located => [name, host]),
    [ROUTER, config.router.host],
  ];
  const chosen = locations.filter(([name]) => only === undefined || name === only);
  if (chosen.length === 0)
    throw new SidetrackError(`there is no host "${only}" in ${config.file}`, {
      code: 'no-such-host',
      source: 'user',
      hint: `choose one of ${locations.map(([name]) => name).join(', ')}`,
    });
  assertDistinct(config, new Map(chosen.map(([name, location]) => [name, addressOf(location)])));
  const missed = new Map<string, SidetrackError>();
  const opened = await Promise.all(
    chosen.map(async ([name, location]) => {
      try {
        return [[name, await connect(location, { loader: loaderNeed(config, name) })] as const];
      } catch (error) {
        const isMissed = missesServers && name !== ROUTER && chosen.length > 1;
        if (!isMissed || !(error instanceof SidetrackError)) throw error;
        missed.set(name, error);
        return [];
      }
    }),
  );
  const hosts = new Map(opened.flat());
  assertDistinct(
    config,
    new Map([...hosts].map(([name, { identity }]) => [name, identity])),
    hosts,
  );
  const asked = persist === undefined ? {} : { persist };
  return { config, policy, offer, hosts, missed, freshKeys: freshKeys(config), ...asked };
}

/**
 * Two names, or a name and an address, may lead to one machine, which only the machine says.
 * @param places by name of the host: what two that are one have in common
 */
function assertDistinct(
  config: Config,
  places: ReadonlyMap<string, string | undefined>,
  hosts?: ReadonlyMap<string, Host>,
): void {
  const addressIn = (name: string) => hosts?.get(name)?.address ?? places.get(name);
  const same = config.servers.flatMap(({ name }, index) => {
    const own = places.get(name);
    // The router is the last of them.
    const [other] = [...places]
      .filter(([one, place]) => own !== undefined && one !== name && place === own)
      .slice(-1)
      .map(([one]) => one);
    if (other === undefined) return [];
    const addresses = [...new Set([addressIn(other), addressIn(name)])].join(' and ');
    return {
      ...config.positionOf(['servers', index, 'host']),
      message: `${other} and ${name} are the same host (${addresses})`,
      hint: addresses.includes('ssh://')
        ? 'write the address of the other machine'
        : `on one run \`sidetrack apply --only ${other}\`, on the other \`sidetrack apply --only ${name}\``,
    };
  });
  if (same.length > 0) throw new ConfigError(same);
}

/**
 * @param places of hosts whose locks are held: what an interrupted change left there is put back first
 * @throws ConfigError with every finding, when a host cannot take the configuration.
 */
export async function planDeployment(
  deployment: Deployment,
  places?: Places,
): Promise<DeploymentPlan> {
  const hosts = await surveyDeployment(deployment, places);
  const warnings = hosts.flatMap((host) => [...host.bypasses, ...host.warnings]);
  const problems = hosts.flatMap((host) => host.problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return { hosts: hosts.flatMap(({ plan }) => (plan ? [plan] : [])), warnings };
}

/** A host as found, and what is to be done there, unless that cannot be done. */
export interface HostSurvey {
  name: string;
  observed: ObservedHost;
  /** Absent where there are problems. */
  plan?: HostPlan;
  problems: readonly Diagnostic[];
  /** What our rules do not get there, which no step mends. */
  bypasses: readonly Diagnostic[];
  warnings: readonly Diagnostic[];
}

/** Plans as far as that goes: what is wrong on one host hides nothing of the other. */
export async function surveyDeployment(
  deployment: Deployment,
  places?: Places,
): Promise<HostSurvey[]> {
  const observed = await withTargets(
    deployment,
    await resolveMacs(deployment, await observeAll(deployment, places)),
  );
  const hosts = surveyObserved(deployment, observed);
  for (const { name, plan } of hosts)
    for (const command of plan?.dryRuns ?? []) await dryRun(hostNamed(deployment, name), command);
  return hosts;
}

/** With what the plan has to know of servers that leave, and of the one that is to be drained. */
async function withTargets(
  { config, hosts, drain }: Deployment,
  observed: Map<string, ObservedHost>,
): Promise<Map<string, ObservedHost>> {
  const router = observed.get(ROUTER);
  if (router === undefined) return observed;
  const known = await withIdleTargets(hosts.get(ROUTER)!, config, router);
  return new Map([...observed, [ROUTER, { ...known, ...(drain && { drain }) }]]);
}

/** The same of hosts that have been asked already; nothing is tried there. */
export function surveyObserved(
  deployment: Deployment,
  observed: Map<string, ObservedHost>,
): HostSurvey[] {
  const surveyed = [...observed.keys()].map((name) => surveyHost(deployment, observed, name));
  const found = managementFindings(deployment, surveyed);
  return surveyed.map((host) => withFindings(host, found(host.name)));
}

function surveyHost(
  deployment: Deployment,
  all: Map<string, ObservedHost>,
  name: string,
): HostSurvey {
  const observed = all.get(name)!;
  const found = checkHost(deployment, all, name);
  const { config } = deployment;
  const { bypasses } = found;
  const errors = [...found.errors, ...loaderProblems(config, name, hostNamed(deployment, name))];
  const warnings = [
    ...changeWarnings(config, name, observed),
    ...unreadRuleset(config, name, observed),
    ...unknownKey(deployment, all, name),
    ...found.warnings,
  ];
  if (errors.length > 0) return { name, observed, problems: errors, bypasses, warnings };
  try {
    const { persist: asked } = deployment;
    const desired = withPersist(desiredState(deployment, all, name), observed, asked);
    const boot = checkPersist(config, desired, observed, asked === true, isOurs);
    warnings.push(...boot.warnings);
    if (boot.errors.length > 0)
      return { name, observed, problems: boot.errors, bypasses, warnings };
    const plan = { name, observed, desired, ...hostChanges(desired, observed) };
    return { name, observed, plan, problems: [], bypasses, warnings };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { name, observed, problems: error.diagnostics, bypasses, warnings };
  }
}

/** Found once all hosts have been planned. */
function withFindings(host: HostSurvey, { errors, warnings }: ManagementFindings): HostSurvey {
  const { plan, ...rest } = host;
  return {
    ...rest,
    ...(plan && errors.length === 0 && { plan }),
    problems: [...host.problems, ...errors],
    warnings: [...host.warnings, ...warnings],
  };
}

async function observeAll(
  deployment: Deployment,
  places?: Places,
): Promise<Map<string, ObservedHost>> {
  const entries = [...deployment.hosts].map(async ([name, host]) => {
    const wanted = wantedSets(deployment, name);
    const place = places?.get(name);
    const observed = place
      ? await recovered(place, observedIn(host, place.session.answers, wanted), wanted)
      : await observeHost(host, wanted);
    return [name, observed] as const;
  });
  return new Map(await Promise.all(entries));
}

/** What `questionsTo` is told: the sets of which a host need not send the elements. */
export function wantedSets(
  { config, policy }: Pick<Deployment, 'config' | 'policy'>,
  name: string,
): readonly NftSet[] | undefined {
  const judges = config.router.classifier === 'nftables';
  return judges && name === ROUTER ? policySets(policy) : undefined;
}

function checkHost(
  { config, offer }: Deployment,
  all: ReadonlyMap<string, ObservedHost>,
  name: string,
): Findings {
  const server = config.servers.find((one) => one.name === name);
  const host = all.get(name)!;
  if (server) return checkServer(config, server, host, offer);
  return checkRouter(config, host, all);
}

function desiredState(
  { config, policy, offer, hosts, freshKeys: fresh }: Deployment,
  observed: Map<string, ObservedHost>,
  name: string,
): HostState {
  const server = config.servers.find((one) => one.name === name);
  const host = observed.get(name)!;
  const loader = hosts.get(name)?.loader;
  if (server) {
    const macs = routerMacs(config, server, observed);
    return serverState({
      ...{ config, server, host, routerMacs: macs, relayPackage: offer?.package },
      router: observed.get(ROUTER),
      freshKey: fresh.get(name)!,
    });
  }
  return routerState({
    ...{ config, policy, router: host, serverMacs: serverMacs(config, observed) },
    heartbeats: heartbeatsOf(config, observed, fresh),
    ...(loader?.kind === 'bundle' && { bundles: { path: loader.command[0], of: bundleOf } }),
  });
}

/**
 * Locks, plans, runs and records. Returns the plan as it was carried out.
 * @param approve throws where the plan is not to be carried out, before anything changes
 */
export async function applyDeployment(
  deployment: Deployment,
  options: ApplyOptions = {},
  approve: (plan: DeploymentPlan) => void = () => {},
): Promise<DeploymentPlan> {
  return withPlaces(deployment, async (places) => {
    const plan = await planDeployment(deployment, places);
    approve(plan);
    const changed = plan.hosts
      .map((host) => ({ ...host, steps: host.steps.filter((step) => !isForBoot(step)) }))
      .filter(({ steps, desired, observed }) => steps.length > 0 || isUnsaved(desired, observed));
    const { skipped, onSkipped } = collectSkipped();
    await carryOut(deployment, places, changed, { ...options, onSkipped });
    await forgetChanges(places, plan.hosts);
    const saved = new Set(changed.map(({ name }) => name));
    await persistHosts(places, plan.hosts, saved, options);
    const hosts = plan.hosts.map((host) => ({
      ...host,
      steps: host.steps.filter((step) => !skipped.has(step)),
    }));
    return { hosts, warnings: [...plan.warnings, ...skippedWarnings(deployment, skipped)] };
  });
}

function collectSkipped() {
  const skipped = new Map<Step, string>();
  return { skipped, onSkipped: (step: Step, reason: string) => void skipped.set(step, reason) };
}

function skippedWarnings(
  { config, hosts }: Deployment,
  skipped: ReadonlyMap<Step, string>,
): Diagnostic[] {
  return [...skipped].map(([{ host, title, optional }, reason]) => ({
    ...config.positionOf(optional!.setting),
    message: `${hosts.get(host)!.address}: could not ${title} (${reason}); nothing depends on it`,
    hint: optional!.hint,
  }));
}

export interface Removal {
  steps: Step[];
  warnings: Diagnostic[];
  /** As they were before. */
  hosts: { name: string; observed: ObservedHost }[];
}

/** The steps that remove everything; the router first, so that nothing is steered into the void. */
export async function planDown(deployment: Deployment, places?: Places): Promise<Removal> {
  const observed = await observeAll(deployment, places);
  const steps = [...observed].reverse().flatMap(([name, host]) => removalSteps(name, host));
  const { config } = deployment;
  const warnings = [...observed].flatMap(([name, host]) => [
    ...changeWarnings(config, name, host),
    ...unreadRuleset(config, name, host),
  ]);
  const hosts = [...observed].map(([name, host]) => ({ name, observed: host }));
  return { steps, warnings, hosts };
}

/** Locks, plans and runs the removal. Returns what was carried out. */
export async function takeDown(
  deployment: Deployment,
  options: ExecuteOptions = {},
): Promise<Removal> {
  return withPlaces(deployment, async (places) => {
    const { steps, warnings, hosts } = await planDown(deployment, places);
    const { skipped, onSkipped } = collectSkipped();
    await executeAll(places, steps, { ...options, onSkipped });
    await forgetChanges(places, hosts);
    return {
      hosts,
      steps: steps.filter((step) => !skipped.has(step)),
      warnings: [...warnings, ...skippedWarnings(deployment, skipped)],
    };
  });
}

function hostNamed({ hosts }: Deployment, name: string): Host {
  return hosts.get(name)!;
}

/** Takes the locks one inside the other, always in the same order; each brings along how its host is. */
function withPlaces<T>(deployment: Deployment, work: (places: Places) => Promise<T>): Promise<T> {
  const held = new Map<string, Place>();
  const withAll = (rest: readonly (readonly [string, Host])[]): Promise<T> => {
    const [first, ...others] = rest;
    if (first === undefined) return work(held);
    const [name, host] = first;
    const inside = (session: Session) => {
      held.set(name, { host, session });
      return withAll(others);
    };
    return withLock(host, inside, questionsTo(host, wantedSets(deployment, name)));
  };
  return withAll([...deployment.hosts]);
}
