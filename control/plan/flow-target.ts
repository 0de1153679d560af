/** A target as the nftables classifier knows it, and the table beside the eBPF classifier. Pure. */
import type { FlowTarget } from '../nft/flow-target.js';
import { routeProbe, type Target } from './targets.js';

export function flowTarget(target: Target): FlowTarget {
  const { number, name, hops, mark } = target;
  const probe = routeProbe(target);
  const families = hops.map(({ family }) => family);
  return { number, name, families, mark, ...(probe && { probe }) };
}
