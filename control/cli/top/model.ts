/** What a person at `sidetrack top` has chosen, and what each key makes of it. Pure. */
import { clientsView, connectionsView } from './connections-view.js';
import { NOTHING_FILTERED, parseFilter, type Wanted } from './filter.js';
import { hostsView, serversView } from './host-views.js';
import { rulesView, upstreamsView } from './state-views.js';
import type { Order, View } from './view.js';

/** By the keys 1 to 6. */
export const VIEWS: readonly View[] = [
  connectionsView,
  clientsView,
  rulesView,
  upstreamsView,
  hostsView,
  serversView,
];

export type Prompt =
  | { kind: 'filter'; text: string; problem?: string; before: string }
  /** `ids` were chosen when the key was pressed: rows may move before the answer. */
  | { kind: 'close'; ids: readonly number[]; question: string };

export interface TopState {
  /** Index into `VIEWS`. */
  view: number;
  /** Of each view. */
  orders: readonly Order[];
  filter: { text: string; wanted: Wanted };
  /** The row with this id; without one that at `index`, so that the top of a list stays the top. */
  selected: { id?: string; index: number };
  /** Index of the first row that is shown. */
  first: number;
  paused: boolean;
  help: boolean;
  prompt?: Prompt;
  /** What the last key brought about; gone with the next one. */
  message?: string;
}

/** What is on the screen when a key is pressed. */
export interface Screen {
  /** Of all rows that pass the filter, in order. */
  ids: readonly string[];
  /** Rows that fit. */
  page: number;
  filterFor: (index: number) => string | undefined;
  /** A row in words. */
  describe: (index: number) => string;
}

export type Effect =
  | { kind: 'quit' }
  | { kind: 'suspend' }
  | { kind: 'redraw' }
  | { kind: 'close'; ids: readonly number[] };

export interface Step {
  state: TopState;
  effect?: Effect;
}

const FILTER_MOST = 200;

export function initialState(view: number, filter: string, sort?: string): TopState {
  const wanted = parseFilter(filter);
  return {
    view,
    orders: VIEWS.map(({ sortedBy, columns }) => ({
      column: columns.some(({ title }) => title === sort) ? sort! : sortedBy,
      reversed: false,
    })),
    filter: typeof wanted === 'string' ? NO_FILTER : { text: filter, wanted },
    selected: { index: 0 },
    first: 0,
    paused: false,
    help: false,
  };
}

const NO_FILTER = { text: '', wanted: NOTHING_FILTERED };

export const orderOf = ({ orders, view }: TopState): Order => orders[view]!;

/** Index of the selected row, within the list. */
export function selectedIndex({ selected }: TopState, ids: readonly string[]): number {
  const found = selected.id === undefined ? -1 : ids.indexOf(selected.id);
  return Math.max(Math.min(found < 0 ? selected.index : found, ids.length - 1), 0);
}

/** The first row to show, so that the selected one is among them. */
export function firstShown(state: TopState, ids: readonly string[], page: number): number {
  const index = selectedIndex(state, ids);
  const last = Math.max(ids.length - page, 0);
  const enough = Math.max(state.first, index - page + 1, 0);
  return Math.max(Math.min(enough, index, last), 0);
}

/** @param key a character, or a name such as `up`, `pagedown`, `ctrl-c`. */
export function pressed(state: TopState, key: string, screen: Screen): Step {
  if (key === 'ctrl-c') return { state, effect: { kind: 'quit' } };
  if (key === 'ctrl-z') return { state, effect: { kind: 'suspend' } };
  if (key === 'ctrl-l') return { state, effect: { kind: 'redraw' } };
  const { message: _, ...rest } = state;
  if (rest.prompt?.kind === 'filter') return { state: typed(rest, rest.prompt, key) };
  if (rest.prompt?.kind === 'close') return answered(rest, rest.prompt, key);
  if (rest.help) return { state: { ...rest, help: false } };
  return commanded(rest, key, screen);
}

const without = ({ prompt: _, ...rest }: TopState): TopState => rest;
const fromTheTop = { selected: { index: 0 }, first: 0 } as const;

function filtered(state: TopState, text: string): TopState {
  const wanted = parseFilter(text);
  return typeof wanted === 'string'
    ? state
    : { ...state, ...fromTheTop, filter: { text: text.trim(), wanted } };
}

function typed(state: TopState, prompt: Prompt & { kind: 'filter' }, key: string): TopState {
  if (key === 'escape') return filtered(without(state), prompt.before);
  if (key === 'enter') return prompt.problem === undefined ? without(state) : state;
  const text = edited(prompt.text, key);
  const wanted = parseFilter(text);
  const { problem: _, ...asked } = prompt;
  // What is half typed filters nothing anew.
  if (typeof wanted === 'string') return { ...state, prompt: { ...asked, text, problem: wanted } };
  return { ...filtered(state, text), prompt: { ...asked, text } };
}

function edited(text: string, key: string): string {
  const characters = [...text];
  if (key === 'backspace') return characters.slice(0, -1).join('');
  if (key === 'ctrl-u') return '';
  const one = key === 'space' ? ' ' : key;
  return [...one].length === 1 && characters.length < FILTER_MOST ? text + one : text;
}

function answered(state: TopState, { ids }: Prompt & { kind: 'close' }, key: string): Step {
  const next = without(state);
  if (key === 'y' || key === 'Y') return { state: next, effect: { kind: 'close', ids } };
  return { state: { ...next, message: 'nothing was closed' } };
}

function commanded(state: TopState, key: string, screen: Screen): Step {
  const moved = movedTo(state, key, screen);
  if (moved !== undefined) return { state: select(state, moved, screen) };
  switch (key) {
    case 'q':
    case 'Q':
    case 'ctrl-d':
      return { state, effect: { kind: 'quit' } };
    case '?':
    case 'f1':
      return { state: { ...state, help: true } };
    case 'p':
    case ' ':
    case 'space':
      return { state: { ...state, paused: !state.paused } };
    case '/': {
      const { text } = state.filter;
      return { state: { ...state, prompt: { kind: 'filter', text, before: text } } };
    }
    case 'escape':
      return { state: filtered(state, '') };
    case 'enter':
      return { state: behind(state, screen) };
    case 'x':
    case 'delete':
      return { state: askToClose(state, screen) };
    case 'X':
      return { state: askToCloseAll(state, screen) };
    default:
      return { state: sorted(viewed(state, key), key) };
  }
}

/** @returns undefined when the key moves nothing. */
function movedTo(state: TopState, key: string, { ids, page }: Screen): number | undefined {
  const index = selectedIndex(state, ids);
  const step = Math.max(page - 1, 1);
  const places: Readonly<Record<string, number>> = {
    up: index - 1,
    down: index + 1,
    pageup: index - step,
    pagedown: index + step,
    home: 0,
    end: ids.length - 1,
  };
  return places[key];
}

function select(state: TopState, wanted: number, { ids, page }: Screen): TopState {
  const index = Math.max(Math.min(wanted, ids.length - 1), 0);
  const id = ids[index];
  const selected = index === 0 || id === undefined ? { index } : { id, index };
  const next = { ...state, selected };
  return { ...next, first: firstShown(next, ids, page) };
}

function viewed(state: TopState, key: string): TopState {
  const count = VIEWS.length;
  const places: Readonly<Record<string, number>> = {
    tab: (state.view + 1) % count,
    'shift-tab': (state.view + count - 1) % count,
  };
  const view = places[key] ?? (/^[1-9]$/.test(key) ? Number(key) - 1 : state.view);
  return view === state.view || view >= count ? state : { ...state, ...fromTheTop, view };
}

/** A column's key sorts by it, and once more the other way round; `<` and `>` go through the columns. */
function sorted(state: TopState, key: string): TopState {
  const { columns } = VIEWS[state.view]!;
  const { column, reversed } = orderOf(state);
  const index = columns.findIndex(({ title }) => title === column);
  const steps: Readonly<Record<string, number>> = { '<': -1, left: -1, '>': 1, right: 1 };
  const step = steps[key];
  if (step !== undefined) {
    const next = columns[(index + step + columns.length) % columns.length]!;
    return ordered(state, { column: next.title, reversed: false });
  }
  const chosen = columns.find((one) => one.key === key);
  if (chosen === undefined) return state;
  return ordered(state, {
    column: chosen.title,
    reversed: chosen.title === column ? !reversed : false,
  });
}

const ordered = (state: TopState, order: Order): TopState => ({
  ...state,
  orders: state.orders.map((one, i) => (i === state.view ? order : one)),
});

/** From a client or an upstream to its connections. */
function behind(state: TopState, { ids, filterFor }: Screen): TopState {
  const filter = filterFor(selectedIndex(state, ids));
  if (filter === undefined) return state;
  return filtered({ ...state, view: VIEWS.indexOf(connectionsView) }, filter);
}

const ELSEWHERE = 'connections are closed in their own list: press 1, or Enter on a client';

function askToClose(state: TopState, { ids, describe }: Screen): TopState {
  if (VIEWS[state.view] !== connectionsView) return { ...state, message: ELSEWHERE };
  const index = selectedIndex(state, ids);
  const id = ids[index];
  if (id === undefined) return { ...state, message: 'there is no connection to close' };
  const question = `close ${describe(index)}? y/n`;
  return { ...state, prompt: { kind: 'close', ids: [Number(id)], question } };
}

function askToCloseAll(state: TopState, { ids }: Screen): TopState {
  if (VIEWS[state.view] !== connectionsView) return { ...state, message: ELSEWHERE };
  if (ids.length === 0) return { ...state, message: 'there is no connection to close' };
  const { text } = state.filter;
  const which = text === '' ? 'ALL (no filter)' : `"${text}"`;
  const question = `close ${ids.length} connections, ${which}? y/n`;
  return { ...state, prompt: { kind: 'close', ids: ids.map(Number), question } };
}
