/** A running lab: start, run programs on its nodes, stop. */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { RunResult } from '../command/command.js';
import { SidetrackError } from '../error.js';
import { type RunOptions, runProcess } from '../hosts/process.js';
import { inNamespace } from '../hosts/process-transport.js';
import { enterArgs, type Holder, type HolderMode, holderAlive, startHolder } from './holder.js';
import { buildScript } from './script.js';
import { DEFAULT_TOPOLOGY, type Topology } from './topology.js';

/** A program running on a node of the lab. */
export interface LabProcess {
  /** The process that entered the lab; its streams are the program's streams. */
  child: ChildProcess;
  /** Sends `signal` to the program itself, not to the process that entered the lab. */
  signal(signal: NodeJS.Signals): void;
  /** Exit status once it ended (128 + n after signal n is reported as null by Node). */
  exited: Promise<number | null>;
}

export class Lab {
  private constructor(
    readonly holder: Holder,
    readonly topology: Topology,
  ) {}

  /** Builds `topology` in namespaces of its own. @throws SidetrackError when the machine cannot. */
  static async start(
    topology: Topology = DEFAULT_TOPOLOGY,
    mode: HolderMode = 'attached',
  ): Promise<Lab> {
    const lab = new Lab(await startHolder(mode), topology);
    const built = await lab.run(undefined, ['sh'], { stdin: buildScript(topology) });
    if (built.status === 0) return lab;
    lab.stop();
    throw new SidetrackError(`cannot build the lab: ${built.stderr.trim()}`, {
      code: 'lab-build',
      source: 'kernel',
      hint: 'the lab needs nftables, iproute2, veth and bridge support; `make deps` installs the programs',
    });
  }

  /** A lab that another process started. */
  static enter(holder: Holder, topology: Topology = DEFAULT_TOPOLOGY): Lab {
    return new Lab(holder, topology);
  }

  /** Argument vector that runs `argv` on `node`, or beside the nodes when undefined. */
  wrap(node: string | undefined, argv: readonly string[]): string[] {
    const enter = enterArgs(this.holder, process.cwd());
    if (node === undefined) return [...enter, ...argv];
    this.assertNode(node);
    return [...enter, ...inNamespace(node, argv)];
  }

  /** Runs `argv` to its end and collects its output. */
  run(
    node: string | undefined,
    argv: readonly string[],
    options: RunOptions = {},
  ): Promise<RunResult> {
    return runProcess(this.wrap(node, argv), options);
  }

  /** Runs `argv` and returns its standard output; a failure is an error that shows what it said. */
  async check(
    node: string | undefined,
    argv: readonly string[],
    options: RunOptions = {},
  ): Promise<string> {
    const { status, stdout, stderr } = await this.run(node, argv, options);
    if (status === 0) return stdout;
    throw new SidetrackError(
      `${node ?? 'lab'}: "${argv.join(' ')}" ended with ${status}: ${stderr || stdout}`,
      { code: 'lab-command', source: 'host' },
    );
  }

  /** Starts a long-running program. It ends with the lab at the latest. */
  spawn(
    node: string | undefined,
    argv: readonly string[],
    options: { stdio?: StdioOptions; env?: Readonly<Record<string, string>> } = {},
  ): LabProcess {
    const [file, ...args] = this.wrap(node, argv);
    const child = spawn(file!, args, {
      stdio: options.stdio ?? 'pipe',
      env: { ...process.env, ...options.env },
    });
    const exited = new Promise<number | null>((resolve, reject) => {
      child.once('close', resolve);
      child.once('error', reject);
    });
    return { child, exited, signal: (signal) => signalProgram(child, signal) };
  }

  /** Ends everything inside. Safe to call twice. */
  stop(): void {
    if (!holderAlive(this.holder)) return;
    process.kill(this.holder.pid, 'SIGKILL');
  }

  private assertNode(node: string): void {
    const names = this.topology.nodes.map(({ name }) => name);
    if (names.includes(node)) return;
    throw new SidetrackError(`the lab has no node "${node}"`, {
      code: 'lab-node',
      source: 'user',
      hint: `its nodes are ${names.join(', ')}`,
    });
  }
}

function signalProgram(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const pid = child.pid!;
  const inner = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  if (inner !== '') process.kill(Number(inner), signal);
}
