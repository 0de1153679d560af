/**
 * What the names of upstreams stand for. A name that does not resolve keeps what it stood for last; at
 * boot a resolver answers "no such name" as well as "try again", so no failure is taken for final.
 */
import { lookup } from 'node:dns/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** @returns addresses, in any order. */
export type Lookup = (host: string) => Promise<readonly string[]>;

export interface Resolution {
  /** Sorted, so that they are the same each time; perhaps of an earlier time, perhaps none. */
  addresses: readonly string[];
  /** Why they are not of now: an errno or EAI name. */
  failure?: string;
}

/** A start or a reload waits no longer; what comes later is found by the next look. */
const PATIENCE_MS = 5000;

const system: Lookup = async (host) =>
  (await lookup(host, { all: true })).map(({ address }) => address);

export class Names {
  readonly #last: Map<string, readonly string[]>;
  readonly #underWay = new Map<string, Promise<Resolution>>();

  /** @param known from a relay that ran before. */
  constructor(
    known: Readonly<Record<string, readonly string[]>> = {},
    private readonly ask: Lookup = system,
    private readonly patienceMs = PATIENCE_MS,
  ) {
    this.#last = new Map(Object.entries(known));
  }

  /** Never throws, and waits a few seconds at most. */
  async resolve(host: string): Promise<Resolution> {
    const waiting = new AbortController();
    const tooLate = delay(this.patienceMs, undefined, { ref: false, signal: waiting.signal }).then(
      () => this.#instead(host, 'ETIMEDOUT'),
      () => this.#instead(host, 'ETIMEDOUT'),
    );
    const resolution = await Promise.race([this.#once(host), tooLate]);
    waiting.abort();
    return resolution;
  }

  /** A resolver has yet to answer; Node does not end before it has. */
  get isAsking(): boolean {
    return this.#underWay.size > 0;
  }

  /** For the relay that takes our place. */
  get known(): Record<string, readonly string[]> {
    return Object.fromEntries(this.#last);
  }

  /** A resolver that hangs is not asked the same again meanwhile: it has few threads to hang in. */
  #once(host: string): Promise<Resolution> {
    const before = this.#underWay.get(host);
    if (before !== undefined) return before;
    const asking = this.#ask(host).finally(() => this.#underWay.delete(host));
    this.#underWay.set(host, asking);
    return asking;
  }

  async #ask(host: string): Promise<Resolution> {
    try {
      const addresses = [...(await this.ask(host))].sort();
      if (addresses.length === 0) return this.#instead(host, 'ENODATA');
      this.#last.set(host, addresses);
      return { addresses };
    } catch (error) {
      return this.#instead(host, (error as NodeJS.ErrnoException).code ?? 'unknown error');
    }
  }

  #instead(host: string, failure: string): Resolution {
    return { addresses: this.#last.get(host) ?? [], failure };
  }
}
