/**
 * The router's half of the state, asked of the exporter: only while somebody watches, never twice at a time, and
 * with bounds on time and length. What answers there is not trusted to be an exporter.
 */
import { type RuleAnswer, ruleAnswer } from './connection-page.js';
import { askExporter, type ExporterPlace, Failure, reasonOf } from './exporter-request.js';
import { soon } from './soon.js';
import type { Health, State } from './state.js';
import { state } from './state.js';

/** Milliseconds from one question to the next. */
const PACE_MS = 2000;
/** What somebody who waits for a state waits for the router's half of it. */
const PATIENCE_MS = 1000;
/** What is older is not shown as if it were now. */
const STALE_MS = 20_000;
/** Bytes of a state, and of an answer about one connection. */
const STATE_MOST = 4 << 20;
const WHY_MOST = 64 << 10;

type Half = Pick<State, 'hosts' | 'router' | 'servers'>;

interface Answer {
  at: number;
  half: Half;
  health: readonly Health[];
}

export class ExporterClient {
  #last: Answer | undefined;
  #failure: string | undefined;
  #asking: Promise<void> | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly place: () => ExporterPlace,
    private readonly patienceMs = PATIENCE_MS,
  ) {}

  /** It has yet to answer; Node does not end before it has. */
  get isAsking(): boolean {
    return this.#asking !== undefined;
  }

  /** What is known, a few seconds old at most; and what is to be said of the router. */
  async read(): Promise<{ half: Half; health: readonly Health[] }> {
    if (this.#asking === undefined && Date.now() - this.#askedAt >= PACE_MS) this.#ask();
    if (this.#asking !== undefined) await soon(this.#asking, this.patienceMs);
    const last = this.#last;
    if (last !== undefined && Date.now() - last.at < STALE_MS) return last;
    return { half: {}, health: [this.#absent(last !== undefined)] };
  }

  /**
   * The rule that steers a connection, by the whole configuration: a relay's own file may be a part without rules.
   * @param client and `destination`: address and port. @throws Error that says for people why there is no answer
   */
  async why(client: string, destination: string): Promise<RuleAnswer> {
    const place = this.place();
    const words = new URLSearchParams({ client, to: destination });
    try {
      const answer = await askExporter(place, `/why.json?${words}`, WHY_MOST);
      const read = ruleAnswer.safeParse(parse(answer));
      if (!read.success) throw new Failure('what answers is none, or of another version');
      return read.data;
    } catch (error) {
      throw new Error(`no exporter answers on ${nameOf(place)}: ${reasonOf(error)}`);
    }
  }

  #ask(): void {
    this.#askedAt = Date.now();
    this.#asking = askState(this.place())
      .then(({ hosts, router, servers, health }) => {
        const half = {
          ...(hosts && { hosts }),
          ...(router && { router }),
          ...(servers && { servers }),
        };
        this.#last = { at: Date.now(), half, health };
        this.#failure = undefined;
      })
      .catch((error: unknown) => {
        this.#failure = reasonOf(error);
      })
      .finally(() => {
        this.#asking = undefined;
      });
  }

  /** One that was there and is gone is worth more than one that there never was. */
  #absent(wasThere: boolean): Health {
    const why = this.#failure ?? 'it has not answered yet';
    return {
      level: wasThere ? 'warning' : 'ok',
      host: 'router',
      what: `rules and hosts are not shown, because no exporter answers on ${nameOf(this.place())}: ${why}`,
      next: 'sidetrack exporter',
    };
  }
}

const nameOf = ({ port }: ExporterPlace): string =>
  port === undefined ? 'its socket' : `port ${port}`;

async function askState(place: ExporterPlace): Promise<State> {
  const read = state.safeParse(parse(await askExporter(place, '/state.json', STATE_MOST)));
  if (!read.success) throw new Failure('what answers is none, or of another version');
  return read.data;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
