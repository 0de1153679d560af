/** How the hosts are: in line with the configuration or not, and what the counters say. */
import type { Diagnostic } from '../config/diagnostic.js';
import type { Host } from '../hosts/host.js';
import type { ListedChain, TableListing } from '../nft/listing.js';
import { TABLE_NAME } from '../nft/router-table.js';
import type { ObservedHost } from '../plan/state.js';
import { type Deployment, planDeployment, ROUTER } from './deployment.js';

export interface RuleCounter {
  /** The rule's comment: `rule lan`, `guard local`, `default`, `steered`. */
  rule: string;
  packets: number;
  bytes: number;
}

export interface HostStatus {
  name: string;
  address: string;
  /** `absent`: nothing of ours is there. `drifted`: apply would change something. */
  state: 'in-sync' | 'drifted' | 'absent';
  /** Titles of the steps that apply would take. */
  differences: string[];
  counters: RuleCounter[];
  /** Entries of the flow table; router only. */
  flows?: number;
}

export interface DeploymentStatus {
  hosts: HostStatus[];
  /** What keeps the configured state from working: nothing listens, the router does not forward. */
  warnings: Diagnostic[];
}

export async function deploymentStatus(deployment: Deployment): Promise<DeploymentStatus> {
  const { hosts, warnings } = await planDeployment(deployment);
  const statuses = await Promise.all(
    hosts.map(async ({ name, observed, steps }) => ({
      name,
      address: observed.address,
      state: stateOf(observed, steps.length),
      differences: steps.map(({ title }) => title),
      counters: observed.listing ? ruleCounters(observed.listing) : [],
      ...(name === ROUTER && { flows: await countFlows(deployment.hosts.get(name)!, observed) }),
    })),
  );
  return { hosts: statuses, warnings };
}

function stateOf({ listing }: ObservedHost, steps: number): HostStatus['state'] {
  if (listing === undefined) return 'absent';
  return steps === 0 ? 'in-sync' : 'drifted';
}

const ORDER = [/^rule /, /^default$/, /^on_failure /, /^steered$/, /^guard:/];

/** The user's own rules first, then what became of their packets. */
function rank({ rule }: RuleCounter): number {
  const index = ORDER.findIndex((pattern) => pattern.test(rule));
  return index === -1 ? ORDER.length : index;
}

/** Rules with the same comment (one a family) are one rule to the user: their counters are added. */
export function ruleCounters({ chains }: TableListing): RuleCounter[] {
  const sums = new Map<string, RuleCounter>();
  for (const { comment, packets, bytes } of chains.flatMap(({ rules }: ListedChain) => rules)) {
    if (comment === undefined) continue;
    const sum = sums.get(comment) ?? { rule: comment, packets: 0, bytes: 0 };
    sums.set(comment, { ...sum, packets: sum.packets + packets, bytes: sum.bytes + bytes });
  }
  return [...sums.values()].sort((a, b) => rank(a) - rank(b));
}

async function countFlows(host: Host, { listing }: ObservedHost): Promise<number> {
  const names = listing?.sets.filter(({ dynamic }) => dynamic).map(({ name }) => name) ?? [];
  const counts = names.map(async (name) => {
    const { stdout } = await host.run(['nft', '-j', 'list', 'set', 'inet', TABLE_NAME, name]);
    // One element is one `concat`; parsing hundreds of thousands of them would be slower.
    return stdout.split('"concat"').length - 1;
  });
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}
