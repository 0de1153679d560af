/** What all parts of the page show: the newest state, what moved since the one before, and the memory of both. Pure. */
import type { State } from '../state.js';
import { Recording } from './history.js';
import { type Rates, ratesOf } from './rates.js';

export interface View {
  update(model: Model): void;
}

/** Rates of one client, the newest last. */
const TRACE_SAMPLES = 60;
/** Clients whose rates are remembered. */
const TRACES_MOST = 500;

export class Model {
  readonly recording = new Recording();
  readonly #traces = new Map<string, number[]>();
  #state: State | undefined;
  #rates: Rates | undefined;

  get state(): State | undefined {
    return this.#state;
  }

  get rates(): Rates {
    return this.#rates ?? ratesOf(EMPTY, undefined);
  }

  /** Both ways together, bytes a second, of the last minute. */
  trace(address: string): readonly number[] {
    return this.#traces.get(address) ?? [];
  }

  /** @returns false for one that is not newer. */
  take(state: State): boolean {
    if (this.#state !== undefined && state.at <= this.#state.at) return false;
    this.#rates = ratesOf(state, this.#state, this.#rates);
    this.#state = state;
    this.recording.add(state, this.#rates);
    this.#remember(state, this.#rates);
    return true;
  }

  /** After a time without looking nothing of before is comparable. */
  forget(): void {
    this.#state = undefined;
    this.#rates = undefined;
    this.#traces.clear();
    this.recording.clear();
  }

  /** Those that are not in the state any more are forgotten. */
  #remember({ clients }: State, rates: Rates): void {
    const listed = new Set((clients ?? []).slice(0, TRACES_MOST).map(({ address }) => address));
    for (const address of this.#traces.keys())
      if (!listed.has(address)) this.#traces.delete(address);
    for (const address of listed) {
      const trace = this.#traces.get(address) ?? [];
      const rate = rates.clients.get(address);
      trace.push(rate === undefined ? 0 : rate.upload + rate.download);
      if (trace.length > TRACE_SAMPLES) trace.shift();
      this.#traces.set(address, trace);
    }
  }
}

const EMPTY: State = { version: 1, at: 0, health: [{ level: 'ok', host: '', what: '', next: '' }] };
