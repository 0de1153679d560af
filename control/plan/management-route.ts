/** What our ip rules, our routes and what captures at the server do with a management connection. Pure. */
import type { Config } from '../config/config.js';
import type { Finding } from './finding.js';
import { type Endpoint, managementText, packetsOf } from './management.js';
import type { ManagementInput, Passage } from './management-passage.js';
import { newTaker, type Way } from './packet-way.js';
import { describeRule } from './rule-text.js';

/** Certain ones are errors. */
export type ManagementFinding = Finding & { certain: boolean };

export function routeFindings({ config }: ManagementInput, passage: Passage): ManagementFinding[] {
  const { management, iif, answersIif } = passage;
  const { client, server } = management;
  const ways: [what: string, from: Endpoint, to: Endpoint, iif: string][] = [
    ['its packets', client, server, iif],
    ['its answers', server, client, answersIif],
  ];
  const taken = ways
    .map(([what, from, to, where]) => takenFinding(config, passage, what, from, to, where))
    .find((one) => one !== undefined);
  return [...(taken ? [taken] : []), ...captured(config, passage)];
}

function takenFinding(
  config: Config,
  { managed, management, at }: Passage,
  what: string,
  from: Endpoint,
  to: Endpoint,
  iif: string,
): ManagementFinding | undefined {
  const taker = newTaker(at.observed, at.desired, packetsOf(management, from, to, iif));
  if (taker === undefined) return undefined;
  const { path, hint } = taker.ours
    ? ownRule(config, at.name)
    : foreignRule(config, at.name, taker);
  return {
    path,
    message: `${describeRule(taker.rule)} on ${at.observed.address} would take ${what} from the connection by which ${managed} is managed (${managementText(management)})`,
    hint,
    certain: taker.certain,
  };
}

/** Of ours only the rules of an `on_failure` that refuses, on a server, fit packets without a mark. */
function ownRule({ servers }: Config, name: string): Omit<Finding, 'message'> {
  const index = servers.findIndex((one) => one.name === name);
  if (index < 0)
    return { path: ['router', 'rule_priority'], hint: 'leave rule_priority out (auto)' };
  return {
    path: ['on_failure'],
    hint: 'write on_failure: direct, or manage it by an address on a network that its main table has a route to',
  };
}

function foreignRule({ servers }: Config, name: string, { rule }: Way): Omit<Finding, 'message'> {
  const index = servers.findIndex((one) => one.name === name);
  const path = index < 0 ? ['router', 'table', 'id'] : ['servers', index, 'tproxy', 'table'];
  return {
    path,
    hint: `that rule looks into table ${rule.table}, which is to be sidetrack's: write another ${index < 0 ? 'router.table.id' : 'tproxy.table'}`,
  };
}

/**
 * Answers of the router that a server passes on look like steered packets: they come from the router and
 * are not for the server. `redirect` is asked about the first packet alone, and conntrack knows answers;
 * not so where captured packets are kept apart from those.
 */
function captured({ servers }: Config, passage: Passage): ManagementFinding[] {
  const { at, managed, management } = passage;
  const index = servers.findIndex(({ name }) => name === at.name);
  const server = servers[index];
  if (server === undefined || managed === at.name) return [];
  const apart = at.desired.table.chains.some(({ name }) => name === 'apart');
  if (server.capture !== 'tproxy' && !apart) return [];
  return [
    {
      path: ['servers', index, server.capture === 'tproxy' ? 'capture' : 'interface'],
      message: `${server.name} routes to ${management.client.address}, and would capture the answers of the connection by which ${managed} is managed (${managementText(management)})`,
      hint: `apply from ${server.name} itself or from another machine of its network${server.capture === 'tproxy' ? ', or write capture: redirect' : ''}`,
      certain: true,
    },
  ];
}
