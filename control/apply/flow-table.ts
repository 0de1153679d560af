/** How full the router's flow table is, and of whose flows: what `status` shows and warns of. */

import { z } from 'zod';
import type { Query } from '../command/query.js';
import type { Config } from '../config/config.js';
import { type Diagnostic, diagnosticAt } from '../config/diagnostic.js';
import type { OnFailure } from '../config/on-failure.js';
import { ask, type Host } from '../hosts/host.js';
import { isFlowSet } from '../nft/flow-elements.js';
import { OVER_SHARE_SETS } from '../nft/flow-share.js';
import { parseListing } from '../nft/listing.js';
import { TABLE_NAME } from '../nft/router-table.js';
import type { ObservedHost } from '../plan/state.js';

export interface FlowTableStatus {
  /** Entries of all tables together. */
  flows: number;
  /** Entries of the fullest one. */
  fullest: number;
  /** Clients that were over their share in the last ten minutes. */
  overShare: string[];
}

/** From here on `status` warns. */
const NEARLY_FULL = 0.8;

export async function readFlowTable(host: Host, observed: ObservedHost): Promise<FlowTableStatus> {
  const { classifier, listing } = observed;
  if (classifier) {
    const { v4, v6 } = classifier.flows;
    // Too old ones stay until their room is needed; they fill the table and do no harm.
    const live = classifier.liveFlows ?? classifier.flows;
    const overShare = classifier.overShare?.map(({ client }) => client) ?? [];
    return { flows: v4 + v6, fullest: Math.max(live.v4, live.v6), overShare };
  }
  const names = listing?.sets.map(({ name }) => name) ?? [];
  const { counts, refused } = await ask(host, {
    counts: setsQuery(names.filter(isFlowSet), countElements),
    refused: setsQuery(
      names.filter((name) => OVER_SHARE_SETS.includes(name)),
      clientsIn,
    ),
  });
  return {
    flows: counts.reduce((sum, count) => sum + count, 0),
    fullest: Math.max(0, ...counts),
    overShare: refused.flat(),
  };
}

function setsQuery<T>(names: readonly string[], read: (listing: string) => T): Query<T[]> {
  return {
    commands: names.map((name) => ({
      argv: ['nft', '-j', 'list', 'set', 'inet', TABLE_NAME, name],
    })),
    parse: (...answers) => answers.map(({ result }) => read(result.stdout)),
  };
}

/** One element is one `concat`; parsing hundreds of thousands of them would be slower. */
const countElements = (listing: string) => listing.split('"concat"').length - 1;

const clientElement = z.object({ elem: z.object({ val: z.string() }) });

function clientsIn(listing: string): string[] {
  if (listing.trim() === '') return [];
  const elements = parseListing(listing).sets.flatMap((set) => set.elements);
  return elements.flatMap((one) => clientElement.safeParse(one).data?.elem.val ?? []).sort();
}

const FATES: Readonly<Record<OnFailure, string>> = {
  direct: 'go out directly, past the server',
  block: 'are blocked',
  reset: 'are reset',
};

/** What the administrator should know before `on_failure` decides about all new flows. */
export function flowTableWarnings(
  { router: { flowTableSize, maxFlowsPerClient }, onFailure, positionOf }: Config,
  { fullest, overShare }: FlowTableStatus,
): Diagnostic[] {
  const fate = FATES[onFailure];
  const at = (key: string, message: string, hint: string) =>
    diagnosticAt(positionOf(['router', key]), { message, hint });
  const shown = overShare.slice(0, 3).join(', ');
  const more = overShare.length > 3 ? ` and ${overShare.length - 3} more` : '';
  const warnings: Diagnostic[] = [];
  if (overShare.length > 0)
    warnings.push(
      at(
        'max_flows_per_client',
        `in the last ten minutes ${shown}${more} opened more connections than one client's share of the flow table (${maxFlowsPerClient}); those over it ${fate}`,
        'look at what that client does; where it may do so raise router.max_flows_per_client (0: no limit)',
      ),
    );
  if (fullest >= NEARLY_FULL * flowTableSize)
    warnings.push(
      at(
        'flow_table_size',
        `the flow table is nearly full: ${fullest} of ${flowTableSize}; new connections without room in it ${fate}`,
        'raise router.flow_table_size; or lower router.max_flows_per_client',
      ),
    );
  return warnings;
}
