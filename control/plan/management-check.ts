/**
 * Whether a change would cut the connection by which it is made. The kept change is confirmed over a new
 * connection, so what counts is its first packet, and the answers, at each host that they pass. Pure.
 *
 * Our sysctls are not looked at: they loosen what is there, and no packet is dropped for them.
 */
import type { Diagnostic } from '../config/diagnostic.js';
import { type Finding, locate } from './finding.js';
import { type ManagementInput, passagesOf, ROUTER } from './management-passage.js';
import { judgedFindings } from './management-policy.js';
import { routeFindings } from './management-route.js';

export interface ManagementFindings {
  errors: Diagnostic[];
  warnings: Diagnostic[];
}

/** @returns by the name of the host whose change is at fault. */
export function checkManagement(input: ManagementInput): Map<string, ManagementFindings> {
  const found = new Map<string, ManagementFindings>();
  for (const passage of passagesOf(input)) {
    const findings = [...routeFindings(input, passage), ...judgedFindings(input, passage)];
    const known = found.get(passage.at.name) ?? { errors: [], warnings: [] };
    const of = (certain: boolean) =>
      locate(
        input.config,
        findings.filter((one) => one.certain === certain),
      );
    known.errors.push(...of(true));
    known.warnings.push(...of(false));
    found.set(passage.at.name, known);
  }
  for (const one of jumpHosts(input))
    found.get(ROUTER)?.warnings.push(...locate(input.config, [one]));
  return found;
}

/** What is seen of a jump host: the connection comes from the server, which this run changes first. */
function jumpHosts({ config, hosts }: ManagementInput): Finding[] {
  const client = hosts.get(ROUTER)?.management?.client.address;
  return config.servers.flatMap(({ name, host, address }) => {
    if (host.kind === 'local' || client === undefined) return [];
    const own = hosts.get(name)?.observed.interfaces.flatMap((one) => one.addresses) ?? [];
    if (![address.v4, address.v6, ...own.map((one) => one.address)].includes(client)) return [];
    return [
      {
        path: ['router', 'host'],
        message: `the connection to the router comes from ${name} (${client}), which looks like a jump host: while ${name} is down, the router cannot be reached by it`,
        hint: `reach the router without it (ssh -G shows ProxyJump), or run sidetrack on ${name}`,
      },
    ];
  });
}
