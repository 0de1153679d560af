/** One page of the connections, found, sorted and cut by the server; asked for anew while it is looked at. */
import type { ConnectionItem, ConnectionPage } from '../connection-page.js';
import { type Access, NeedsToken, Refused } from './access.js';
import { isConnectionPage } from './answers.js';
import { askToClose, askToCloseFiltered, showWhy } from './connection-actions.js';
import { connectionColumns } from './connection-columns.js';
import {
  type ConnectionSort,
  isConnectionSort,
  PAGE_ROWS,
  pagesAround,
  pathOf,
  whereOf,
} from './connections.js';
import { nameOf } from './devices.js';
import { NOT_SHOWN } from './devices-view.js';
import { byId, setText } from './dom.js';
import { isEmptyFilter, parseFilter, withWord } from './filter.js';
import { plural } from './format.js';
import type { Model, View } from './model.js';
import { createTable } from './table.js';

export interface ConnectionsView extends View {
  /** Shows the connections of one client. */
  chooseClient(address: string): void;
  focusSearch(): void;
}

const EVERY_MS = 2000;
/** While somebody types. */
const TYPING_MS = 250;

export function connectionsView(access: Access, announce: (text: string) => void): ConnectionsView {
  const search = byId('search', HTMLInputElement);
  const form = byId('search-form', HTMLFormElement);
  const where = byId('page-where', HTMLElement);
  const before = byId('page-before', HTMLButtonElement);
  const after = byId('page-after', HTMLButtonElement);
  const closeFiltered = byId('close-filtered', HTMLButtonElement);
  let sort: ConnectionSort = 'rate';
  let offset = 0;
  let isOpen = true;
  let isSeen = false;
  let asking: AbortController | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  let timer = 0;
  let around: { before?: number; after?: number } = {};
  const names = new Map<string, string>();

  const closed = (count: number) => {
    announce(`${plural(count, 'connection')} closed`);
    ask();
  };
  const table = createTable<ConnectionItem>(byId('connections-table', HTMLElement), {
    caption: 'Connections of the relay',
    keyOf: ({ id, open }) => `${open} ${id}`,
    recycles: true,
    onSort(word) {
      if (isConnectionSort(word)) sort = word;
      offset = 0;
      ask();
    },
    onKey(key, one) {
      if (key === 'Enter') void showWhy(access, one);
      else if (one.open) askToClose(access, one, closed);
    },
    columns: connectionColumns({
      names,
      why: (one) => void showWhy(access, one),
      close: (one) => askToClose(access, one, closed),
    }),
  });

  const show = (page: ConnectionPage) => {
    // Connections that have ended may have taken the page with them.
    if (page.connections.length === 0 && page.matching > 0 && offset > 0) {
      offset = 0;
      ask();
      return;
    }
    around = pagesAround(offset, page.matching);
    table.show(page.connections, sort);
    table.say(page.connections.length === 0 ? emptyText(page.all) : '');
    setText(where, whereOf(offset, page.connections.length, page.matching, page.all));
    before.disabled = around.before === undefined;
    after.disabled = around.after === undefined;
    closeFiltered.disabled = !isOpen || page.matching === 0;
  };
  const emptyText = (all: number) => {
    if (!isOpen) return 'None of the last ones that ended matches.';
    return all === 0 ? 'No connection is open.' : 'No open connection matches.';
  };
  const fail = (error: unknown) => {
    table.show([]);
    setText(where, '');
    const isHidden =
      error instanceof NeedsToken ||
      (error instanceof Refused && [403, 404].includes(error.status));
    table.say(isHidden ? NOT_SHOWN : error instanceof Error ? error.message : String(error));
    before.disabled = true;
    after.disabled = true;
    closeFiltered.disabled = true;
  };
  const ask = async () => {
    asking?.abort();
    const mine = new AbortController();
    asking = mine;
    askedAt = performance.now();
    const filter = parseFilter(search.value);
    const state = isOpen ? 'open' : 'closed';
    try {
      const path = pathOf({ filter, state, sort, offset, limit: PAGE_ROWS });
      const page = await access.json(path, { signal: mine.signal });
      if (mine.signal.aborted) return;
      if (!isConnectionPage(page)) throw new Error('another version: load the page anew');
      show(page);
    } catch (error) {
      if (!mine.signal.aborted) fail(error);
    } finally {
      if (asking === mine) asking = undefined;
    }
  };
  const askSoon = () => {
    clearTimeout(timer);
    offset = 0;
    timer = setTimeout(ask, TYPING_MS);
  };
  search.addEventListener('input', askSoon);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void ask();
  });
  form.addEventListener('change', ({ target }) => {
    if (!(target instanceof HTMLInputElement) || target.name !== 'which') return;
    isOpen = target.value === 'open';
    offset = 0;
    void ask();
  });
  const turn = (to: number | undefined) => {
    if (to === undefined) return;
    offset = to;
    void ask();
  };
  before.addEventListener('click', () => turn(around.before));
  after.addEventListener('click', () => turn(around.after));
  closeFiltered.addEventListener('click', () => {
    askToCloseFiltered(access, parseFilter(search.value), closed).catch(fail);
  });
  new IntersectionObserver(
    (entries) => {
      isSeen = entries.some(({ isIntersecting }) => isIntersecting);
      if (isSeen && performance.now() - askedAt > EVERY_MS) void ask();
    },
    { rootMargin: '200px' },
  ).observe(byId('connections', HTMLElement));

  return {
    update({ state }: Model) {
      names.clear();
      for (const client of state?.clients ?? [])
        if (client.name !== undefined) names.set(client.address, nameOf(client));
      const label = isEmptyFilter(parseFilter(search.value)) ? 'Close all…' : 'Close these…';
      setText(closeFiltered, label);
      if (isSeen && asking === undefined && performance.now() - askedAt > EVERY_MS - 100)
        void ask();
    },
    chooseClient(address) {
      search.value = withWord(search.value, 'client', address);
      byId('connections', HTMLElement).scrollIntoView();
      search.focus({ preventScroll: true });
      askSoon();
    },
    focusSearch() {
      search.focus();
      search.select();
    },
  };
}
