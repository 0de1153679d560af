/** The relay as a service on server1, under a stand-in for systemd that reports everything it is told. */
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { LabProcess } from '../../control/lab/lab.js';
import { CLI, type Fixture, RELAY_PREFIX, waitFor } from './fixture.js';

const program = (name: string) =>
  fileURLToPath(new URL(`../../build/test/${name}`, import.meta.url));
const SUPERVISE = program('supervise');
/** Many other programs may be busy on this machine. */
const PATIENCE_MS = 60_000;

export const FREEZE = program('freeze');

export interface ServiceOptions {
  socket?: string;
  watchdogMs?: number;
  /** In front of the relay, such as setpriv. */
  prefix?: readonly string[];
  /** False where a sanitizer would need more than the relay may do. */
  sanitized?: boolean;
  /** False for one that is not expected to get that far. */
  awaitReady?: boolean;
}

export class Service {
  /** What the supervisor said, line by line. */
  readonly lines: string[] = [];
  /** What the relays said. */
  said = '';

  private constructor(
    readonly fixture: Fixture,
    private readonly supervisor: LabProcess,
  ) {
    createInterface({ input: supervisor.child.stdout! }).on('line', (line) =>
      this.lines.push(line),
    );
    supervisor.child.stderr!.on('data', (chunk: Buffer) => {
      this.said += chunk;
    });
  }

  static async start(fixture: Fixture, options: ServiceOptions = {}): Promise<Service> {
    const { socket = '@sidetrack-test', watchdogMs = 0, prefix = [], awaitReady = true } = options;
    const sanitizer = options.sanitized === false ? [] : RELAY_PREFIX;
    const relay = [
      ...prefix,
      ...sanitizer,
      process.execPath,
      CLI,
      'relay',
      '-c',
      fixture.configFile,
    ];
    const argv = [SUPERVISE, socket, String(watchdogMs), ...relay];
    const service = new Service(fixture, fixture.lab.spawn('server1', argv));
    try {
      await service.begin(awaitReady);
    } catch (error) {
      await service.stop();
      throw error;
    }
    return service;
  }

  /** Starts the program, with what the store holds, and waits until it is ready. */
  async begin(awaitReady = true): Promise<void> {
    const from = this.lines.length;
    this.supervisor.child.stdin!.write('start\n');
    if (!awaitReady) return;
    const started = () => this.matching(/^started/, from) > 0;
    const ready = () => this.matching(/^notify \d+ READY=1/, from) > 0;
    // Not an older one, which may have been finishing its connections.
    const over = () => started() && this.ended(this.pid());
    await this.until('the relay to be ready', () => ready() || over());
    if (!ready()) throw new Error(`the relay ended\n${this.lines.join('\n')}\n${this.said}`);
  }

  matching(pattern: RegExp, from = 0): number {
    return this.lines.slice(from).filter((line) => pattern.test(line)).length;
  }

  /** The main process as the supervisor knows it. */
  pid(): number {
    const line = this.lines.findLast((one) => /^started|\bMAINPID=/.test(one))!;
    return Number(/MAINPID=(\d+)|^started (\d+)/.exec(line)!.slice(1).find(Boolean));
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    try {
      await waitFor(what, condition, PATIENCE_MS);
    } catch (error) {
      throw new Error(`${error}\n${this.lines.join('\n')}\n${this.said}`);
    }
  }

  signal(signal: string, pid = this.pid()): Promise<string> {
    return this.fixture.lab.check('server1', [
      // The shell's own: the program `kill` is in a package that a small system lacks.
      ...['sh', '-c', 'kill -"$1" "$2"', 'sh', signal, String(pid)],
    ]);
  }

  ended(pid: number): boolean {
    return this.matching(new RegExp(`^ended ${pid} `)) > 0;
  }

  /** SIGUSR2, and a new main process that is ready. @returns the number of the old one. */
  async handOver(): Promise<number> {
    const old = this.pid();
    await this.signal('USR2');
    await this.until('the successor', () => {
      const now = this.pid();
      return now !== old && this.matching(new RegExp(`^notify ${now} READY=1`)) > 0;
    });
    return old;
  }

  /** Descriptors of a process: kind and, for listening sockets, their number. */
  async descriptors(pid = this.pid()): Promise<string[]> {
    const script = `for fd in /proc/${pid}/fd/*; do readlink $fd; done`;
    const text = await this.fixture.lab.check('server1', ['sh', '-c', script]);
    return text
      .trim()
      .split('\n')
      .map((line) => line.replace(/^(pipe|socket):.*/, '$1'))
      .sort();
  }

  async stop(): Promise<void> {
    this.supervisor.child.stdin!.end();
    await this.supervisor.exited;
  }
}
