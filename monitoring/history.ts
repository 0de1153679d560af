/** The last quarter of an hour, one sample a second: columns of a fixed length, filled in a circle. */
import type { RelayStats } from '../proxy/stats.js';
import { failures } from './outcomes.js';
import { quantile } from './quantiles.js';
import { type History, STATE_VERSION } from './state.js';

/** Samples that are kept. */
export const HISTORY_LENGTH = 900;

const COLUMNS = [
  'at',
  'upload',
  'download',
  'active',
  'opened',
  'errors',
  'connectP50',
  'connectP99',
  'residencyP50',
  'residencyP99',
] as const satisfies readonly (keyof History)[];

type Column = (typeof COLUMNS)[number];

/** What was counted in one second. */
export interface Second {
  /** Unix time in seconds of its end. */
  at: number;
  /** How long it was. */
  seconds: number;
  /** Buckets of what was observed in it. */
  connect: readonly number[];
  residency: readonly number[];
}

interface Sums {
  upload: number;
  download: number;
  opened: number;
  errors: number;
}

export const sumsOf = ({
  counters,
  outcomes,
}: Pick<RelayStats, 'counters' | 'outcomes'>): Sums => ({
  upload: counters.upload_bytes,
  download: counters.download_bytes,
  opened: counters.accepted_ipv4 + counters.accepted_ipv6,
  errors: failures(outcomes).reduce((sum, [, count]) => sum + count, 0),
});

export class HistoryRing {
  /** NaN stands for what was not measured. */
  readonly #columns: Readonly<Record<Column, Float64Array>>;
  #added = 0;
  #before: Sums = { upload: 0, download: 0, opened: 0, errors: 0 };

  constructor(private readonly length = HISTORY_LENGTH) {
    const column = () => new Float64Array(length);
    this.#columns = {
      at: column(),
      upload: column(),
      download: column(),
      active: column(),
      opened: column(),
      errors: column(),
      connectP50: column(),
      connectP99: column(),
      residencyP50: column(),
      residencyP99: column(),
    };
  }

  /** What has been counted so far belongs to no second. */
  begin(stats: RelayStats): void {
    this.#before = sumsOf(stats);
  }

  add(stats: RelayStats, { at, seconds, connect, residency }: Second): void {
    const sums = sumsOf(stats);
    const before = this.#before;
    const rate = (name: keyof Sums) =>
      Math.max(sums[name] - before[name], 0) / Math.max(seconds, 1e-3);
    const values: Readonly<Record<Column, number | undefined>> = {
      at,
      upload: rate('upload'),
      download: rate('download'),
      active: stats.counters.active,
      opened: rate('opened'),
      errors: rate('errors'),
      connectP50: quantile(connect, 0.5),
      connectP99: quantile(connect, 0.99),
      residencyP50: quantile(residency, 0.5),
      residencyP99: quantile(residency, 0.99),
    };
    const place = this.#added % this.length;
    for (const name of COLUMNS) this.#columns[name][place] = values[name] ?? Number.NaN;
    this.#added++;
    this.#before = sums;
  }

  /** Rates of the last second, for a text of now; undefined before there was one. */
  last(): Record<'upload' | 'download' | 'opened' | 'errors', number> | undefined {
    if (this.#added === 0) return undefined;
    const place = (this.#added - 1) % this.length;
    const of = (name: Column) => this.#columns[name][place] ?? 0;
    return {
      upload: of('upload'),
      download: of('download'),
      opened: of('opened'),
      errors: of('errors'),
    };
  }

  /** The oldest first. */
  read(): History {
    const kept = Math.min(this.#added, this.length);
    const first = this.#added - kept;
    const places = Array.from({ length: kept }, (_, i) => (first + i) % this.length);
    const column = (name: Column) =>
      places.map((place) => {
        const value = this.#columns[name][place]!;
        return Number.isNaN(value) ? null : rounded(value);
      });
    return {
      version: STATE_VERSION,
      at: places.map((place) => this.#columns.at[place]!),
      upload: column('upload'),
      download: column('download'),
      active: column('active'),
      opened: column('opened'),
      errors: column('errors'),
      connectP50: column('connectP50'),
      connectP99: column('connectP99'),
      residencyP50: column('residencyP50'),
      residencyP99: column('residencyP99'),
    };
  }
}

/** More digits than these say nothing, and would be most of the answer. */
const rounded = (value: number) =>
  value >= 1000 ? Math.round(value) : Number(value.toPrecision(5));
