/** The connections by which the hosts of a run are changed, and what a plan would do to them. */
import type { Config } from '../config/config.js';
import type { Host } from '../hosts/host.js';
import { type Management, parseManagement } from '../plan/management.js';
import { checkManagement, type ManagementFindings } from '../plan/management-check.js';
import type { HostState, ObservedHost } from '../plan/state.js';
import type { Policy } from '../policy/rule.js';

interface Run {
  config: Config;
  policy: Policy;
  hosts: ReadonlyMap<string, Host>;
}

interface Surveyed {
  name: string;
  observed: ObservedHost;
  plan?: { desired: HostState };
}

const NOTHING: ManagementFindings = { errors: [], warnings: [] };

/** @returns by host; what cuts nobody but a person at the host itself is no error. */
export function managementFindings(
  { config, policy, hosts }: Run,
  surveyed: readonly Surveyed[],
): (name: string) => ManagementFindings {
  const managed = surveyed.map(({ name, observed, plan }) => {
    const management = managementOf(hosts.get(name)!, observed);
    return [
      name,
      { observed, ...(plan && { desired: plan.desired }), ...(management && { management }) },
    ] as const;
  });
  const found = checkManagement({ config, policy, hosts: new Map(managed) });
  const remote = [...hosts.values()].some((host) => host.remote);
  return (name) => {
    const own = found.get(name) ?? NOTHING;
    return remote ? own : { errors: [], warnings: [...own.errors, ...own.warnings] };
  };
}

/** A local shell may know of a connection to another machine: of one that it was left open in, say. */
export function managementOf(host: Host, { interfaces }: ObservedHost): Management | undefined {
  const management = parseManagement(host.management ?? '');
  const own = interfaces.flatMap(({ addresses }) => addresses.map(({ address }) => address));
  if (host.remote || own.includes(management?.server.address ?? '')) return management;
  return undefined;
}
