/**
 * A host that is read again and again by one connection, which is opened again where it was lost. One that does not
 * answer costs a reading no more than its time, is told of once, and is left alone for a while.
 */
import type { Command, RunResult } from '../command/command.js';
import { SidetrackError } from '../error.js';
import { arrive, type HostLocation, transportTo } from '../hosts/connect.js';
import type { LoaderNeed } from '../hosts/far-loader.js';
import type { Host, Transport } from '../hosts/host.js';

export interface KeptHostOptions {
  name: string;
  location: HostLocation;
  /** What it needs a loader of the eBPF classifier for, if it does. */
  loader: LoaderNeed | undefined;
  /** For a reading, in milliseconds. */
  timeoutMs: number;
  /** Tells people. */
  say(line: string): void;
}

/** What a reading was answered, and when: milliseconds from its beginning until each command had ended. */
export interface Answers {
  results: readonly RunResult[];
  ends: readonly number[];
}

/** What is asked, which depends on where things are on the host, and what of it the answers say. */
export interface Questions<T> {
  commands(host: Host): readonly Command[];
  /** With how many of its first commands answered a host has answered, although the rest takes too long. */
  enough(host: Host): number;
  /** @param answers all of them, or as many as are enough */
  parse(host: Host, answers: Answers): T;
}

export interface HostHealth {
  up: boolean;
  /** Why not. */
  error?: SidetrackError;
  /** Readings that failed, and those that came to their end. */
  errors: number;
  reads: number;
  /** Of the last that was tried. */
  readSeconds?: number;
  /** Unix time of the last that came to its end. */
  lastRead?: number;
}

/** All that a host says in a reading; without sha256sum a set of a hundred thousand prefixes is 10 MB. */
const LONGEST_ANSWER = 1 << 26;
/** How much later than the way there we notice ourselves that it takes too long. */
const GRACE_MS = 250;
const FIRST_REST_MS = 500;
const LONGEST_REST_MS = 30_000;

export class KeptHost {
  readonly name: string;
  readonly address: string;
  readonly #options: KeptHostOptions;
  readonly #transport: Transport;
  #host: Host | undefined;
  #health: HostHealth = { up: false, errors: 0, reads: 0 };
  /** In a row. */
  #failures = 0;
  /** Until then it is left alone. */
  #restUntil = 0;

  constructor(options: KeptHostOptions) {
    this.#options = options;
    this.#transport = transportTo(options.location);
    this.name = options.name;
    this.address = this.#transport.address;
  }

  get asksForLoader(): LoaderNeed | undefined {
    return this.#options.loader;
  }

  get health(): HostHealth {
    return this.#health;
  }

  /** As it was found; undefined before it has answered for the first time. */
  get host(): Host | undefined {
    return this.#host;
  }

  /** Scripts sent and answered. */
  get roundTrips(): number {
    return this.#transport.roundTrips;
  }

  /** @returns nothing where it does not answer, or makes no sense; `health` says why */
  async read<T>(questions: Questions<T>): Promise<T | undefined> {
    const began = performance.now();
    if (began < this.#restUntil) return undefined;
    try {
      const found = await this.#inTime(this.#asked(questions, began));
      this.#succeeded(performance.now() - began);
      return found;
    } catch (error) {
      this.#failed(error, performance.now() - began);
      return undefined;
    }
  }

  /**
   * What takes longer than a reading may: by a way of its own, so that no reading waits for it.
   * @throws SidetrackError
   */
  async readApart<T>({ commands, parse }: Questions<T>, timeoutMs: number): Promise<T> {
    if (this.#host === undefined) throw this.#tooLate();
    const host = this.#host;
    const apart = host.fresh();
    const began = performance.now();
    const ends: number[] = [];
    const onResult = () => void ends.push(performance.now() - began);
    try {
      const limits = { timeoutMs, longest: LONGEST_ANSWER };
      const results = await apart.batch(commands(host), { ...limits, onResult });
      return parse(host, { results, ends });
    } finally {
      await apart.close();
    }
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }

  async #asked<T>({ commands, enough, parse }: Questions<T>, began: number): Promise<T> {
    const { timeoutMs, loader } = this.#options;
    const limits = () => ({
      timeoutMs: Math.max(1, timeoutMs - (performance.now() - began)),
      longest: LONGEST_ANSWER,
    });
    this.#host ??= await arrive(this.#transport, { loader, ...limits() });
    const host = this.#host;
    const results: RunResult[] = [];
    const ends: number[] = [];
    const onResult = (_: number, result: RunResult) => {
      results.push(result);
      ends.push(performance.now() - began);
    };
    try {
      await host.batch(commands(host), { ...limits(), onResult });
    } catch (error) {
      const least = enough(host);
      if (!isTooLate(error) || results.length < least) throw error;
      results.length = least;
      this.#transport.close().catch(() => undefined);
    }
    return parse(host, { results, ends });
  }

  /** Whatever becomes of the work, it is not waited for any longer. */
  #inTime<T>(work: Promise<T>): Promise<T> {
    const { timeoutMs } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#tooLate()), timeoutMs + GRACE_MS);
    });
    return Promise.race([work, tooLate]).finally(() => clearTimeout(timer));
  }

  #tooLate(): SidetrackError {
    const { timeoutMs } = this.#options;
    return new SidetrackError(`${this.address}: no answer within ${timeoutMs / 1000} s`, {
      code: 'command-timeout',
      source: 'host',
      hint: 'look at it there: sidetrack status',
    });
  }

  #succeeded(tookMs: number): void {
    const { up, errors, reads, error } = this.#health;
    if (!up && error !== undefined)
      this.#options.say(`${this.name} (${this.address}) answers again`);
    this.#failures = 0;
    this.#health = {
      up: true,
      errors,
      reads: reads + 1,
      readSeconds: tookMs / 1000,
      lastRead: Date.now() / 1000,
    };
  }

  #failed(cause: unknown, tookMs: number): void {
    const error = cause instanceof SidetrackError ? cause : asSidetrackError(this.address, cause);
    const { error: before, errors, ...rest } = this.#health;
    // Later ones may have other reasons, such as that the way there is tried anew.
    if (before === undefined) this.#options.say(words(this.name, error));
    this.#health = { ...rest, up: false, error, errors: errors + 1, readSeconds: tookMs / 1000 };
    const rest_ms = Math.min(FIRST_REST_MS * 2 ** this.#failures++, LONGEST_REST_MS);
    this.#restUntil = performance.now() + rest_ms;
    // What still runs there ends with the connection.
    this.#transport.close().catch(() => undefined);
  }
}

const isTooLate = (error: unknown): boolean =>
  error instanceof SidetrackError && error.code === 'command-timeout';

const words = (name: string, { message, hint }: SidetrackError): string =>
  `cannot read ${name}: ${message}${hint === undefined ? '' : `; ${hint}`}`;

/** What no parser foresaw: another program's answer, not ours to crash over. */
function asSidetrackError(address: string, cause: unknown): SidetrackError {
  return new SidetrackError(
    `${address}: answered what this sidetrack does not read: ${cause instanceof Error ? cause.message : cause}`,
    {
      code: 'unexpected-answer',
      source: 'host',
      hint: 'look at it there: sidetrack status',
      cause,
    },
  );
}
