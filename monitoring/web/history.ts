/** Samples for the charts: what the server remembers, then what comes live; a quarter of an hour at most. Pure. */
import type { History, State } from '../state.js';
import type { Rates } from './rates.js';

export const COLUMNS = [
  'upload',
  'download',
  'active',
  'opened',
  'errors',
  'connectP50',
  'connectP99',
  'residencyP50',
  'residencyP99',
] as const;
export type Column = (typeof COLUMNS)[number];

export type Samples = Pick<History, 'at' | Column>;

/** One a second for a quarter of an hour. */
export const SAMPLES_MOST = 900;
/** Without news for so long a line is interrupted: what was in between is not known. */
const GAP_SECONDS = 5;

const empty = (): Samples => ({
  at: [],
  upload: [],
  download: [],
  active: [],
  opened: [],
  errors: [],
  connectP50: [],
  connectP99: [],
  residencyP50: [],
  residencyP99: [],
});

/** Of one state, with the rates since the one before. */
function sampleOf({ relay }: State, rates: Rates): Record<Column, number | null> {
  const { connect, residencyDownload, residencyUpload } = relay?.quantiles ?? {};
  const residency = residencyDownload ?? residencyUpload;
  return {
    upload: rates.relay?.upload ?? null,
    download: rates.relay?.download ?? null,
    active: relay?.connections.active ?? null,
    opened: rates.relay?.opened ?? null,
    errors: rates.relay?.errors ?? null,
    connectP50: connect?.p50 ?? null,
    connectP99: connect?.p99 ?? null,
    residencyP50: residency?.p50 ?? null,
    residencyP99: residency?.p99 ?? null,
  };
}

/** Keeps columns of equal length, in the order of time, and no more than `SAMPLES_MOST`. */
export class Recording {
  #samples: Samples = empty();

  get samples(): Samples {
    return this.#samples;
  }

  /** Puts what the server remembers in front of what has come since then. */
  prepend(history: Samples): void {
    const first = this.#samples.at[0] ?? Number.POSITIVE_INFINITY;
    const older = history.at.findIndex((at) => at >= first);
    const until = older < 0 ? history.at.length : older;
    const joined = empty();
    joined.at = [...history.at.slice(0, until), ...this.#samples.at];
    for (const column of COLUMNS)
      joined[column] = [...history[column].slice(0, until), ...this.#samples[column]];
    this.#samples = joined;
    this.#forget();
  }

  /** A state that is not newer than the last one is left out. */
  add(state: State, rates: Rates): void {
    const { at } = this.#samples;
    const last = at.at(-1);
    if (last !== undefined && state.at <= last) return;
    if (last !== undefined && state.at - last > GAP_SECONDS) {
      at.push(last + 1);
      for (const column of COLUMNS) this.#samples[column].push(null);
    }
    const sample = sampleOf(state, rates);
    at.push(state.at);
    for (const column of COLUMNS) this.#samples[column].push(sample[column]);
    this.#forget();
  }

  /** Everything is asked anew after a long time without looking. */
  clear(): void {
    this.#samples = empty();
  }

  #forget(): void {
    const excess = this.#samples.at.length - SAMPLES_MOST;
    if (excess <= 0) return;
    this.#samples.at.splice(0, excess);
    for (const column of COLUMNS) this.#samples[column].splice(0, excess);
  }
}
