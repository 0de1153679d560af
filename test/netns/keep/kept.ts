/** The watcher of a node, from the files that an apply would leave there. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import type { Deployment } from '../../../control/apply/deployment.js';
import { planDeployment } from '../../../control/apply/deployment.js';
import { freshKeys } from '../../../control/apply/heartbeat-keys.js';
import { loadConfig } from '../../../control/config/load.js';
import { arrive } from '../../../control/hosts/connect.js';
import { processTransport } from '../../../control/hosts/process-transport.js';
import { keepFiles, keepRunDirectory } from '../../../control/keep/files.js';
import type { LabProcess } from '../../../control/lab/lab.js';
import { compilePolicy } from '../../../control/policy/compile.js';
import { type Fixture, waitFor } from '../fixture.js';

export interface KeepState {
  pid: number;
  kept: number;
  repairs: Record<string, number>;
  last: { kind: string; name: string; why: string }[];
  open: { kind: string; name: string; why: string }[];
  alarms: { kind: string; name: string; why: string }[];
}

export class Kept {
  private constructor(
    private readonly fixture: Fixture,
    readonly node: string,
    readonly directory: string,
    readonly runDirectory: string,
    private readonly shell: readonly string[],
  ) {}

  /** Of a node as the configuration wants it. */
  static async of(fixture: Fixture, node: string, shell: readonly string[] = ['dash']) {
    const directory = `${fixture.directory}/keep-${node}`;
    const host = await hostOf(fixture, node);
    const kept = new Kept(fixture, node, directory, keepRunDirectory(host.stateDir), shell);
    await kept.write();
    return kept;
  }

  /** What the configuration wants now. */
  async write(): Promise<void> {
    rmSync(this.directory, { recursive: true, force: true });
    for (const { path, content, mode } of await filesOf(this.fixture, this.node, this.directory)) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content, { mode });
    }
  }

  argv(...verb: string[]): string[] {
    return [...this.shell, `${this.directory}/program`, ...verb];
  }

  run(...verb: string[]) {
    return this.fixture.lab.run(this.node, this.argv(...verb));
  }

  /** It has seen to everything once. */
  async watch(): Promise<LabProcess & { said: string[] }> {
    await this.fixture.lab.run(undefined, ['rm', '-f', `${this.runDirectory}/state.json`]);
    const program = this.fixture.lab.spawn(this.node, this.argv('watch'));
    const said: string[] = [];
    createInterface({ input: program.child.stderr! }).on('line', (line) => said.push(line));
    await waitFor('the watcher', async () => (await this.state()) !== undefined);
    return { ...program, said };
  }

  async state(): Promise<KeepState | undefined> {
    const { stdout, status } = await this.fixture.lab.run(undefined, [
      'cat',
      `${this.runDirectory}/state.json`,
    ]);
    return status === 0 ? (JSON.parse(stdout) as KeepState) : undefined;
  }
}

const hostOf = (fixture: Fixture, node: string) =>
  arrive(processTransport(`netns://${node}`, (argv) => fixture.lab.wrap(node, argv)));

async function filesOf(fixture: Fixture, node: string, directory: string) {
  const config = await loadConfig(fixture.configFile);
  const names = ['server1', 'router'];
  const hosts = new Map(
    await Promise.all(names.map(async (name) => [name, await hostOf(fixture, name)] as const)),
  );
  const deployment: Deployment = {
    config,
    policy: compilePolicy(config),
    hosts,
    freshKeys: freshKeys(config),
  };
  const { hosts: plans } = await planDeployment(deployment);
  const { desired, observed, steps } = plans.find(({ name }) => name === node)!;
  if (steps.length > 0 || observed.saved === undefined) throw new Error(`${node} is not applied`);
  return keepFiles({ desired, observed, saved: observed.saved }, directory);
}
