/** `sidetrack exporter` in a lab, and its samples. */
import type { LabProcess } from '../../control/lab/lab.js';
import type { State } from '../../monitoring/state.js';
import { CLI, type Fixture, waitFor } from './fixture.js';

export const EXPORTER = 'http://127.0.0.1:9151';

export class RunningExporter {
  said = '';

  private constructor(
    private readonly fixture: Fixture,
    /** Where it runs; beside the nodes when absent. */
    private readonly node: string | undefined,
    readonly process: LabProcess,
  ) {
    process.child.stderr!.on('data', (chunk: Buffer) => {
      this.said += chunk;
    });
  }

  static async start(
    fixture: Fixture,
    { node, env = [] }: { node?: string; env?: readonly string[] } = {},
  ): Promise<RunningExporter> {
    await fixture.lab.check(node, ['ip', 'link', 'set', 'lo', 'up']);
    const argv = ['env', ...env, process.execPath, CLI, 'exporter', '-c', fixture.configFile];
    const child = fixture.lab.spawn(node, argv, { stdio: ['ignore', 'ignore', 'pipe'] });
    const exporter = new RunningExporter(fixture, node, child);
    let ended = false;
    child.exited.then(() => {
      ended = true;
    });
    await waitFor('the exporter to listen', async () => {
      if (ended) throw new Error(`the exporter ended: ${exporter.said}`);
      return exporter.said.includes('/metrics');
    });
    return exporter;
  }

  get(path: string, ...curl: string[]): Promise<string> {
    const argv = ['curl', '-sS', '--max-time', '30', ...curl, `${EXPORTER}${path}`];
    return this.fixture.lab.check(this.node, argv);
  }

  async state(): Promise<State> {
    return JSON.parse(await this.get('/state.json')) as State;
  }

  /** By sample, labels as written. */
  async samples(): Promise<Map<string, number>> {
    return samplesOf(await this.get('/metrics'));
  }

  async stop(): Promise<void> {
    this.process.signal('SIGTERM');
    await this.process.exited;
  }
}

export function samplesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}
