/**
 * A lab's router with a table under test, and a probe behind it that tells what became of each
 * packet. Packets end at the probe, so nothing answers and nothing has to be routed.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Lab } from '../../../control/lab/lab.js';
import { waitFor } from '../../../control/lab/wait.js';
import { isLearning } from '../../../control/nft/health-sets.js';
import type { Command, Table } from '../../../control/nft/json.js';
import { parseListing, type TableListing } from '../../../control/nft/listing.js';
import { objectNames, recreateTable, replaceObjects } from '../../../control/nft/transaction.js';
import type { Packet } from '../../../control/policy/evaluate.js';
import { ethernet, type FrameOptions, ipFrame, probeKey } from './frame.js';
import { SERVER_MAC } from './world.js';

export const INJECT = fileURLToPath(new URL('../../../build/test/inject', import.meta.url));

const TORN = `
    meta mark & 0xff == 150 ct state != untracked update @torn { @th,32,32 }
    meta mark & 0xff != 150 ct state untracked update @torn { @th,32,32 }`;

/**
 * `arrived` notes packets before the table under test, `passed` and `steered` after it. `torn` must
 * stay empty: a packet that has the mark but is not hidden from conntrack, or the reverse.
 */
const probe = (conntrack: boolean) => `table inet probe {
  set arrived { typeof @th,32,32; size 65535; flags dynamic; }
  set passed  { typeof @th,32,32; size 65535; flags dynamic; }
  set steered { typeof @th,32,32; size 65535; flags dynamic; }
  set torn    { typeof @th,32,32; size 65535; flags dynamic; }
  chain before {
    type filter hook prerouting priority -310;
    iifname { br-lan, lan2 } update @arrived { @th,32,32 }
  }
  chain after {
    type filter hook prerouting priority -290;
    iifname != { br-lan, lan2 } return
    update @passed { @th,32,32 }
    meta mark & 0xff == 150 update @steered { @th,32,32 }
    ${conntrack ? TORN : ''}
    drop
  }
}`;
const PROBE_SETS = ['arrived', 'passed', 'steered', 'torn'] as const;

/** What the kernel did with a packet; `lost` when it never came to the hook. */
export type Fate = 'proxy' | 'direct' | 'block' | 'lost';
export const NODES = ['client', 'client2'] as const;
export type NodeName = (typeof NODES)[number];

export interface Shot extends Pick<FrameOptions, 'packet' | 'tcpFlags'> {
  /** Unique within a volley; from 1 to 65000. */
  serial: number;
  node: NodeName;
}

/** Keys of packets by what the probe saw. */
export type Probe = Readonly<Record<(typeof PROBE_SETS)[number], ReadonlySet<number>>>;

/** The last packet of a volley. From the server, so that no rule of the table counts it. */
const SENTINEL: Packet = {
  sourceMac: SERVER_MAC,
  family: 4,
  source: 0xc0a80102,
  destination: 0xc6336407,
  protocol: 'udp',
  sourcePort: 9,
  destinationPort: 9,
};
const SENTINEL_SERIAL: Readonly<Record<NodeName, number>> = { client: 0xfff0, client2: 0xfff1 };

export class RouterBench {
  private constructor(
    readonly lab: Lab,
    private readonly macs: Readonly<Record<NodeName, string>>,
  ) {}

  /** `conntrack: false` is a router that does no address translation. */
  static async start({ conntrack = true } = {}): Promise<RouterBench> {
    if (!existsSync(INJECT)) throw new Error(`${INJECT} is missing: make test-programs`);
    const lab = await Lab.start();
    const stdin = `${conntrack ? '' : 'delete table inet wan_nat\n'}${probe(conntrack)}`;
    await lab.check('router', ['nft', '-f', '-'], { stdin });
    const mac = async (name: string) => {
      const links = JSON.parse(await lab.check('router', ['ip', '-j', 'link', 'show', name]));
      return (links as { address: string }[])[0]!.address;
    };
    return new RouterBench(lab, { client: await mac('br-lan'), client2: await mac('lan2') });
  }

  stop(): void {
    this.lab.stop();
  }

  /** A fresh table with zero counters and no flows. */
  load(table: Table): Promise<void> {
    return this.transact(recreateTable(table).nftables);
  }

  /** As an apply does it: the flow table stays. */
  async reload(table: Table): Promise<void> {
    const { sets, chains } = objectNames(table);
    const present = await this.listing();
    const isKept = (name: string) =>
      present.sets.some((set) => set.name === name && (set.dynamic || isLearning(name)));
    const changed = { sets: sets.filter((name) => !isKept(name)), chains };
    const stale = {
      sets: present.sets.map(({ name }) => name).filter((name) => !sets.includes(name)),
      chains: present.chains.map(({ name }) => name).filter((name) => !chains.includes(name)),
    };
    await this.transact(replaceObjects(table, changed, stale).nftables);
  }

  /** Sends the shots in order, each from its node, and says what became of them by serial. */
  async fire(shots: readonly Shot[]): Promise<Map<number, Fate>> {
    const frames = (node: NodeName) =>
      shots.filter((shot) => shot.node === node).map((shot) => this.frame(shot));
    const seen = await this.send({ client: frames('client'), client2: frames('client2') });
    return new Map(
      shots.map(({ packet, serial }) => [serial, fate(seen, probeKey(packet, serial))]),
    );
  }

  frame({ node, ...options }: Shot): string {
    return ipFrame({ ...options, destinationMac: this.macs[node] });
  }

  /** Any bytes behind an Ethernet header from `packet`'s client to the router. */
  ethernet(node: NodeName, packet: Packet, content: Buffer): string {
    return ethernet(packet, this.macs[node], content);
  }

  /** Sends frames as they are; returns when the router has handled them all. */
  async send(frames: Partial<Record<NodeName, readonly string[]>>): Promise<Probe> {
    await this.transact(
      PROBE_SETS.map((name) => ({ flush: { set: { family: 'inet', table: 'probe', name } } })),
    );
    const used = NODES.filter((node) => (frames[node] ?? []).length > 0);
    for (const node of used) await this.inject(node, frames[node]!);
    let seen = await this.readProbe();
    // One veth keeps the order, so behind the sentinel nothing is under way.
    await waitFor('the last frame to reach the router', async () => {
      seen = await this.readProbe();
      return used.every((node) => seen.arrived.has(probeKey(SENTINEL, SENTINEL_SERIAL[node])));
    });
    if (seen.torn.size > 0)
      throw new Error(`marked but tracked, or untracked but not marked: ${[...seen.torn]}`);
    return seen;
  }

  /** The table under test as nft lists it. */
  async listing(): Promise<TableListing> {
    const argv = ['nft', '-j', 'list', 'table', 'inet', 'sidetrack'];
    return parseListing(await this.lab.check('router', argv));
  }

  private async inject(node: NodeName, frames: readonly string[]): Promise<void> {
    const sentinel = this.frame({ packet: SENTINEL, serial: SENTINEL_SERIAL[node], node });
    const stdin = [...frames, sentinel, ''].join('\n');
    await this.lab.check(node, [INJECT, 'eth0'], { stdin });
  }

  private async readProbe(): Promise<Probe> {
    const argv = ['nft', '-j', 'list', 'table', 'inet', 'probe'];
    const { sets } = parseListing(await this.lab.check('router', argv));
    const keys = (name: string) =>
      new Set(sets.find((set) => set.name === name)?.elements as number[]);
    return {
      arrived: keys('arrived'),
      passed: keys('passed'),
      steered: keys('steered'),
      torn: keys('torn'),
    };
  }

  /** As `nft -j` takes it. */
  async transact(nftables: Command[]): Promise<void> {
    const stdin = JSON.stringify({ nftables });
    await this.lab.check('router', ['nft', '-j', '-f', '-'], { stdin });
  }
}

function fate({ arrived, passed, steered }: Probe, key: number): Fate {
  if (!arrived.has(key)) return 'lost';
  if (!passed.has(key)) return 'block';
  return steered.has(key) ? 'proxy' : 'direct';
}
