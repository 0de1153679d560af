/**
 * Machines in a lab that are reached by ssh alone, and the one that reaches them. The client's keys, configuration and
 * known hosts lie in the test's directory; the user's own are never read.
 */
import { appendFileSync, chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunResult } from '../../../control/command/command.js';
import { type RunOptions, runProcess } from '../../../control/hosts/process.js';
import { ADDRESS } from '../../../control/lab/topology.js';
import { CLI, type Fixture, peer } from '../fixture.js';
import { type DebianOptions, debianMachine } from './debian.js';
import { Machine, type MachineSetUp } from './machine.js';
import { type OpenWrtOptions, openWrtMachine } from './openwrt.js';
import { forgetNetwork, makeNetwork, sysctlsOf } from './power.js';
import { program } from './programs.js';

export type MachineNode = 'router' | 'server1';

/** A node from which both are reached by the wires that a change may cut. */
export const LAPTOP = 'client';

const OWNER_ONLY = 0o600;
const PROGRAM_MODE = 0o755;

export class Machines {
  readonly directory: string;
  private readonly running = new Map<string, Machine>();
  private readonly sysctls = new Map<string, string>();

  private constructor(private readonly fixture: Fixture) {
    this.directory = join(fixture.directory, 'machines');
  }

  static async prepare(fixture: Fixture): Promise<Machines> {
    const machines = new Machines(fixture);
    // The ordinary user of a machine has to pass through.
    chmodSync(fixture.directory, PROGRAM_MODE);
    mkdirSync(machines.own('bin'), { recursive: true });
    await keyPair(machines.own('id'));
    writeFileSync(machines.own('known_hosts'), '');
    writeFileSync(
      machines.own('config'),
      [
        'Host router',
        `  HostName ${ADDRESS.router.v4}`,
        'Host server1',
        `  HostName ${ADDRESS.server1.v4}`,
        'Host *',
        '  User root',
        `  IdentityFile ${machines.own('id')}`,
        '  IdentitiesOnly yes',
        `  UserKnownHostsFile ${machines.own('known_hosts')}`,
        '  GlobalKnownHostsFile /dev/null',
        '',
      ].join('\n'),
    );
    machines.useSsh();
    return machines;
  }

  own(name: string): string {
    return join(this.directory, name);
  }

  /** The `ssh` that everything on the laptop runs: a script for sh. */
  replaceSsh(script: string): void {
    writeFileSync(this.own('bin/ssh'), `#!/bin/sh\n${script}\n`, { mode: PROGRAM_MODE });
  }

  /** The real one, after `first`. */
  useSsh(first = ':'): void {
    this.replaceSsh(`${first}\nexec ${program('ssh')} -F ${this.own('config')} "$@"`);
  }

  /** Runs it with an ssh that counts. @returns its result, and the round trips to each host */
  async counted(
    work: () => Promise<RunResult>,
  ): Promise<{ result: RunResult; trips: Record<MachineNode, number> }> {
    const log = this.own('turns');
    writeFileSync(log, '');
    const ssh = `${program('ssh')} -F ${this.own('config')}`;
    this.replaceSsh(`exec ${process.execPath} ${peer('ssh-turns')} ${log} ${ssh} "$@"`);
    const result = await work().finally(() => this.useSsh());
    const lines = readFileSync(log, 'utf8').split('\n');
    const to = (node: MachineNode) => lines.filter((line) => line === ADDRESS[node].v4).length;
    return { result, trips: { router: to('router'), server1: to('server1') } };
  }

  debian(node: MachineNode, options: DebianOptions = {}): Promise<Machine> {
    const directory = this.own(node);
    mkdirSync(directory, { recursive: true });
    return this.make(debianMachine(node, directory, this.publicKey(), options), async () => {
      await keyPair(join(directory, 'host_key'));
      return readFileSync(join(directory, 'host_key.pub'), 'utf8');
    });
  }

  openWrt(node: MachineNode, options: OpenWrtOptions = {}): Promise<Machine> {
    const directory = this.own(node);
    mkdirSync(directory, { recursive: true });
    return this.make(openWrtMachine(node, directory, this.publicKey(), options), async () => {
      const key = join(directory, 'root/etc/dropbear/host_key');
      const argv = [program('dropbearkey'), '-t', 'ed25519', '-f', key];
      const { stdout } = await runProcess(argv);
      return stdout.split('\n').find((line) => line.startsWith('ssh-'))!;
    });
  }

  get(node: MachineNode): Machine {
    const machine = this.running.get(node);
    if (machine === undefined) throw new Error(`${node} is not a machine, or has no power`);
    return machine;
  }

  /** What both need: the test's ssh, and no agent of the user's. */
  get environment(): Record<string, string> {
    return { PATH: `${this.own('bin')}:${process.env.PATH}`, SSH_AUTH_SOCK: '' };
  }

  /** Our command line on the laptop, with the fixture's configuration. */
  sidetrack(...args: string[]): Promise<RunResult> {
    return this.sidetrackWith({}, ...args);
  }

  sidetrackWith({ env, ...options }: RunOptions, ...args: string[]): Promise<RunResult> {
    const argv = [process.execPath, CLI, ...args, '-c', this.fixture.configFile];
    const environment = { ...this.environment, ...env };
    return this.fixture.lab.run(LAPTOP, argv, { ...options, env: environment });
  }

  /** Any program on the laptop, such as ssh. */
  run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return this.fixture.lab.run(LAPTOP, argv, { ...options, env: this.environment });
  }

  /** Nothing gets a chance to tidy up, and of the kernel's state nothing is left. */
  async losePower(node: MachineNode): Promise<void> {
    await this.cutPower(node);
    await makeNetwork(this.fixture.lab, node);
  }

  /** The same, and what makes its network has not run either. */
  async cutPower(node: MachineNode): Promise<void> {
    await this.get(node).stop();
    this.running.delete(node);
    await forgetNetwork(this.fixture.lab, node, this.sysctls.get(node)!);
  }

  /** Makes a machine that has lost power start again, from the same disk. */
  async restorePower(machine: Machine): Promise<Machine> {
    return this.boot(machine.setUp);
  }

  private publicKey(): string {
    return readFileSync(this.own('id.pub'), 'utf8');
  }

  private async make(setUp: MachineSetUp, hostKey: () => Promise<string>): Promise<Machine> {
    await this.fixture.lab.check(undefined, setUp.prepare);
    this.sysctls.set(setUp.node, await sysctlsOf(this.fixture.lab, setUp.node));
    const [type, key] = (await hostKey()).split(' ');
    for (const address of Object.values(ADDRESS[setUp.node as MachineNode]))
      appendFileSync(this.own('known_hosts'), `${address} ${type} ${key}\n`);
    return this.boot(setUp);
  }

  private async boot(setUp: MachineSetUp): Promise<Machine> {
    const machine = await Machine.boot(this.fixture.lab, setUp);
    this.running.set(setUp.node, machine);
    return machine;
  }
}

async function keyPair(path: string): Promise<void> {
  const argv = [program('ssh-keygen'), '-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', path];
  const { status, stderr } = await runProcess(argv);
  if (status !== 0) throw new Error(`ssh-keygen: ${stderr}`);
  chmodSync(path, OWNER_ONLY);
}
