/** What a host is asked of all kinds of resources, as one question. */
import type { Query } from '../command/query.js';
import type { ObservedFrom, ObservedHost } from '../plan/state.js';
import { nftTable } from './nft-table.js';
import { RESOURCES } from './registry.js';

/** All that is known of a host without a kind of resource. */
type OtherFacts =
  | keyof ObservedFrom
  | 'saved'
  | 'interfaces'
  | 'neighbours'
  | 'listeningPorts'
  | 'pppoeDevices';

type ResourceFacts = Omit<ObservedHost, OtherFacts>;

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
