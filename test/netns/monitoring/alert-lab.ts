/**
 * A lab in which alerts fire: relay, exporter and a Prometheus on server1, with the rules of the code
 * made a minute to a second.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LabProcess } from '../../../control/lab/lab.js';
import { selector } from '../../../monitoring/promql.js';
import { DEFAULTS, type Parameters } from '../../../monitoring/rules/parameters.js';
import { rulesFile } from '../../../monitoring/rules/rules.js';
import type { AlertName } from '../../../monitoring/runbooks.js';
import { RunningExporter } from '../exporter-fixture.js';
import { CLI, Fixture, RELAY_PREFIX, waitFor } from '../fixture.js';
import { Prometheus } from './prometheus.js';

/** What fires in real minutes has to wait for as many seconds; a busy machine takes longer. */
const PATIENCE_MS = 90_000;

/** A minute is a second, and a handful of connections is a lot. */
const IN_A_LAB: Partial<Parameters> = {
  scale: 1 / 60,
  connections_least: 5,
  unsteered_flows: 2,
  denied_least: 5,
  half_open: 1,
  loops: 3,
  restarts: 0,
};

/** Where Prometheus asks beside relay and exporter, for what a test serves there itself. */
export const TEXTFILE_PORT = 9100;

export class AlertLab {
  relay: LabProcess | undefined;
  private readonly loops = new Set<LabProcess>();

  private constructor(
    readonly fixture: Fixture,
    readonly prometheus: Prometheus,
    public exporter: RunningExporter,
  ) {}

  /** @param parameters of the rules, besides those for a lab. */
  static async start(
    configuration: string,
    parameters: Partial<Parameters> = {},
  ): Promise<AlertLab> {
    const fixture = await Fixture.start();
    fixture.configure(configuration);
    const relay = await fixture.startRelay();
    await fixture.succeed('apply');
    const exporter = await RunningExporter.start(fixture, { node: 'server1' });
    const rules = join(fixture.directory, 'rules.yml');
    writeFileSync(rules, rulesFile({ ...DEFAULTS, ...IN_A_LAB, ...parameters }));
    const prometheus = await Prometheus.start({
      lab: fixture.lab,
      node: 'server1',
      directory: fixture.directory,
      scrapeInterval: '1s',
      jobs: {
        'sidetrack-relay': { targets: ['127.0.0.1:9150'] },
        'sidetrack-exporter': { targets: ['127.0.0.1:9151'] },
        node: { targets: [`127.0.0.1:${TEXTFILE_PORT}`] },
      },
      ruleFiles: [rules],
    });
    const lab = new AlertLab(fixture, prometheus, exporter);
    lab.relay = relay;
    await waitFor('both to be scraped', async () => {
      const up = await prometheus.query('up{job=~"sidetrack-.*"} == 1');
      return up.length === 2;
    });
    return lab;
  }

  async stop(): Promise<void> {
    await this.prometheus.stop();
    await this.fixture.stop();
  }

  /** Names of those that fire. */
  async firing(): Promise<string[]> {
    const alerts = await this.prometheus.alerts();
    const names = alerts.flatMap(({ state, labels }) =>
      state === 'firing' ? (labels.alertname ?? '') : [],
    );
    return [...new Set(names)].sort();
  }

  /** Waits until all of them fire. */
  async untilFiring(...names: readonly AlertName[]): Promise<void> {
    let firing: readonly string[] = [];
    const missing = () => names.filter((name) => !firing.includes(name));
    try {
      await waitFor(
        names.join(', '),
        async () => {
          firing = await this.firing();
          return missing().length === 0;
        },
        PATIENCE_MS,
      );
    } catch (error) {
      const pending = (await this.prometheus.alerts()).map(
        ({ state, labels, value }) => `${labels.alertname} is ${state} at ${value}`,
      );
      const said = `does not fire: ${missing().join(', ')}; ${pending.join(', ')}`;
      throw new Error(said, { cause: error });
    }
  }

  /** Waits until none of them does. */
  untilQuiet(...names: readonly AlertName[]): Promise<void> {
    return waitFor(
      `${names.join(', ')} to end`,
      async () => {
        const firing = await this.firing();
        return names.every((name) => !firing.includes(name));
      },
      PATIENCE_MS,
    );
  }

  /** A command on a node, ten times a second, until the test ends or `end` is called. */
  again(node: string, command: string): { end(): Promise<void> } {
    const script = `while :; do ${command} >/dev/null 2>&1; sleep 0.1; done`;
    const loop = this.fixture.lab.spawn(node, ['sh', '-c', script], { stdio: 'ignore' });
    this.loops.add(loop);
    return {
      end: async () => {
        this.loops.delete(loop);
        loop.signal('SIGKILL');
        await loop.exited;
      },
    };
  }

  async endLoops(): Promise<void> {
    for (const loop of this.loops) {
      loop.signal('SIGKILL');
      await loop.exited;
    }
    this.loops.clear();
  }

  /** The relay reads the configuration of now. */
  async reload(configuration: string): Promise<void> {
    const reloads = async () => {
      const count = (result: 'success' | 'failure') =>
        this.fixture.metric(selector('relayReloads', { result }));
      return (await count('success')) + (await count('failure'));
    };
    const before = await reloads();
    this.fixture.configure(configuration);
    this.relay!.signal('SIGHUP');
    await waitFor('the reload', async () => (await reloads()) > before);
  }

  /** The relay begins anew, with the configuration of now. */
  async restart(configuration: string): Promise<void> {
    const { fixture } = this;
    fixture.configure(configuration);
    this.relay?.signal('SIGKILL');
    await this.relay?.exited;
    const argv = [...RELAY_PREFIX, process.execPath, CLI, 'relay', '-c', fixture.configFile];
    this.relay = fixture.lab.spawn('server1', argv, { stdio: 'ignore' });
    const healthy = ['curl', '-sf', 'http://127.0.0.1:9150/healthz'];
    await waitFor(
      'the relay to answer',
      async () => (await fixture.lab.run('server1', healthy)).status === 0,
      PATIENCE_MS,
    );
  }

  /** The exporter compares hosts only now and then, unless it is told to. */
  compare(): void {
    this.exporter.process.signal('SIGHUP');
  }
}
