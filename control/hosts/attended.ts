/**
 * Programs on a host that live as long as we attend to them: they have a shell and a connection of their own, whose end, or
 * silence, is theirs. So nothing is left there when we are killed or the way there is lost.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { scriptRequest } from '../command/shell-loop.js';
import { SidetrackError } from '../error.js';
import type { Transport } from './host.js';
import { keepOpen } from './open.js';
import { endOfProcess, spawnOptions } from './process.js';

/** From the start until the shell there has begun with the script: key exchange, login, profile. */
const START_MS = 30_000;
/** Until what lives in spite of its end is killed here. */
const LINGER_MS = 5000;
/** What is remembered of what it says on standard error. */
const TAIL = 4096;

export interface AttendedOptions {
  /** What the script prints first, when its programs have been started. */
  ready: string;
  /** Milliseconds between the empty lines that say we are there. */
  beatMs: number;
}

export class Attended {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number>;
  #status: number | undefined;
  #stderr = '';
  #beat: NodeJS.Timeout | undefined;

  private constructor(host: Transport) {
    const [file = '', ...args] = host.shell();
    this.#child = spawn(file, args, { ...spawnOptions(), stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stdin?.on('error', () => undefined);
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr = `${this.#stderr}${chunk}`.slice(-TAIL);
    });
    this.#ended = endOfProcess(this.#child)
      .catch((error: Error) => {
        this.#stderr += error.message;
        return 127;
      })
      .then((status) => {
        this.#status = status;
        clearInterval(this.#beat);
        return status;
      });
    keepOpen({ close: () => this.end() });
  }

  /**
   * @param script prints `ready`, then reads lines until there are no more, and ends what it has started
   * @throws SidetrackError when it does not come so far
   */
  static async start(
    host: Transport,
    script: string,
    { ready, beatMs }: AttendedOptions,
  ): Promise<Attended> {
    const one = new Attended(host);
    one.#child.stdin?.write(scriptRequest(script));
    if (await one.#begins(ready)) {
      one.#beat = setInterval(() => one.#child.stdin?.write('\n'), beatMs);
      return one;
    }
    await one.end();
    throw new SidetrackError(`${host.address}: no programs could be started there`, {
      code: 'attended-start',
      source: 'host',
      hint: one.said || 'does a login by hand come to a shell?',
      cause: one.said,
    });
  }

  get alive(): boolean {
    return this.#status === undefined;
  }

  /** The last of what its programs said on standard error. */
  get said(): string {
    return this.#stderr.trim();
  }

  /** Ends the programs and the connection. Never fails. */
  async end(): Promise<void> {
    clearInterval(this.#beat);
    this.#child.stdin?.end();
    const timer = setTimeout(() => {
      this.#child.kill('SIGKILL');
      for (const stream of this.#child.stdio) stream?.destroy();
    }, LINGER_MS);
    await this.#ended;
    clearTimeout(timer);
  }

  #begins(ready: string): Promise<boolean> {
    const lines = createInterface({ input: this.#child.stdout! });
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), START_MS);
      const done = (begun: boolean) => {
        clearTimeout(timer);
        resolve(begun);
      };
      lines.on('line', (line) => {
        if (line.startsWith(ready)) done(true);
      });
      lines.on('close', () => done(false));
    });
  }
}
