/**
 * What the router remembers of its servers, in sets of their marks: heartbeats fill them, nothing else does, and
 * what is not renewed is forgotten. The sets are larger than there are servers, because the kernel gives the room
 * of a deleted element back at its next sweep, a second later.
 */
import { HEARTBEAT_ALIVE_MS } from '../../bpf/server-health.js';
import { type BeatingTarget, beating, type FlowTarget, steerChainName } from './flow-target.js';
import { FAMILIES, type Family } from './flow-time.js';
import type { Expression, NftSet, Statement } from './json.js';
import { META_MARK } from './mark.js';

/** Seconds without a heartbeat after which a server gets no new flows. */
export const ALIVE_SECONDS = HEARTBEAT_ALIVE_MS / 1000;
/** For how long a router that knows nothing yet takes a server for fit. */
export const SEED_SECONDS = 5;
/** For how long the last heartbeat is remembered, to say since when there was none. */
export const HEARD_SECONDS = 30 * 86_400;
/** A server that comes back within this time of the last time is held for longer. */
export const FLAP_SECONDS = 120;
/** For how long, by how often it came back before. */
export const HOLD_SECONDS = [0, 5, 15, 45] as const;
/** For how long a MAC that a server's heartbeats came from is its own. */
export const LEARNED_SECONDS = 300;

const ROOM = 256;

/** A family's servers that get new flows. */
export const aliveSet = (family: Family) => `alive${family}`;
/** Those that came back too often lately. */
export const heldSet = (family: Family) => `held${family}`;
/** Those that sent this many heartbeats in a row, and are not alive. */
export const riseSet = (family: Family, count: number) => `rise${family}_${count}`;
/** Those that came back this many times. */
export const flapSet = (family: Family, count: number) => `flaps${family}_${count}`;
/** Since when it is alive. */
export const sinceSet = (family: Family) => `since${family}`;
/** Servers of which live flows are steered on. */
export const KEEP_SET = 'keep';
/** When each was heard last. */
export const HEARD_SET = 'heard';
/** What each said, by the port that it came from. */
export const REASON_SET = 'reasons';
/** Servers' MACs: those of the file for good, those that heartbeats came from for a while. */
export const LEARNED_MACS = 'known_macs';
const FIXED_MACS = 'server_macs';

/** Whether packets put elements beside those that are configuration; nft lists both. */
export const isLearning = (set: string): boolean => set === LEARNED_MACS;

/** How the router judges heartbeats. */
export interface HealthParameters {
  /** Heartbeats in a row after which a server that was away gets flows again. */
  rise: number;
  /** Seconds without a heartbeat after which a server's live flows are reset. */
  resetAfterSeconds: number;
  /** UDP. */
  port: number;
}

/** The set that says which MACs are servers'. */
export const macsOf = (targets: readonly FlowTarget[]): string =>
  beating(targets).some(({ heartbeat }) => heartbeat.mac === undefined) ? LEARNED_MACS : FIXED_MACS;

export function macsSet(targets: readonly FlowTarget[], macs: readonly string[]): NftSet {
  const name = macsOf(targets);
  const learns = name === LEARNED_MACS;
  const elements = [...macs].sort();
  return {
    name,
    type: 'ether_addr',
    ...(learns && { flags: ['timeout'] as const satisfies NftSet['flags'], size: 4 * ROOM }),
    elements,
  };
}

export const rises = ({ rise }: Pick<HealthParameters, 'rise'>): number[] =>
  Array.from({ length: rise - 1 }, (_, i) => i + 1);

/** All but the MACs; none where no target has a heartbeat. */
export function healthSets(
  targets: readonly FlowTarget[],
  health: Pick<HealthParameters, 'rise'>,
): NftSet[] {
  const judged = beating(targets);
  if (judged.length === 0) return [];
  return [
    ...FAMILIES.flatMap((family) => [
      { ...marks(aliveSet(family)), seeds: seeds(judged.filter(takes(family))) },
      ...[heldSet(family), sinceSet(family)].map(marks),
      ...rises(health).map((count) => marks(riseSet(family, count))),
      ...flaps.map((count) => marks(flapSet(family, count))),
    ]),
    keepSet(targets),
    marks(HEARD_SET),
    { ...marks(REASON_SET), type: ['mark', 'inet_service'] },
  ];
}

/** Numbers of the sets of those that came back. */
export const flaps = HOLD_SECONDS.slice(1).map((_, i) => i + 1);

export const keepSet = (targets: readonly FlowTarget[]): NftSet => ({
  ...marks(KEEP_SET),
  seeds: seeds(beating(targets)),
});

const HEALTH_SET = /^(?:(?:alive|held|since)[46]|(?:rise|flaps)[46]_\d+|keep|heard|reasons)$/;
export const isHealthSet = (name: string): boolean => HEALTH_SET.test(name);

/** What a router begins with that knows nothing of its servers. */
export const SEEDED: readonly string[] = [...FAMILIES.map(aliveSet), KEEP_SET];

const takes = (family: Family) => (target: FlowTarget) => target.families.includes(family);

const marks = (name: string): NftSet => ({ name, type: 'mark', flags: ['timeout'], size: ROOM });

const seeds = (targets: readonly BeatingTarget[]) =>
  targets.map(({ number, mark }) => ({ element: mark.value, chain: steerChainName(number) }));

export const seedElement = (element: number): Expression => ({
  elem: { val: element, timeout: SEED_SECONDS },
});

/** Renews an element, or enters it. */
export const remember = (set: string, seconds: number, val: Expression = META_MARK): Statement => ({
  set: { op: 'update', elem: { elem: { val, timeout: seconds } }, set: `@${set}` },
});

export const forget = (set: string): Statement => ({
  set: { op: 'delete', elem: META_MARK, set: `@${set}` },
});
