/** What can run out, on both machines. Pure. */
import type { RouterState, State } from '../state.js';
import { oneLine } from './format.js';

export interface Resource {
  name: string;
  used: number;
  limit?: number;
}

const NAMES: Readonly<Record<string, string>> = {
  connections: 'connections of the relay',
  descriptors: 'descriptors of the relay',
  pipes: 'pipes of the relay',
  pipe_pages: 'pages in pipes',
  conntrack: "conntrack, the relay's machine",
};

export function resourcesOf({ relay, router }: State): Resource[] {
  const own = Object.entries(relay?.headroom ?? {}).map(([key, { used, limit }]) => ({
    name: NAMES[key] ?? oneLine(key, 40),
    used,
    ...(limit !== undefined && { limit }),
  }));
  return [...own, ...flowsOf(router), ...conntrackOf(router)];
}

/** Of the parts, which have the same room each, the fullest. */
function flowsOf(router: RouterState | undefined): Resource[] {
  if (router === undefined) return [];
  const [fullest] = Object.entries(router.flows.parts).toSorted(([, a], [, b]) => b - a);
  if (fullest === undefined) return [];
  const [part, used] = fullest;
  return [{ name: `flow table, router: ${oneLine(part, 30)}`, used, limit: router.flows.limit }];
}

const conntrackOf = (router: RouterState | undefined): Resource[] =>
  router?.conntrack === undefined
    ? []
    : [
        {
          name: 'conntrack, router',
          used: router.conntrack.entries,
          limit: router.conntrack.limit,
        },
      ];
