/** Whether others use our mark, table or priority. Pure. */
import type { Config, ServerConfig } from '../config/config.js';
import type { Path } from '../config/raw.js';
import type { Finding } from './finding.js';
import { hex } from './mark-text.js';
import { type ObservedHost, type ObservedIpRule, ROUTE_PROTOCOL } from './state.js';

/** The numbers of a policy route, and where the file says them. */
interface PolicyRoute {
  mark: { value: number; mask: number };
  table: number;
  rulePriority: number;
  path: { section: Path; table: Path };
}

export function routerRoute({ router: { mark, table, rulePriority } }: Config): PolicyRoute {
  const path = { section: ['router'], table: ['router', 'table', 'id'] };
  return { mark, table: table.id, rulePriority, path };
}

export function serverRoute({ tproxy }: ServerConfig, index: number): PolicyRoute {
  const section = ['servers', index, 'tproxy'];
  return { ...tproxy, path: { section, table: [...section, 'table'] } };
}

export function foreignTable({ table, path }: PolicyRoute, host: ObservedHost): Finding[] {
  const foreign = host.routes.filter(
    (route) => route.table === table && route.protocol !== ROUTE_PROTOCOL,
  );
  if (foreign.length === 0) return [];
  const [first] = foreign;
  return [
    {
      path: path.table,
      message: `routing table ${table} on ${host.address} already holds routes that sidetrack did not make (${first!.destination}${first!.via ? ` via ${first!.via}` : ''})`,
      hint: `choose another table id, or empty it: ip route flush table ${table}`,
    },
  ];
}

export function overlappingRules(route: PolicyRoute, host: ObservedHost): Finding[] {
  const { mark, rulePriority, path } = route;
  const key = path.section.filter((part) => typeof part === 'string').join('.');
  const foreign = host.ipRules.filter(({ protocol }) => protocol !== ROUTE_PROTOCOL);
  const samePriority = foreign.find(({ priority }) => priority === rulePriority);
  const sameMark = foreign.find(
    (rule) =>
      rule.mask !== undefined &&
      (rule.mask & mark.mask) !== 0 &&
      // `not fwmark …` (wg-quick) means everybody else's packets; behind our rule it never sees ours.
      !(rule.inverted && rule.priority > rulePriority),
  );
  return [
    ...(sameMark
      ? [
          {
            path: [...path.section, 'mark'],
            message: `mark ${hex(mark.value)}/${hex(mark.mask)} shares bits with ${describe(sameMark)} on ${host.address}`,
            hint:
              sameMark.mask === ALL_BITS
                ? `that rule compares all 32 bits, so no other mark would do: give it a mask of its own (fwmark ${hex(sameMark.mark ?? 0)}/0x…)`
                : `choose a value and mask whose bits nobody else uses: ${key}.mark: { value: …, mask: … }`,
          },
        ]
      : []),
    ...(samePriority && samePriority !== sameMark
      ? [
          {
            path: [...path.section, 'rule_priority'],
            message: `rule priority ${rulePriority} on ${host.address} is taken by ${describe(samePriority)}`,
            hint: `choose another ${key}.rule_priority`,
          },
        ]
      : []),
  ];
}

const ALL_BITS = 0xffffffff;

function describe({ family, priority, inverted, mark, mask, table }: ObservedIpRule): string {
  const by =
    mark === undefined
      ? ''
      : `${inverted ? ' not' : ''} fwmark ${hex(mark)}/${hex(mask ?? ALL_BITS)}`;
  return `another IPv${family} rule (priority ${priority}${by}${table ? ` lookup ${table}` : ''})`;
}
