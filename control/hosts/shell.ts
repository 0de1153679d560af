/** A shell that runs one script after the other, here or at the far end of a connection. */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Writable } from 'node:stream';
import {
  AnswerReader,
  batchScript,
  lastWords,
  type OnResult,
  type ScriptOptions,
} from '../command/batch.js';
import type { RunResult } from '../command/command.js';
import { scriptRequest } from '../command/shell-loop.js';
import { DEFAULT_TIMEOUT_MS, endOfProcess, spawnOptions } from './process.js';

export interface SendOptions extends ScriptOptions {
  onResult?: OnResult | undefined;
  /** Milliseconds until the answer is complete. */
  timeoutMs?: number | undefined;
  /** Milliseconds until the shell says that it has begun. */
  startMs?: number | undefined;
  /** Bytes of the answer. */
  longest?: number | undefined;
}

export type LostReason = 'ended' | 'timeout' | 'no-start' | 'too-long' | 'malformed';

/** The shell is no more, and the script has not been answered. */
export class ShellLost extends Error {
  override name = 'ShellLost';
  constructor(
    readonly reason: LostReason,
    readonly end: {
      /** Of the program that was started. */
      status: number;
      /** The last of what it said on standard error. */
      stderr: string;
      /** The last of what it said in place of an answer. */
      stdout: string;
      /** The script had arrived. */
      started: boolean;
      results: readonly RunResult[];
      /** How long was waited for, at most. */
      timeoutMs: number;
    },
  ) {
    super(`the shell is lost: ${reason}`);
  }
}

const BOUNDARY_BYTES = 16;
/** What is remembered of what is no answer. */
const TAIL = 1 << 14;
/** A listing of a full flow table has half of it. */
const LONGEST_ANSWER = 1 << 28;
const LONGEST_BANNER = 1 << 20;
/** How long a shell may take to end when its input does. */
const LINGER_MS = 1000;

export const newBoundary = () => randomBytes(BOUNDARY_BYTES).toString('hex');

/** What an answer is waited for with. */
interface Waiting {
  reader: AnswerReader;
  bytes: number;
  longest: number;
  fail(reason: LostReason): void;
  done(): void;
}

export class Shell {
  /** Scripts answered. */
  answers = 0;
  readonly #child: ChildProcess;
  readonly #input: Writable;
  readonly #ended: Promise<number>;
  #stderr = '';
  #stdout = '';
  #waiting: Waiting | undefined;
  #status: number | undefined;
  #reason: LostReason = 'ended';
  #queue: Promise<unknown> = Promise.resolve();

  /** @param argv starts a shell with `SHELL_LOOP`. */
  constructor(argv: readonly string[]) {
    const [file = '', ...args] = argv;
    const child = spawn(file, args, { ...spawnOptions(), stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    this.#input = child.stdin;
    // It may end before it has read everything; that is noticed by its end.
    child.stdin.on('error', () => undefined);
    child.stdout.on('data', (chunk: Buffer) => this.#read('stdout', chunk));
    child.stderr.on('data', (chunk: Buffer) => {
      this.#stderr = `${this.#stderr}${chunk}`.slice(-TAIL);
      this.#read('stderr', chunk);
    });
    // What it has started may live, and keep its output open.
    child.once('exit', () => this.#dropSoon());
    this.#ended = endOfProcess(child).then(
      (status) => this.#over(status),
      (error: Error) => {
        this.#stderr += error.message;
        return this.#over(127);
      },
    );
  }

  get alive(): boolean {
    return this.#status === undefined && this.#reason === 'ended';
  }

  /** One script at a time. @throws ShellLost */
  send(lines: readonly string[], options: SendOptions = {}): Promise<RunResult[]> {
    const answer = this.#queue.then(() => this.#send(lines, options));
    this.#queue = answer.catch(() => undefined);
    return answer;
  }

  /** Ends its input, and it; a shell that does not end by itself is killed. */
  async close(): Promise<void> {
    this.#input.end();
    this.#dropSoon();
    await this.#ended;
  }

  async #send(lines: readonly string[], options: SendOptions): Promise<RunResult[]> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, startMs, longest = LONGEST_ANSWER } = options;
    const boundary = newBoundary();
    const reader = new AnswerReader(boundary, lines.length, options.onResult);
    if (!this.alive) throw await this.#lost(reader, boundary, timeoutMs);
    this.#stderr = '';
    const timers: NodeJS.Timeout[] = [];
    try {
      await new Promise<void>((resolve, reject) => {
        const fail = (reason: LostReason) => {
          this.#kill(reason);
          reject(reason);
        };
        this.#waiting = { reader, bytes: 0, longest, fail, done: resolve };
        timers.push(setTimeout(() => fail('timeout'), timeoutMs));
        const noStart = () => reader.started || fail('no-start');
        if (startMs !== undefined) timers.push(setTimeout(noStart, startMs));
        this.#input.write(scriptRequest(batchScript(lines, boundary, options)));
      });
    } catch {
      throw await this.#lost(reader, boundary, timeoutMs);
    } finally {
      this.#waiting = undefined;
      timers.forEach(clearTimeout);
    }
    const { results } = reader;
    const stopped = options.untilFailure && (results.at(-1)?.status ?? 0) !== 0;
    if (results.length !== lines.length && !stopped) {
      this.#kill('malformed');
      throw await this.#lost(reader, boundary, timeoutMs);
    }
    this.answers++;
    return results;
  }

  #read(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    const { reader, longest, fail, done } = waiting;
    waiting.bytes += chunk.length;
    if (stream === 'stdout' && !reader.started)
      this.#stdout = `${this.#stdout}${chunk}`.slice(-TAIL);
    try {
      reader.read(stream, chunk);
    } catch {
      fail('malformed');
    }
    if (reader.ended) done();
    else if (waiting.bytes > (reader.started ? longest : LONGEST_BANNER)) fail('too-long');
  }

  #dropSoon(): void {
    const timer = setTimeout(() => this.#drop(), LINGER_MS);
    this.#child.once('close', () => clearTimeout(timer));
  }

  #kill(reason: LostReason): void {
    if (this.alive) this.#reason = reason;
    this.#drop();
  }

  /** Nothing is read from it any more: what it has started may live, and print without end. */
  #drop(): void {
    this.#child.kill('SIGKILL');
    for (const stream of this.#child.stdio) stream?.destroy();
  }

  #over(status: number): number {
    this.#status = status;
    this.#waiting?.fail('ended');
    return status;
  }

  async #lost(
    { started, results }: AnswerReader,
    boundary: string,
    timeoutMs: number,
  ): Promise<ShellLost> {
    const status = await this.#ended;
    const [stderr, stdout] = [lastWords(this.#stderr, boundary), this.#stdout];
    return new ShellLost(this.#reason, { status, stderr, stdout, started, results, timeoutMs });
  }
}
