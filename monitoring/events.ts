/** `/events`: the state, once a second, to all who listen; made once for all, and not at all for none. */
import type { ServerResponse } from 'node:http';
import { Refused } from './refused.js';
import type { Rights } from './request-guard.js';
import type { HostState, State } from './state.js';

/** Below what the server takes, so that there is always room for a scrape. */
export const LISTENERS_MOST = 12;
const SECOND_MS = 1000;
/** A listener that has not read what it was sent by then is let go. */
const SLOW_MS = 10_000;

export interface EventsOptions {
  /** Listeners at a time. */
  most?: number;
  everyMs?: number;
  slowMs?: number;
}

interface Listener {
  response: ServerResponse;
  /** What it may do now: a reload may take away what it came with. */
  rights: () => Pick<Rights, 'enters' | 'sees'>;
  /** When it was last seen to have read everything. */
  readAt: number;
}

export class Events {
  readonly #listeners = new Set<Listener>();
  readonly #most: number;
  readonly #everyMs: number;
  readonly #slowMs: number;
  #timer: NodeJS.Timeout | undefined;
  #making = false;

  constructor(
    private readonly state: () => Promise<State>,
    { most = LISTENERS_MOST, everyMs = SECOND_MS, slowMs = SLOW_MS }: EventsOptions = {},
  ) {
    this.#most = most;
    this.#everyMs = everyMs;
    this.#slowMs = slowMs;
  }

  /** @throws Refused when as many as there may be listen already. */
  listen(response: ServerResponse, rights: Listener['rights']): void {
    if (this.#listeners.size >= this.#most)
      throw new Refused(503, 'as many listen already as there may: close another page', {
        'retry-after': '10',
      });
    const listener = { response, rights, readAt: Date.now() };
    this.#listeners.add(listener);
    // A proxy in between shall not gather what is meant for now.
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'x-accel-buffering': 'no',
    });
    response.on('close', () => this.#leave(listener));
    response.on('error', () => this.#leave(listener));
    this.#timer ??= setInterval(() => void this.#tell(), this.#everyMs).unref();
    void this.#tell(listener);
  }

  end(): void {
    for (const { response } of this.#listeners) response.destroy();
    this.#listeners.clear();
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #leave(listener: Listener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** @param only the one that has just come. */
  async #tell(only?: Listener): Promise<void> {
    if (only === undefined && this.#making) return;
    this.#making = true;
    try {
      const state = await this.state();
      const full = once(() => event(state));
      const bare = once(() => event(withoutClients(state)));
      for (const one of only === undefined ? this.#listeners : [only]) this.#send(one, full, bare);
    } catch {
      // The relay is ending; those who listen see the connection end.
    } finally {
      this.#making = false;
    }
  }

  #send(listener: Listener, full: () => string, bare: () => string): void {
    const { response } = listener;
    if (!this.#listeners.has(listener)) return;
    const { enters, sees } = listener.rights();
    if (!enters) {
      response.destroy();
      return;
    }
    if (response.writableNeedDrain) {
      // Nothing is kept for it: when it reads again it gets the state of then.
      if (Date.now() - listener.readAt > this.#slowMs) response.destroy();
      return;
    }
    listener.readAt = Date.now();
    response.write(sees ? full() : bare());
  }
}

const event = (state: State) => `event: state\ndata: ${JSON.stringify(state)}\n\n`;

/** What everybody may see. */
export function withoutClients({ clients: _, hosts, ...state }: State): State {
  return { ...state, ...(hosts && { hosts: hosts.map(withoutPlace) }) };
}

/** What ssh says may name users, addresses and files of the machine that holds its keys; so may what differs. */
function withoutPlace({ error: _, address, differences, problems, ...host }: HostState): HostState {
  return {
    ...host,
    address: address.replace(/:\/\/.*/s, ''),
    differences: differences.map(withoutPaths),
    problems: problems.map(withoutPaths),
  };
}

/** A prefix (`10.0.0.0/8`) has no slash in front. */
const PATH = /(^|[\s"'(=:])(?:\/[^\s/"'():,;]+)+\/?/g;

const withoutPaths = (text: string) => text.replace(PATH, '$1…');

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
