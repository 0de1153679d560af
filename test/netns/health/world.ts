/** A lab with several servers whose relays send heartbeats, and clients by the dozen. */

import { labConfig } from '../../../control/lab/demo.js';
import type { LabProcess } from '../../../control/lab/lab.js';
import { ADDRESS, type LabServer, labServers, labTopology } from '../../../control/lab/topology.js';
import { type Classifier, Fixture, waitFor } from '../fixture.js';

export interface WorldOptions {
  servers: number;
  classifier?: Classifier;
  onFailure?: 'direct' | 'block';
  /** More of a server's entry, by its name, such as `weight: 3`. */
  entries?: Readonly<Record<string, string>>;
  /** Sections after those of the lab. */
  more?: string;
  /** Machines of the LAN that the configuration does not know, after the servers. */
  strangers?: number;
  /** Addresses of the client beside its own, of each family. */
  sources?: number;
}

/** Of the first, in both families; the next ones follow. */
const FIRST_SOURCE = 100;

export class HealthWorld {
  readonly relays = new Map<string, LabProcess>();

  private constructor(
    readonly fixture: Fixture,
    readonly options: WorldOptions,
  ) {}

  /** Applies, starts the relays, and waits until the router gives flows to all of them. */
  static async start(options: WorldOptions): Promise<HealthWorld> {
    const { servers, strangers = 0 } = options;
    const fixture = await Fixture.start(labTopology(servers + strangers));
    const world = new HealthWorld(fixture, options);
    try {
      world.fixture.classifier = options.classifier ?? 'nftables';
      world.fixture.hearsServers = true;
      world.fixture.configure(world.yaml());
      await world.addSources();
      await world.fixture.succeed('apply');
      await Promise.all(world.servers.map(({ name }) => world.startRelay(name)));
      await world.waitFor('alive');
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  stop(): Promise<void> {
    return this.fixture.stop();
  }

  get servers(): LabServer[] {
    return labServers(this.options.servers);
  }

  server(name: string): LabServer {
    return this.servers.find((server) => server.name === name)!;
  }

  yaml(): string {
    const { entries = {}, onFailure = 'direct', more = '', servers } = this.options;
    const withEntries = labConfig(servers).replaceAll(
      /( {2}- name: (server\d+)\n)/g,
      (line, _, name: string) => {
        const entry = entries[name];
        return entry === undefined ? line : `${line}    ${entry}\n`;
      },
    );
    return `${withEntries}on_failure: ${onFailure}\n${more}`;
  }

  async startRelay(name: string): Promise<void> {
    this.relays.set(name, await this.fixture.startRelayOn(name, '--server', name));
  }

  /** What the router says of a server. */
  async health(name: string): Promise<RouterView> {
    const { stdout } = await this.fixture.sidetrack('status', '--json', '--only', 'router');
    return healthIn(stdout, name);
  }

  /**
   * Waits until all servers are given flows. One that was away too often of late is held back for up to
   * 45 s, which a table of its own forgets.
   */
  async settle(): Promise<void> {
    let states: string[] = [];
    const names = this.servers.map(({ name }) => name);
    await waitFor('the servers to come back', async () => {
      const all = await Promise.all(names.map((name) => this.health(name)));
      states = all.flatMap(({ families }) => Object.values(families));
      return states.every((state) => state === 'alive' || state === 'held');
    });
    if (!states.includes('held')) return;
    await this.fixture.succeed('down', '--only', 'router');
    await this.fixture.succeed('apply');
    await this.waitFor('alive');
  }

  /** Waits until the router has given all named servers that state in both families. */
  async waitFor(state: string, names = this.servers.map(({ name }) => name)): Promise<void> {
    for (const name of names) {
      let seen: unknown;
      await waitFor(`${name} to be ${state}`, async () => {
        const { families } = await this.health(name);
        seen = families;
        return Object.values(families).every((one) => one === state);
      }).catch((error: Error) => {
        throw new Error(`${error.message}; it is ${JSON.stringify(seen)}`);
      });
    }
  }

  /** Of both families, beside the client's own. */
  get sources(): string[] {
    return Array.from({ length: this.options.sources ?? 0 }, (_, i) => [
      `192.168.1.${FIRST_SOURCE + i}`,
      `fd00:1::${FIRST_SOURCE + i}`,
    ]).flat();
  }

  private async addSources(): Promise<void> {
    const lines = this.sources.map((address) =>
      address.includes(':')
        ? `address add ${address}/64 dev eth0 nodad`
        : `address add ${address}/24 dev eth0`,
    );
    if (lines.length === 0) return;
    await this.fixture.lab.check('client', ['ip', '-batch', '-'], { stdin: lines.join('\n') });
  }

  /** Connections that the relay has accepted so far. */
  async accepted(name: string): Promise<number> {
    const families = ['ipv4', 'ipv6'].map((family) =>
      this.fixture.metric(`sidetrack_relay_connections_total{family="${family}"}`, name),
    );
    return (await Promise.all(families)).reduce((sum, one) => sum + one, 0);
  }

  sh(node: string, script: string): Promise<string> {
    return this.fixture.lab.check(node, ['sh', '-ec', script]);
  }
}

/** Of `more`: an upstream that died is found out within two seconds. */
export const PROBING = `relay:
  probe:
    destination: ["${ADDRESS.internet.v4}:80", "[${ADDRESS.internet.v6}]:80"]
    interval_seconds: 1
    timeout_seconds: 1
`;

export const INTERNET = [ADDRESS.internet.v4, ADDRESS.internet.v6] as const;

/** A server in `status --json`. */
export interface RouterView {
  /** State by family, `4` and `6`. */
  families: Record<string, string>;
  drained: boolean;
  reason?: string;
  ignored: Record<string, number>;
}

function healthIn(json: string, name: string): RouterView {
  const { hosts } = JSON.parse(json) as {
    hosts: { name: string; servers?: ({ server: string } & RouterView)[] }[];
  };
  const servers = hosts.find((host) => host.name === 'router')?.servers ?? [];
  const found = servers.find(({ server }) => server === name);
  if (found === undefined) throw new Error(`status knows nothing of ${name}: ${json}`);
  return found;
}
