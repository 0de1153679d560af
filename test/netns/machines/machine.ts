/**
 * A node of the lab as a machine of its own: processes, /run, /etc and a host name that it shares with no other. What an
 * ssh session starts there lives until the machine ends, not until the session does.
 */
import { readFileSync } from 'node:fs';
import type { RunResult } from '../../../control/command/command.js';
import { type RunOptions, runProcess } from '../../../control/hosts/process.js';
import type { Lab, LabProcess } from '../../../control/lab/lab.js';
import { waitFor } from '../fixture.js';

/** Each its own; the network is the node's. */
const UNSHARE = ['unshare', '--mount', '--uts', '--ipc', '--pid', '--fork', '--kill-child'];

export interface MachineSetUp {
  node: string;
  /** Runs as the machine's first process, with `arguments` as $1 and so on; it must not end. */
  script: string;
  arguments: readonly string[];
  /** Argument vector that makes its disk; run once, beside the nodes. */
  prepare: readonly string[];
  /** Where wrappers are found before the programs that they wrap, as seen from outside. */
  wrappers: string;
  /** Above /proc, /etc and so on, as seen from outside. */
  root: string;
}

export class Machine {
  private constructor(
    readonly lab: Lab,
    readonly setUp: MachineSetUp,
    private readonly process: LabProcess,
    /** Of its first process, as seen from outside the lab. */
    readonly pid: number,
  ) {}

  static async boot(lab: Lab, setUp: MachineSetUp): Promise<Machine> {
    const argv = [...UNSHARE, 'sh', '-c', setUp.script, 'sh', ...setUp.arguments];
    const process = lab.spawn(setUp.node, argv);
    let said = '';
    process.child.stdout!.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    process.child.stderr!.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    let ended = false;
    process.exited.then(() => {
      ended = true;
    });
    await waitFor(`the machine ${setUp.node} to listen for ssh`, async () => {
      if (ended) throw new Error(`the machine ${setUp.node} ended: ${said}`);
      const { stdout } = await lab.run(setUp.node, ['cat', '/proc/net/tcp']);
      return LISTENING_SSH.test(stdout);
    });
    return new Machine(lab, setUp, process, firstProcess(process));
  }

  get node(): string {
    return this.setUp.node;
  }

  /** Runs it inside, as root and beside ssh. */
  run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return runProcess(this.wrap(argv), options);
  }

  async check(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    const { status, stdout, stderr } = await this.run(argv, options);
    if (status === 0) return stdout;
    throw new Error(`${this.node}: "${argv.join(' ')}" ended with ${status}: ${stderr}${stdout}`);
  }

  shell(script: string, ...args: string[]): Promise<string> {
    return this.check(['sh', '-c', script, 'sh', ...args]);
  }

  wrap(argv: readonly string[]): string[] {
    const namespaces = ['--mount', '--uts', '--ipc', '--net', '--pid'];
    return ['nsenter', `--target=${this.pid}`, ...namespaces, '--root', '--wd=/', '--', ...argv];
  }

  /** Numbers, inside, of the processes that have `words` in their command line. */
  async processes(words: string): Promise<number[]> {
    const script = `for d in /proc/[0-9]*; do
      tr '\\0' ' ' <$d/cmdline 2>/dev/null | grep -qF -- "$1" && [ "\${d#/proc/}" != $$ ] && echo \${d#/proc/}
    done; :`;
    const lines = (await this.shell(script, words)).split('\n').filter(Boolean);
    return lines.map(Number);
  }

  /** Every process of it is gone at once, and has done nothing more. What is on disk stays. */
  async stop(): Promise<void> {
    process.kill(this.pid, 'SIGKILL');
    await this.process.exited;
  }
}

/** Port 22 in state LISTEN. */
const LISTENING_SSH = /:0016 \S+ 0A /;

/** unshare entered the node and has one child, the machine's first process. */
function firstProcess({ child }: LabProcess): number {
  const childOf = (pid: number) =>
    Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
  return childOf(childOf(child.pid!));
}
