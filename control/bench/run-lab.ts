/** The benchmark's own set-up: the lab, our command line in it, and the changes between which it measures. */
import { SidetrackError } from '../error.js';
import { arrive } from '../hosts/connect.js';
import { ask, type Host } from '../hosts/host.js';
import { processTransport } from '../hosts/process-transport.js';
import { OWN_COMMAND } from '../hosts/sidetrack.js';
import { LAB_CONFIG } from '../lab/demo.js';
import { Lab, type LabProcess } from '../lab/lab.js';
import { ADDRESS } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { listeningQuery } from './facts.js';
import { LAB_VARIANTS, type LabVariant, type LabVariantName } from './lab-variants.js';

/** On the lab's own /run, so that it goes with the lab however that ends. */
const CONFIG_FILE = '/run/sidetrack-bench.yaml';
const RELAY_PORT = 12345;
/** A relay that has no connections left ends at once. */
const END_MS = 5000;

export class BenchLab {
  #relay: LabProcess | undefined;
  #said = '';
  #setUp: LabVariantName | undefined;

  private constructor(private readonly lab: Lab) {}

  static async start(): Promise<BenchLab> {
    return new BenchLab(await Lab.start());
  }

  host(node: string): Promise<Host> {
    return arrive(processTransport(`netns://${node}`, (argv) => this.lab.wrap(node, argv)));
  }

  /** Applies the set-up of a variant and starts its relay, unless that is how it is. */
  async change(name: LabVariantName): Promise<void> {
    const variant: LabVariant = LAB_VARIANTS[name];
    const setUp = variant.sameAs ?? name;
    if (this.#setUp === setUp) return;
    await this.#endRelay();
    const wanted: LabVariant = LAB_VARIANTS[setUp];
    const stdin = wanted.configuration(LAB_CONFIG);
    await this.lab.check(undefined, ['tee', CONFIG_FILE], { stdin });
    await this.#startRelay(wanted.environment ?? {});
    await this.#apply();
    this.#setUp = setUp;
  }

  async #apply(): Promise<void> {
    const argv = [...OWN_COMMAND, 'apply', '-c', CONFIG_FILE];
    const { status, stderr, stdout } = await this.lab.run(undefined, argv);
    if (status === 0) return;
    const said = /^error: (.*)$/m.exec(stderr)?.[1] ?? `${stderr}${stdout}`.trim();
    throw new SidetrackError(`the lab's set-up could not be applied: ${said}`, {
      code: 'bench-lab',
      source: 'host',
      hint: 'choose others with --variants; eBPF needs root',
    });
  }

  async #startRelay(env: Readonly<Record<string, string>>): Promise<void> {
    const argv = [...OWN_COMMAND, 'relay', '-c', CONFIG_FILE];
    this.#said = '';
    const relay = this.lab.spawn('server1', argv, { stdio: ['ignore', 'ignore', 'pipe'], env });
    relay.child.stderr?.on('data', (chunk: Buffer) => {
      this.#said = `${this.#said}${chunk}`.slice(-4096);
    });
    this.#relay = relay;
    let ended = false;
    relay.exited.then(() => {
      ended = true;
    });
    const host = await this.host('server1');
    await waitFor('the relay to listen', async () => {
      if (ended)
        throw new SidetrackError(`the lab's relay ended: ${this.#said.trim()}`, {
          code: 'bench-lab',
          source: 'host',
        });
      return (await ask(host, { ports: listeningQuery })).ports.has(RELAY_PORT);
    });
  }

  async #endRelay(): Promise<void> {
    const relay = this.#relay;
    if (relay === undefined) return;
    relay.signal('SIGTERM');
    const timer = setTimeout(() => relay.signal('SIGKILL'), END_MS);
    await relay.exited;
    clearTimeout(timer);
    this.#relay = undefined;
  }

  stop(): void {
    this.lab.stop();
  }
}

/** Addresses by which the lab's client reaches the lab's server. */
export const LAB_ADDRESSES = { 4: ADDRESS.internet.v4, 6: ADDRESS.internet.v6 } as const;
