/** Connections for the pages: looked at once a second at most, however many readers there are. */
import type { z } from 'zod';
import type { OpenConnection } from '../proxy/open-connections.js';
import type { RecentConnection } from '../proxy/stats.js';
import { type ConnectionItem, type ConnectionPage, closeByPage } from './connection-page.js';
import {
  type AddressRange,
  type Filter,
  type ListAt,
  order,
  type Rates,
  rate,
  SORTS,
  select,
} from './connection-query.js';
import { CLOSE_MOST } from './control-pages.js';
import { Refused } from './refused.js';
import { STATE_VERSION } from './state.js';

export interface ConnectionSource {
  /** Every open connection. */
  connections(): Promise<OpenConnection[]>;
  /** Those that were accepted last, open and ended. */
  recent(): RecentConnection[];
  /** @param ids at most `CLOSE_MOST`. @returns those that were still open. */
  close(ids: readonly number[]): Promise<OpenConnection[]>;
}

/** Reads `192.0.2.0/24`, an address or a range. */
export type ParseRange = (text: string) => AddressRange | { message: string };

/** Milliseconds for which a look serves everybody. */
const KEEP_MS = 1000;
/** Two looks farther apart than this make no rate. */
const RATE_MS = 30_000;
const ROWS = 100;
const ROWS_MOST = 1000;
const WORD_MOST = 200;

type Rated<T> = T & Rates;

/** How long an answer was made ago, and what it was. */
interface Kept<T> {
  at: number;
  value: Promise<T>;
}

export class Connections {
  #open: Kept<Rated<OpenConnection>[]> | undefined;
  #closed: Kept<ConnectionItem[]> | undefined;
  #before: ListAt<OpenConnection> | undefined;

  constructor(
    private readonly source: ConnectionSource,
    private readonly parseRange: ParseRange,
  ) {}

  /** Answers `/connections.json`. @throws Refused for words that mean nothing. */
  async page(words: URLSearchParams): Promise<ConnectionPage> {
    const filter = this.#filterOf((name) => words.get(name) ?? undefined);
    const sort = SORTS.find((one) => one === (words.get('sort') ?? 'age'));
    if (sort === undefined) throw new Refused(400, `sort: ${SORTS.join(', ')}`);
    const state = words.get('state') ?? 'open';
    if (state !== 'open' && state !== 'closed') throw new Refused(400, 'state: open or closed');
    const offset = numberOf(words, 'offset', 0, Number.MAX_SAFE_INTEGER);
    const limit = numberOf(words, 'limit', ROWS, ROWS_MOST);
    const [all, matching] =
      state === 'open'
        ? await this.#openPart(filter, sort, [offset, limit])
        : await this.#closedPart(filter, sort, [offset, limit]);
    return {
      version: STATE_VERSION,
      at: Date.now() / 1000,
      all,
      matching: matching.count,
      connections: matching.shown,
    };
  }

  /** Those that were accepted last, as the old page has them. */
  recent(): RecentConnection[] {
    return this.source.recent();
  }

  /** What of the body of `POST /connections/close` is still open is reset. @returns their numbers. */
  async close(body: unknown, mayFilter: boolean): Promise<number[]> {
    const wanted = closeByPage.safeParse(body);
    if (!wanted.success)
      throw new Refused(400, `{ "ids": [1 to ${CLOSE_MOST} numbers] } or { "filter": { … } }`);
    const ids = await this.#idsOf(wanted.data, mayFilter);
    const closed: OpenConnection[] = [];
    for (let at = 0; at < ids.length; at += CLOSE_MOST)
      closed.push(...(await this.source.close(ids.slice(at, at + CLOSE_MOST))));
    this.#open = undefined;
    this.#closed = undefined;
    return closed.map(({ id }) => id);
  }

  /** Client and destination of one of them; undefined when it is not remembered. */
  async find(id: number): Promise<ConnectionItem | undefined> {
    const open = (await this.#look()).find((one) => one.id === id);
    return open ? openItem(open) : (await this.#ended()).find((one) => one.id === id);
  }

  async #idsOf(wanted: z.output<typeof closeByPage>, mayFilter: boolean): Promise<number[]> {
    if ('ids' in wanted) return wanted.ids;
    if (!mayFilter)
      throw new Refused(403, 'a filter tells who is connected to what: it needs the token');
    const { filter } = wanted;
    const wantedOnes = this.#filterOf((name) => filter[name]);
    return select(await this.source.connections(), wantedOnes).map(({ id }) => id);
  }

  async #openPart(filter: Filter, sort: (typeof SORTS)[number], [offset, limit]: Range) {
    const all = await this.#look();
    const matching = order(select(all, filter), sort);
    const shown = matching.slice(offset, offset + limit).map(openItem);
    return [all.length, { count: matching.length, shown }] as const;
  }

  async #closedPart(filter: Filter, sort: (typeof SORTS)[number], [offset, limit]: Range) {
    const all = await this.#ended();
    const selected = select(all, filter);
    const matching = sort === 'age' ? selected : order(selected.map(withRates), sort);
    const shown = matching.slice(offset, offset + limit).map(plain);
    return [all.length, { count: matching.length, shown }] as const;
  }

  #look(): Promise<Rated<OpenConnection>[]> {
    if (isFresh(this.#open)) return this.#open.value;
    const at = Date.now();
    const value = this.source.connections().then((connections) => {
      const now = { at: at / 1000, connections };
      const before = this.#before;
      const isUseful = before !== undefined && at - before.at * 1000 < RATE_MS;
      this.#before = now;
      return rate(now, isUseful ? before : undefined);
    });
    value.catch(() => {
      this.#open = undefined;
    });
    this.#open = { at, value };
    return value;
  }

  /** Those that ended last come first. */
  #ended(): Promise<ConnectionItem[]> {
    if (isFresh(this.#closed)) return this.#closed.value;
    const ended = this.source.recent().filter(({ outcome }) => outcome !== 'open');
    const items = ended.map(closedItem);
    const endOf = (one: ConnectionItem) => one.acceptedAt + one.age;
    const value = Promise.resolve(items.sort((a, b) => endOf(b) - endOf(a)));
    this.#closed = { at: Date.now(), value };
    return value;
  }

  #filterOf(
    word: (name: 'to' | 'client' | 'upstream' | 'route' | 'q') => string | undefined,
  ): Filter {
    const filter: Filter = {};
    for (const name of ['upstream', 'route', 'q'] as const) {
      const text = word(name);
      if (text !== undefined && text !== '') filter[name] = bounded(name, text);
    }
    for (const name of ['to', 'client'] as const) {
      const text = word(name);
      if (text === undefined || text === '') continue;
      const range = this.parseRange(bounded(name, text));
      if ('message' in range) throw new Refused(400, `${name}: ${range.message}`);
      filter[name] = range;
    }
    return filter;
  }
}

type Range = readonly [offset: number, limit: number];

function isFresh<T>(kept: Kept<T> | undefined): kept is Kept<T> {
  return kept !== undefined && Math.abs(Date.now() - kept.at) < KEEP_MS;
}

function bounded(name: string, text: string): string {
  if (text.length > WORD_MOST) throw new Refused(400, `${name}: at most ${WORD_MOST} characters`);
  return text;
}

function numberOf(words: URLSearchParams, name: string, usual: number, most: number): number {
  const text = words.get(name);
  if (text === null || text === '') return usual;
  if (!/^\d{1,15}$/.test(text) || Number(text) > most)
    throw new Refused(400, `${name}: a whole number, at most ${most}`);
  return Number(text);
}

function openItem(one: Rated<OpenConnection>): ConnectionItem {
  const { uploadRate, downloadRate, clientFrom: _, upload, download, acceptedAt, ...rest } = one;
  return {
    ...rest,
    open: true,
    acceptedAt: acceptedAt.getTime() / 1000,
    upload: { ...upload, rate: uploadRate },
    download: { ...download, rate: downloadRate },
  };
}

function closedItem(one: RecentConnection): ConnectionItem {
  const { acceptedAt, outcome, duration, uploadBytes, downloadBytes, rtt = {}, ...rest } = one;
  const seconds = Math.max(duration, 1e-3);
  return {
    ...rest,
    open: false,
    acceptedAt: acceptedAt.getTime() / 1000,
    age: duration,
    state: outcome,
    upload: { bytes: uploadBytes, rate: uploadBytes / seconds },
    download: { bytes: downloadBytes, rate: downloadBytes / seconds },
    rtt,
  };
}

const withRates = (one: ConnectionItem): Rated<ConnectionItem> => ({
  ...one,
  uploadRate: one.upload.rate,
  downloadRate: one.download.rate,
});

function plain(one: ConnectionItem & Partial<Rates>): ConnectionItem {
  const { uploadRate: _, downloadRate: __, ...item } = one;
  return item;
}
