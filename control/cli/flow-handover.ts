/** Live flows between the two classifiers of this machine, so that a switch cuts none of them. */
import { spawnSync } from 'node:child_process';
import type { Flow } from '../../bpf/flows.js';
import { classifierFlows } from '../../bpf/state.js';
import { SidetrackError } from '../error.js';
import { runChecked } from '../hosts/host.js';
import { localHost } from '../hosts/local.js';
import { addFlowElements, flowSetsOf, flowsOfSet } from '../nft/flow-elements.js';
import { MOST_TARGETS } from '../nft/flow-target.js';
import { parseListing } from '../nft/listing.js';
import { TABLE_NAME } from '../nft/router-table.js';

interface ListingLimits {
  /** A million flows are about a quarter of this many characters. */
  longest?: number;
  /** For one set; nft 1.0.6 needs some seconds for a million elements. */
  timeoutMs?: number;
}

/** What the kernel says of a table or set that is not there; 127 and its kin are a broken nft. */
const ABSENT = /^Error: No such file or directory/m;
const NFT_FAILED = 1;

/**
 * What the nftables classifier steers; nothing where it is not there.
 * @throws SidetrackError when nft does not say: "no flows" would be a guess that cuts them all.
 */
export function nftablesFlows(limits: ListingLimits = {}): Flow[] {
  const flows: Flow[][] = [];
  // The targets are numbered from 0, without a gap.
  for (let number = 0; number < MOST_TARGETS; number++) {
    const found = flowSetsOf(number).flatMap((name) => {
      const listing = listSet(name, limits);
      return listing === undefined ? [] : [readListing(name, listing)];
    });
    if (found.length === 0) break;
    flows.push(...found);
  }
  return flows.flat();
}

function listSet(
  name: string,
  { longest = 2 ** 29, timeoutMs = 120_000 }: ListingLimits,
): string | undefined {
  const argv = ['-j', 'list', 'set', 'inet', TABLE_NAME, name];
  const { status, signal, stdout, stderr, error } = spawnSync('nft', argv, {
    encoding: 'utf8',
    maxBuffer: longest,
    timeout: timeoutMs,
    // The words below are those of the C locale.
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (error !== undefined) throw unknown(name, reasonOf(error, longest, timeoutMs));
  if (status === 0) return stdout;
  if (status === NFT_FAILED && ABSENT.test(stderr)) return undefined;
  throw unknown(name, stderr.trim().split('\n')[0] || (signal ?? `it ended with ${status}`));
}

function reasonOf(error: NodeJS.ErrnoException, longest: number, timeoutMs: number): string {
  switch (error.code) {
    case 'ENOENT':
      return 'there is no nft on PATH';
    case 'ENOBUFS':
      return `its listing is longer than ${longest} characters`;
    case 'ETIMEDOUT':
      return `it took longer than ${timeoutMs / 1000} s`;
    default:
      return error.code ?? error.message;
  }
}

function readListing(name: string, text: string): Flow[] {
  try {
    return parseListing(text).sets.flatMap(flowsOfSet);
  } catch {
    throw unknown(name, 'what it printed is no listing');
  }
}

function unknown(name: string, reason: string): SidetrackError {
  return new SidetrackError(
    `cannot read the live flows of the nftables classifier (nft list set inet ${TABLE_NAME} ${name}): ${reason}`,
    {
      code: 'flows-unknown',
      source: 'host',
      hint: 'mend nft and run it again; without --take-over the steered connections would break',
    },
  );
}

/** Tells the nftables classifier, which is there already, of every flow that eBPF steers. */
export async function handOverToNftables(directory: string): Promise<void> {
  const transaction = addFlowElements(classifierFlows(directory));
  if (transaction.nftables.length === 0) return;
  const stdin = `${JSON.stringify(transaction)}\n`;
  await runChecked(localHost(), { argv: ['nft', '-j', '-f', '-'], stdin });
}
