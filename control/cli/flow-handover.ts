/** Live flows between the two classifiers of a host, so that a switch cuts none of them. */
import { constants } from 'node:os';
import { TARGETS_MAX } from '../../bpf/abi.js';
import type { Flow } from '../../bpf/flows.js';
import { classifierFlows } from '../../bpf/state.js';
import type { Command, RunResult } from '../command/command.js';
import { SidetrackError } from '../error.js';
import { type Host, runChecked } from '../hosts/host.js';
import type { Limits } from '../hosts/process.js';
import { addFlowElements, flowSetsOf, flowsOfSet } from '../nft/flow-elements.js';
import { NFT_RUN } from '../nft/json.js';
import { parseListing } from '../nft/listing.js';
import { TABLE_NAME } from '../nft/router-table.js';

/** For one set; nft 1.0.6 needs some seconds for a million elements. */
const TIMEOUT_MS = 120_000;

/** What the kernel says of a table or set that is not there; 127 and its kin are a broken nft. */
const ABSENT = /^Error: No such file or directory/m;
const NFT_FAILED = 1;

type Nft = Pick<Host, 'run'>;

/**
 * What the nftables classifier steers; nothing where it is not there.
 * @throws SidetrackError when nft does not say: "no flows" would be a guess that cuts them all.
 */
export async function nftablesFlows(host: Nft, limits: Limits = {}): Promise<Flow[]> {
  const flows: Flow[][] = [];
  // The targets are numbered from 0, without a gap.
  for (let number = 0; number < TARGETS_MAX; number++) {
    const known = flows.length;
    for (const name of flowSetsOf(number)) {
      const listing = await listSet(host, name, limits);
      if (listing !== undefined) flows.push(readListing(name, listing));
    }
    if (flows.length === known) break;
  }
  return flows.flat();
}

async function listSet(host: Nft, name: string, limits: Limits): Promise<string | undefined> {
  const command = { argv: ['nft', '-j', 'list', 'set', 'inet', TABLE_NAME, name] };
  const { status, stdout, stderr } = await outcomeOf(host, name, command, limits);
  if (status === 0) return stdout;
  if (status === NFT_FAILED && ABSENT.test(stderr)) return undefined;
  throw unknown(name, stderr.trim().split('\n')[0] || endOf(status));
}

async function outcomeOf(
  host: Nft,
  name: string,
  command: Command,
  limits: Limits,
): Promise<RunResult> {
  try {
    return await host.run(command, { timeoutMs: TIMEOUT_MS, ...limits });
  } catch (error) {
    throw unknown(name, (error as Error).message, error);
  }
}

const SIGNAL_STATUS = 128;

function endOf(status: number): string {
  const [signal] =
    Object.entries(constants.signals).find(([, n]) => n + SIGNAL_STATUS === status) ?? [];
  return signal ?? `it ended with ${status}`;
}

function readListing(name: string, text: string): Flow[] {
  try {
    return parseListing(text).sets.flatMap(flowsOfSet);
  } catch (cause) {
    throw unknown(name, 'what it printed is no listing', cause);
  }
}

function unknown(name: string, reason: string, cause?: unknown): SidetrackError {
  return new SidetrackError(
    `cannot read the live flows of the nftables classifier (nft list set inet ${TABLE_NAME} ${name}): ${reason}`,
    {
      code: 'flows-unknown',
      source: 'host',
      hint: 'repair nft and run it again; without --take-over the steered connections would break',
      cause,
    },
  );
}

/** Tells the nftables classifier, which is there already, of every flow that eBPF steers. */
export async function handOverToNftables(host: Host, directory: string): Promise<void> {
  const transaction = addFlowElements(classifierFlows(directory));
  if (transaction.nftables.length === 0) return;
  const stdin = `${JSON.stringify(transaction)}\n`;
  await runChecked(host, { argv: NFT_RUN, stdin });
}
