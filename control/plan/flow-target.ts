/** The targets as nftables knows them, whichever classifier judges. Pure. */
import type { FlowTarget, TargetHeartbeat } from '../nft/flow-target.js';
import { routeProbe, type Target } from './targets.js';

export function flowTarget(target: Target): FlowTarget {
  const { number, name, hops, mark, weight, backup, drained } = target;
  const probe = routeProbe(target);
  const heartbeat = heartbeatOf(target);
  return {
    number,
    name,
    families: hops.map(({ family }) => family),
    mark,
    ...(probe && { probe }),
    weight,
    backup,
    drained,
    ...(heartbeat && { heartbeat }),
  };
}

function heartbeatOf(target: Target): TargetHeartbeat | undefined {
  const { health, heartbeat, addresses, mac, macFixed } = target;
  if (health !== 'heartbeat' || heartbeat === undefined) return undefined;
  const [v4, v6] = [addresses.v4[0], addresses.v6[0]];
  return {
    tag: heartbeat.tag,
    addresses: { ...(v4 !== undefined && { 4: v4 }), ...(v6 !== undefined && { 6: v6 }) },
    ...(macFixed && mac !== undefined && { mac }),
  };
}

/** Interfaces that lead to servers. */
export const serverInterfaces = (targets: readonly Target[]): string[] => [
  ...new Set(targets.flatMap(({ hops }) => hops.flatMap(({ dev }) => dev ?? []))),
];
