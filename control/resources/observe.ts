/** What a host is asked of all kinds of resources, as one question. */
import type { Query } from '../command/query.js';
import type { ObservedFrom, ObservedHost } from '../plan/state.js';
import { nftTable } from './nft-table.js';
import { RESOURCES } from './registry.js';

/** Facts that a kind owns; each is there when all kinds have said theirs, unless it is optional. */
type ResourceFacts = Pick<
  ObservedHost,
  'sysctls' | 'files' | 'routes' | 'ipRules' | 'listing' | 'rulesetUnread' | 'classifier'
>;

/** The table first: without privilege, nft says so best. */
export function resourcesQuery(host: ObservedFrom): Query<ResourceFacts> {
  const kinds = [nftTable, ...RESOURCES.filter((kind) => kind !== nftTable)];
  return together(kinds.map((kind) => kind.observe(host))) as Query<ResourceFacts>;
}

/** Several questions as one, whose answer has the facts of all. */
function together(queries: readonly Query<Partial<ObservedHost>>[]): Query<Partial<ObservedHost>> {
  return {
    commands: queries.flatMap(({ commands }) => commands),
    parse: (...answers) => {
      let next = 0;
      const facts = queries.map(({ commands, parse }) => {
        const first = next;
        next += commands.length;
        return parse(...answers.slice(first, next));
      });
      return Object.assign({}, ...facts);
    },
  };
}
