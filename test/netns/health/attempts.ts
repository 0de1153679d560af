/** A client that opens new connections all the time, and what became of them. */
import { createInterface } from 'node:readline';
import type { LabProcess } from '../../../control/lab/lab.js';
import { type Fixture, peer, waitFor } from '../fixture.js';

export interface Attempt {
  /** When it began, Unix milliseconds. */
  at: number;
  /** Milliseconds. */
  took: number;
  host: string;
  source?: string;
  /** Of Node, or `timeout`; absent when the byte came back. */
  error?: string;
}

export interface AttemptOptions {
  hosts: readonly string[];
  /** Addresses of the client that take turns. */
  sources?: readonly string[];
  intervalMs?: number;
  timeoutMs?: number;
}

/** A client that gives up soon tells best when connections work again. */
const IMPATIENT_MS = 400;

export class Attempts {
  /** Those that are over, in that order. */
  readonly all: Attempt[] = [];

  private constructor(private readonly program: LabProcess) {}

  static async start(fixture: Fixture, options: AttemptOptions): Promise<Attempts> {
    const { hosts, sources = [], intervalMs = 50, timeoutMs = IMPATIENT_MS } = options;
    const argv = [`${intervalMs}`, `${timeoutMs}`, hosts.join(','), sources.join(',')];
    const program = fixture.lab.spawn('client', [process.execPath, peer('attempts'), ...argv], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const attempts = new Attempts(program);
    const lines = createInterface({ input: program.child.stdout! });
    await new Promise((resolve) => lines.once('line', resolve));
    lines.on('line', (line) => attempts.all.push(JSON.parse(line) as Attempt));
    return attempts;
  }

  /** Those that began then or later, by when they began. */
  since(time: number): Attempt[] {
    return this.all.filter(({ at }) => at >= time).sort((a, b) => a.at - b.at);
  }

  /** Waits until `count` in a row that began after `time` have succeeded. */
  async succeed(count: number, time = Date.now(), timeoutMs?: number): Promise<void> {
    const isDone = () => {
      const last = this.since(time).slice(-count);
      return last.length === count && last.every(({ error }) => error === undefined);
    };
    await waitFor(`${count} connections in a row to succeed`, isDone, timeoutMs);
  }

  /** Waits until one that began after `time` has failed. */
  async fail(time: number): Promise<void> {
    const hasFailed = () => this.since(time).some(({ error }) => error !== undefined);
    await waitFor('a connection to fail', hasFailed);
  }

  /** Begins no more and waits for the last ones. */
  async stop(): Promise<Attempt[]> {
    this.program.child.stdin!.end();
    await this.program.exited;
    return this.all;
  }
}

/**
 * Milliseconds from `time` until every connection succeeded again: to the beginning of the first one after
 * the last that failed. 0 where none failed.
 */
export function recovery(attempts: readonly Attempt[], time: number): number {
  const last = attempts.findLastIndex(({ error }) => error !== undefined);
  if (last === -1) return 0;
  const next = attempts[last + 1];
  return next === undefined ? Number.POSITIVE_INFINITY : next.at - time;
}

/** How often each went wrong, for an error that says something. */
export function errorsOf(attempts: readonly Attempt[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { error } of attempts)
    if (error !== undefined) counts[error] = (counts[error] ?? 0) + 1;
  return counts;
}
