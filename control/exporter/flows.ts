/**
 * How many flows the nftables classifier holds. A kernel before Linux 6.17, or an nft before 1.1.5, does not say, so the
 * elements are counted where they are: nft takes 20 µs and 1.4 kB for each of them, which a router must be able to spare.
 */
import { type Query, query } from '../command/query.js';
import type { Config } from '../config/config.js';
import { flowSetsOf } from '../nft/flow-elements.js';
import { OVER_SHARE_SETS } from '../nft/flow-share.js';
import { parseFlowSet } from '../nft/flow-target.js';
import { TABLE_NAME } from '../nft/router-table.js';
import type { Family } from '../plan/state.js';

/**
 * Prints of each set its name, nft's exit status and the number of elements. nft may take half of what memory is
 * free, and is refused more by the kernel.
 */
const COUNT = `
table=$1
shift
room=
while read -r key size _; do
  [ "$key" != MemAvailable: ] || room=$((size / 2))
done </proc/meminfo
for set; do
  printf '%s ' "$set"
  { { (
    [ -z "$room" ] || ulimit -v $room
    exec nft -j list set inet $table "$set"
  ) 2>/dev/null; printf '%s ' $? >&3; } | tr '{' '\\n' | grep -c '^"val": '; } 3>&1
done; :`;

/** Elements by name of the set; those of which nft says nothing are left out. */
export type ElementCounts = ReadonlyMap<string, number>;

export const countedSets = ({ servers }: Config): string[] => [
  ...servers.flatMap((_, number) => flowSetsOf(number)),
  ...OVER_SHARE_SETS,
];

export function elementsQuery(config: Config): Query<ElementCounts> {
  const argv = ['sh', '-c', COUNT, 'sh', TABLE_NAME, ...countedSets(config)];
  return query({ argv, purpose: 'counting the flows' }, ({ result }) => elementsIn(result.stdout));
}

export function elementsIn(text: string): ElementCounts {
  const lines = [...text.matchAll(/^(\w+) 0 (\d{1,9})$/gm)];
  return new Map(lines.map(([, name, count]) => [name!, Number(count)]));
}

export interface FlowUse {
  family: Family;
  entries: number;
  limit: number;
}

/** @param size of each set. @returns nothing where a set of flows was not counted */
export function flowUse(counts: ElementCounts, size: number): FlowUse[] {
  const sets = [...counts].flatMap(([name, count]) => {
    const set = parseFlowSet(name);
    return set === undefined ? [] : [{ family: set.family, count }];
  });
  return ([4, 6] as const).flatMap((family) => {
    const own = sets.filter((one) => one.family === family);
    if (own.length === 0) return [];
    const entries = own.reduce((sum, { count }) => sum + count, 0);
    return [{ family, entries, limit: own.length * size }];
  });
}

/** Clients in the sets of those that were over their share; undefined where they were not counted. */
export function overShare(counts: ElementCounts): number | undefined {
  const own = OVER_SHARE_SETS.flatMap((name) => counts.get(name) ?? []);
  return own.length === 0 ? undefined : own.reduce((sum, count) => sum + count, 0);
}
