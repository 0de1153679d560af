/** A lab with its Internet servers, our command line inside it, and clients that report as JSON. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { type RuleCounter, ruleCounters } from '../../control/apply/rule-counters.js';
import type { RunResult } from '../../control/command/command.js';
import { type RunOptions, runProcess } from '../../control/hosts/process.js';
import { LAB_CONFIG } from '../../control/lab/demo.js';
import { Lab, type LabProcess } from '../../control/lab/lab.js';
import type { Topology } from '../../control/lab/topology.js';
import { waitFor } from '../../control/lab/wait.js';
import { parseListing } from '../../control/nft/listing.js';
import { CHECKOUT, openToOthers } from '../open-checkout.js';

export { waitFor };

// What we print is compared as plain text; with CI=true it would be coloured even into a pipe.
process.env.NO_COLOR = '1';

/** Who judges packets, and how it hands them over. */
export type Classifier = 'nftables' | 'ebpf-mark' | 'ebpf-redirect' | 'ebpf-xdp';

/** `SIDETRACK_CLASSIFIER=ebpf-mark` runs the same tests with the other classifier. */
export const CLASSIFIER = (process.env.SIDETRACK_CLASSIFIER ?? 'nftables') as Classifier;

/** Number of a line of the lab's configuration in the file: two keys come before it otherwise. */
export const lineInFile = (line: number): number => line + (CLASSIFIER === 'nftables' ? 0 : 2);

function withClassifier(yaml: string, name: Classifier): string {
  const [classifier, forwarding] = name.split('-');
  if (forwarding === undefined) return yaml;
  return yaml.replace(
    'router:\n',
    `router:\n  classifier: ${classifier}\n  forwarding: ${forwarding}\n`,
  );
}

/** In place of a line that says the default, so that all others keep their numbers. */
const withoutHeartbeats = (yaml: string): string =>
  yaml.replace(/^ {4}program: relay$/gm, '    health: route');

export const CLI = join(CHECKOUT, 'build/control/cli/main.js');
export const peer = (name: string) => join(CHECKOUT, 'test/netns/peers', `${name}.mjs`);

/** What runs the relay instead of us alone, such as `env LD_PRELOAD=…`; see `make netns-test-asan`. */
export const RELAY_PREFIX = process.env.SIDETRACK_RELAY_PREFIX?.split(' ').filter(Boolean) ?? [];

export class Fixture {
  readonly configFile: string;
  classifier: Classifier = CLASSIFIER;
  /** Whether the router waits for the servers' word. Most tests start no relay, and listen on its port themselves. */
  hearsServers = false;
  private readonly relays: LabProcess[] = [];

  private constructor(
    readonly lab: Lab,
    readonly directory: string,
  ) {
    this.configFile = join(directory, 'sidetrack.yaml');
  }

  static async start(topology?: Topology): Promise<Fixture> {
    const directory = mkdtempSync(join(tmpdir(), 'sidetrack-test-'));
    const fixture = new Fixture(await Lab.start(topology), directory);
    await openToOthers(fixture.lab);
    fixture.configure(LAB_CONFIG);
    await fixture.startPeer('internet', 'server', 'listening');
    return fixture;
  }

  async stop(): Promise<void> {
    // A sanitizer looks for leaks when its process ends by itself.
    if (RELAY_PREFIX.length > 0) await Promise.all(this.relays.map(end));
    this.lab.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  configure(yaml: string): void {
    const asked = this.hearsServers ? yaml : withoutHeartbeats(yaml);
    writeFileSync(this.configFile, withClassifier(asked, this.classifier));
  }

  /** Replaces `from` (must occur) in the lab's usual configuration. */
  configureWith(changes: readonly (readonly [string, string])[]): void {
    let yaml = LAB_CONFIG;
    for (const [from, to] of changes) {
      if (!yaml.includes(from)) throw new Error(`the lab's configuration has no "${from}"`);
      yaml = yaml.replace(from, to);
    }
    this.configure(yaml);
  }

  /** Our command line beside the nodes, with the fixture's configuration. */
  sidetrack(...args: string[]): Promise<RunResult> {
    return this.sidetrackWith({}, ...args);
  }

  sidetrackWith(options: RunOptions, ...args: string[]): Promise<RunResult> {
    const argv = [process.execPath, CLI, ...args, '-c', this.configFile];
    return this.lab.run(undefined, argv, options);
  }

  /** Behind a prefix such as setpriv. */
  sidetrackPrefixed(prefix: readonly string[], ...args: string[]): Promise<RunResult> {
    const argv = [...prefix, process.execPath, CLI, ...args, '-c', this.configFile];
    return this.lab.run(undefined, argv);
  }

  /** On a node, as a user would there. */
  sidetrackOn(node: string, ...args: string[]): Promise<RunResult> {
    return this.sidetrackPrefixedOn(node, [], ...args);
  }

  sidetrackPrefixedOn(
    node: string,
    prefix: readonly string[],
    ...args: string[]
  ): Promise<RunResult> {
    const argv = [...prefix, process.execPath, CLI, ...args, '-c', this.configFile];
    return this.lab.run(node, argv, { timeoutMs: 20_000 });
  }

  /** Without a configuration of ours. */
  sidetrackBare(...args: string[]): Promise<RunResult> {
    return this.lab.run(undefined, [process.execPath, CLI, ...args]);
  }

  /** A PATH with everything that sidetrack runs, except nft. */
  async pathWithoutNft(): Promise<string> {
    const path = `${this.directory}/without-nft`;
    const programs = 'sh cat tee head ip grep rm rmdir mkdir mv nsenter setpriv';
    const link = `mkdir -p ${path}; for p in ${programs}; do ln -sf "$(command -v $p)" ${path}/$p; done`;
    await this.lab.check(undefined, ['sh', '-c', link]);
    return path;
  }

  /** The machine around the lab: what no test may ever change. */
  async hostSnapshot(): Promise<string[]> {
    const commands = [
      ['ip', '-br', 'link'],
      ['ip', 'rule'],
      ['ip', 'route', 'show', 'table', 'all'],
      ['ip', 'netns', 'list'],
      ['sh', '-c', 'nft list ruleset 2>/dev/null; ls /run'],
    ];
    return Promise.all(commands.map(async (argv) => (await runProcess(argv)).stdout));
  }

  /** The same, insisting on success. */
  async succeed(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.sidetrack(...args);
    if (status !== 0) throw new Error(`sidetrack ${args.join(' ')}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Those of `plan --sh`, for both hosts. @returns the directory */
  async scripts(): Promise<string> {
    const directory = `${this.directory}/scripts`;
    await this.succeed('plan', '--sh', directory);
    return directory;
  }

  /** Starts `sidetrack relay` on server1 and waits until it answers. */
  startRelay(...args: string[]): Promise<LabProcess> {
    return this.startRelayOn('server1', ...args);
  }

  async startRelayOn(server: string, ...args: string[]): Promise<LabProcess> {
    const node = [...RELAY_PREFIX, process.execPath];
    const argv = [...node, CLI, 'relay', '-c', this.configFile, ...args];
    const relay = this.lab.spawn(server, argv, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.relays.push(relay);
    let said = '';
    relay.child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    let ended = false;
    relay.exited.then(() => {
      ended = true;
    });
    await waitFor('the relay to answer', async () => {
      if (ended) throw new Error(`the relay ended: ${said}`);
      const argv = ['curl', '-sf', 'http://127.0.0.1:9150/healthz'];
      return (await this.lab.run(server, argv)).status === 0;
    });
    return relay;
  }

  async startPeer(node: string, name: string, ready: string, ...args: string[]) {
    const program = this.lab.spawn(node, [process.execPath, peer(name), ...args]);
    const lines = createInterface({ input: program.child.stdout! });
    for await (const line of lines) if (line.includes(ready)) return program;
    throw new Error(`${name} on ${node} ended before it was ready`);
  }

  /** Runs a mode of peers/client.mjs on `node`; its last line of output, parsed. */
  async client(node: string, ...args: string[]): Promise<Record<string, unknown>> {
    const result = await this.lab.run(node, [process.execPath, peer('client'), ...args], {
      timeoutMs: 60_000,
    });
    const line = result.stdout.trim().split('\n').at(-1);
    if (!line) throw new Error(`client ${args.join(' ')}: ${result.stderr}`);
    return JSON.parse(line) as Record<string, unknown>;
  }

  /** A long-running mode of peers/client.mjs. */
  spawnClient(node: string, ...args: string[]): LabProcess {
    return this.lab.spawn(node, [process.execPath, peer('client'), ...args]);
  }

  /** SHA-256 of a download with curl, and curl's exit status. */
  async download(node: string, url: string): Promise<{ status: number; digest: string }> {
    const script = 'set -o pipefail; curl -gsSf --max-time 20 "$1" | sha256sum';
    const { status, stdout } = await this.lab.run(node, ['bash', '-c', script, 'bash', url]);
    return { status, digest: stdout.split(' ')[0] ?? '' };
  }

  /** A Prometheus sample of the relay; labels as written in the exposition format. */
  async metric(sample: string, server = 'server1'): Promise<number> {
    const url = 'http://127.0.0.1:9150/metrics';
    const text = await this.lab.check(server, ['curl', '-sf', url]);
    const line = text.split('\n').find((one) => one.startsWith(`${sample} `));
    return line ? Number(line.split(' ').at(-1)) : 0;
  }

  /** Packets that the router counted under `comment`. */
  async counted(comment: string): Promise<number> {
    const counters = (await this.nftCounters()) ?? (await this.statusCounters());
    return counters.find(({ rule }) => rule === comment)?.packets ?? 0;
  }

  /** What `status` says of the nftables classifier, in a twentieth of the time; undefined where another one judges. */
  private async nftCounters(): Promise<readonly RuleCounter[] | undefined> {
    const list = ['nft', '-j', '-t', 'list', 'table', 'inet', 'sidetrack'];
    const { status, stdout } = await this.lab.run('router', list);
    if (status !== 0) return undefined;
    const listing = parseListing(stdout);
    return listing.chains.some(({ name }) => name === 'classify')
      ? ruleCounters(listing)
      : undefined;
  }

  private async statusCounters(): Promise<readonly RuleCounter[]> {
    const { stdout } = await this.sidetrack('status', '--json', '--only', 'router');
    const { hosts } = JSON.parse(stdout) as { hosts: { name: string; counters: RuleCounter[] }[] };
    return hosts.find(({ name }) => name === 'router')?.counters ?? [];
  }
}

/** The first signal lets connections finish, the second does not. */
async function end(relay: LabProcess): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGTERM', 'SIGKILL'] as const) {
    relay.signal(signal);
    if (await Promise.race([relay.exited.then(() => true), delay(3000, false)])) return;
  }
}

/** `http://` URL of an address of either family. */
export function url(address: string, path: string, port = 80): string {
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}${path}`;
}

export const FAMILIES = ['v4', 'v6'] as const;
