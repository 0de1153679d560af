/** Live flows between the two classifiers of this machine, so that a switch cuts none of them. */
import { spawnSync } from 'node:child_process';
import type { Flow } from '../../bpf/flows.js';
import { classifierFlows } from '../../bpf/state.js';
import { runChecked } from '../hosts/host.js';
import { localHost } from '../hosts/local.js';
import { addFlowElements, FLOW_SETS, flowsOfSet } from '../nft/flow-elements.js';
import { parseListing } from '../nft/listing.js';
import { TABLE_NAME } from '../nft/router-table.js';

/** A million flows are about this many characters. */
const LONGEST_LISTING = 2 ** 29;

/** What the nftables classifier steers; nothing where it is not there. */
export function nftablesFlows(): Flow[] {
  return FLOW_SETS.flatMap((name) => {
    const argv = ['-j', 'list', 'set', 'inet', TABLE_NAME, name];
    const options = { encoding: 'utf8', maxBuffer: LONGEST_LISTING } as const;
    const { status, stdout } = spawnSync('nft', argv, options);
    return status === 0 ? parseListing(stdout).sets.flatMap(flowsOfSet) : [];
  });
}

/** Tells the nftables classifier, which is there already, of every flow that eBPF steers. */
export async function handOverToNftables(directory: string): Promise<void> {
  const transaction = addFlowElements(classifierFlows(directory));
  if (transaction.nftables.length === 0) return;
  const stdin = `${JSON.stringify(transaction)}\n`;
  await runChecked(localHost(), ['nft', '-j', '-f', '-'], { stdin });
}
