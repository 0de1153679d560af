/**
 * Looks at the relay's counters once a second, whether anybody watches or not, so that a page that is opened
 * shows the last quarter of an hour. What it keeps is bounded.
 */
import type { Histogram } from '../proxy/histogram.js';
import type { HistogramName, RelayStats } from '../proxy/stats.js';
import { HistoryRing } from './history.js';
import { failures } from './outcomes.js';
import { quantilesOf, since, together } from './quantiles.js';
import type { RelayState } from './state.js';
import { UpstreamChanges } from './upstream-changes.js';

const SECOND_MS = 1000;
/** Quantiles are of this long, give or take one picture. */
const WINDOW_SECONDS = 60;
const PICTURE_SECONDS = 5;

const PICTURED = [
  'connect',
  'first_byte',
  'residency_upload',
  'residency_download',
] as const satisfies readonly HistogramName[];

interface Picture extends Readonly<Record<(typeof PICTURED)[number], Histogram['buckets']>> {
  accepted: number;
  outcomes: RelayStats['outcomes'];
}

const pictureOf = ({ histograms, outcomes, counters }: RelayStats): Picture => ({
  accepted: counters.accepted_ipv4 + counters.accepted_ipv6,
  outcomes,
  connect: histograms.connect.buckets,
  first_byte: histograms.first_byte.buckets,
  residency_upload: histograms.residency_upload.buckets,
  residency_download: histograms.residency_download.buckets,
});

export class Sampler {
  readonly history = new HistoryRing();
  readonly upstreams = new UpstreamChanges();
  readonly #listeners = new Set<(stats: RelayStats) => void>();
  readonly #timer: NodeJS.Timeout;
  /** The oldest first. */
  #pictures: Picture[];
  #ticks = 0;
  #lastAccepted: number | undefined;
  #before: { picture: Picture; at: number };

  constructor(private readonly read: () => RelayStats) {
    const stats = read();
    const picture = pictureOf(stats);
    this.#pictures = [picture];
    this.#before = { picture, at: performance.now() };
    this.history.begin(stats);
    this.upstreams.look(stats.upstreams, Date.now() / 1000);
    this.#timer = setInterval(() => this.#tick(), SECOND_MS).unref();
  }

  /** Called once a second with what was just read. @returns what ends that. */
  onSample(listener: (stats: RelayStats) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Of the last minute, or of the time since the start when that is less. */
  quantiles(stats: RelayStats): RelayState['quantiles'] {
    const [then] = this.#pictures;
    const now = pictureOf(stats);
    const of = (name: (typeof PICTURED)[number]) =>
      quantilesOf(since(now[name], then === undefined ? undefined : then[name]));
    const [connect, firstByte] = [of('connect'), of('first_byte')];
    const [residencyUpload, residencyDownload] = [of('residency_upload'), of('residency_download')];
    return {
      ...(connect && { connect }),
      ...(firstByte && { firstByte }),
      ...(residencyUpload && { residencyUpload }),
      ...(residencyDownload && { residencyDownload }),
    };
  }

  /** The same of connections. */
  minute(stats: RelayStats): NonNullable<RelayState['connections']['minute']> {
    const [then] = this.#pictures;
    const now = pictureOf(stats);
    const errors = failures(now.outcomes).map(
      ([name, count]) => [name, count - (then?.outcomes[name] ?? 0)] as const,
    );
    return {
      accepted: now.accepted - (then?.accepted ?? 0),
      errors: Object.fromEntries(errors.filter(([, count]) => count > 0)),
    };
  }

  /** Unix time in seconds, if one was accepted since this began to look. */
  get lastAccepted(): number | undefined {
    return this.#lastAccepted;
  }

  end(): void {
    clearInterval(this.#timer);
    this.#listeners.clear();
  }

  #tick(): void {
    const stats = this.read();
    const picture = pictureOf(stats);
    const at = performance.now();
    const { picture: before, at: then } = this.#before;
    if (picture.accepted > before.accepted) this.#lastAccepted = Date.now() / 1000;
    this.history.add(stats, {
      at: Date.now() / 1000,
      seconds: (at - then) / 1000,
      connect: since(picture.connect, before.connect),
      residency: together(
        since(picture.residency_upload, before.residency_upload),
        since(picture.residency_download, before.residency_download),
      ),
    });
    this.#before = { picture, at };
    this.upstreams.look(stats.upstreams, Date.now() / 1000);
    if (++this.#ticks % PICTURE_SECONDS === 0) {
      this.#pictures.push(picture);
      this.#pictures = this.#pictures.slice(-WINDOW_SECONDS / PICTURE_SECONDS - 1);
    }
    for (const listener of this.#listeners) listener(stats);
  }
}
