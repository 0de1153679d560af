/**
 * How many flows the nftables classifier holds. A kernel before Linux 6.17, or an nft before 1.1.5, does not say, so the
 * elements are counted where they are: nft takes 20 µs and 1.4 kB for each of them, which a router must be able to spare.
 */
import { TARGETS_MAX } from '../../bpf/abi.js';
import type { ClassifierState } from '../../bpf/report.js';
import type { RouterState } from '../../monitoring/state.js';
import { type Query, query } from '../command/query.js';
import type { Config } from '../config/config.js';
import { flowSetsOf } from '../nft/flow-elements.js';
import { OVER_SHARE_SETS } from '../nft/flow-share.js';
import { parseFlowSet } from '../nft/flow-target.js';
import { TABLE_NAME } from '../nft/router-table.js';

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

/** Numbers stay with servers' names, so that one of several may have any; nft passes over those that no set has. */
const numbersOf = ({ servers }: Config): number[] =>
  servers.length === 1 ? [0, 1] : Array.from({ length: TARGETS_MAX }, (_, number) => number);

/** @param numbers of the targets, where the router was found to have given some: each set costs a process of nft. */
export const countedSets = (config: Config, numbers = numbersOf(config)): string[] => [
  ...numbers.flatMap(flowSetsOf),
  ...OVER_SHARE_SETS,
];

export function elementsQuery(config: Config, numbers?: number[]): Query<ElementCounts> {
  const argv = ['sh', '-c', COUNT, 'sh', TABLE_NAME, ...countedSets(config, numbers)];
  return query({ argv, purpose: 'counting the flows' }, ({ result }) => elementsIn(result.stdout));
}

export function elementsIn(text: string): ElementCounts {
  const lines = [...text.matchAll(/^(\w+) 0 (\d{1,9})$/gm)];
  return new Map(lines.map(([, name, count]) => [name!, Number(count)]));
}

/** The flow table when it was counted last. */
export interface FlowCounts {
  /** Flows by part: `flows4`, `closing4`, `flows6`, `closing6`, and those of other targets. */
  parts: Readonly<Record<string, number>>;
  /** Clients that were over their share lately. */
  clientsOverShare?: number;
}

/** Undefined where nothing was counted. */
export function countsOf(elements: ElementCounts): FlowCounts | undefined {
  const parts = [...elements].filter(([name]) => parseFlowSet(name) !== undefined);
  if (parts.length === 0) return undefined;
  const clients = OVER_SHARE_SETS.flatMap((name) => elements.get(name) ?? []);
  return {
    parts: Object.fromEntries(parts),
    ...(clients.length > 0 && { clientsOverShare: clients.reduce((sum, one) => sum + one, 0) }),
  };
}

/** The same of the eBPF classifier; too old flows stay until their room is needed, and do not count. */
export function countsOfClassifier(state: ClassifierState): FlowCounts {
  const { v4, v6 } = state.liveFlows ?? state.flows;
  const parts = { flows4: v4, flows6: v6 };
  return { parts, ...(state.overShare && { clientsOverShare: state.overShare.length }) };
}

/** Flows of one target, opening and closing ones among them; undefined where they are not counted apart. */
export function flowsOfTarget(
  number: number,
  counts: FlowCounts | undefined,
  isAlone: boolean,
): number | undefined {
  const parts = Object.entries(counts?.parts ?? {});
  const own = parts.filter(([name]) => isAlone || parseFlowSet(name)?.number === number);
  return own.length === 0 ? undefined : own.reduce((sum, [, count]) => sum + count, 0);
}

export function flowsOf({ router }: Config, counts: FlowCounts | undefined): RouterState['flows'] {
  const parts = counts?.parts ?? {};
  const all = Object.values(parts);
  const clients = counts?.clientsOverShare;
  return {
    ...(counts && { entries: all.reduce((sum, one) => sum + one, 0) }),
    limit: Math.max(1, all.length) * router.flowTableSize,
    parts,
    ...(clients !== undefined && { clientsOverShare: clients }),
  };
}
