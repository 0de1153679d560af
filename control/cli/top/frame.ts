/** One picture of `sidetrack top`: lines of text and their style, no more and no wider than the window. Pure. */
import type { Health } from '../../../monitoring/state.js';
import { formatBits, formatBytes } from '../relay/connection-list.js';
import { LOW, line, pageOf, type Shown, type Style, type StyledLine } from './frame-parts.js';
import { tableLines } from './frame-table.js';
import { helpLines } from './help.js';
import { firstShown, orderOf, VIEWS } from './model.js';
import { totals } from './picture.js';
import { cut, harmless, widthOf } from './text.js';

/** @param shown a window without an end has no line for keys, and no view to choose. */
export function frame(shown: Shown): StyledLine[] {
  const { rows, columns } = shown;
  if (!(rows >= 1 && columns >= 1)) return [];
  const lines = Number.isFinite(rows) ? fullScreen(shown) : picture(shown);
  return lines.map((parts) => cutLine(parts, columns));
}

function picture(shown: Shown): StyledLine[] {
  return [sums(shown), healthLine(shown), ...tableLines(shown)];
}

function fullScreen(shown: Shown): StyledLine[] {
  const { rows, state } = shown;
  const above = rows < LOW ? [sums(shown)] : [sums(shown), healthLine(shown), viewLine(shown)];
  const body = state.help ? help(shown) : tableLines(shown);
  const upper = [...above, ...body].slice(0, rows - 1);
  const empty = Array.from({ length: rows - 1 - upper.length }, () => line(''));
  return [...upper, ...empty, footer(shown)];
}

function help({ state, picture }: Shown): StyledLine[] {
  const lines = helpLines(VIEWS[state.view]!, picture.now.state?.health ?? []);
  return lines.map((text) => line(text));
}

function cutLine(parts: StyledLine, columns: number): StyledLine {
  const kept: { text: string; style: Style }[] = [];
  let left = columns;
  for (const { text, style } of parts) {
    if (left <= 0) break;
    const shown = cut(text, left);
    left -= widthOf(shown);
    kept.push({ text: shown, style });
  }
  return kept;
}

const perSecond = (rate: number | undefined) =>
  rate === undefined ? '-' : `${formatBits(rate)}it/s`;

function sums({ picture, state }: Shown): StyledLine {
  const { open, upload, download, opened } = totals(picture);
  const parts = [
    `relay on port ${picture.port}: ${open} open`,
    `up ${perSecond(upload)}`,
    `down ${perSecond(download)}`,
    ...(opened === undefined ? [] : [`${formatTenths(opened)} new/s`]),
  ];
  const text = line(parts.join(', '), 'bold');
  return state.paused ? [{ text: 'PAUSED  ', style: 'warning' }, ...text] : text;
}

const formatTenths = (rate: number) => (rate < 99.95 ? rate.toFixed(1) : formatBytes(rate));

const HEALTH_STYLE: Readonly<Record<Health['level'], Style>> = {
  ok: 'good',
  warning: 'warning',
  critical: 'critical',
};

/** The worst thing, and what to type, for which there is always room. */
function healthLine({ picture, trouble, columns }: Shown): StyledLine {
  if (trouble !== undefined) return line(trouble, 'critical');
  const [worst, ...others] = picture.now.state?.health ?? [];
  if (worst === undefined) return line('');
  const { level, host, what, next } = worst;
  if (level === 'ok') return line(`ok: ${harmless(what)}`, 'good');
  const more = others.filter((one) => one.level !== 'ok').length;
  const hint = next === '' ? '' : `; type: ${harmless(next)}`;
  const tail = more === 0 ? hint : `${hint}  (+${more}: press ?)`;
  const room = Math.max(columns - widthOf(tail), STORY_LEAST);
  return line(
    `${cut(`${level} ${harmless(host)}: ${harmless(what)}`, room)}${tail}`,
    HEALTH_STYLE[level],
  );
}

const STORY_LEAST = 30;

/** All views, or the filter of this one; the order, and which rows are shown. */
function viewLine(shown: Shown): StyledLine {
  const { state, listed } = shown;
  const { text } = state.filter;
  const views = VIEWS.flatMap(({ name }, i): StyledLine => {
    if (text !== '' && i !== state.view) return [];
    const style = i === state.view ? 'selected' : 'plain';
    return [
      { text: `${i + 1} ${name}`, style },
      { text: ' ', style: 'plain' },
    ];
  });
  const { column, reversed } = orderOf(state);
  const count = listed.ids.length;
  const first = firstShown(state, listed.ids, pageOf(shown));
  const last = Math.min(first + pageOf(shown), count);
  const order = `by ${column}${reversed ? ' reversed' : ''}`;
  const rows = `${Math.min(first + 1, count)}-${last}`;
  const room = shown.columns - views.reduce((sum, part) => sum + widthOf(part.text), 1);
  const places = [`${order}, ${rows} of ${count}`, `${order}, ${rows}/${count}`];
  const place = places.find((one) => widthOf(one) <= room) ?? `${rows}/${count}`;
  if (text === '') return [...views, { text: ` ${place}`, style: 'dim' }];
  const filter = `${count} of ${listed.total}: ${harmless(text)}  (Esc: all)  `;
  const [whole = place] = places;
  return [...views, { text: ` ${filter}`, style: 'warning' }, { text: whole, style: 'dim' }];
}

const KEYS = 'q quit  / filter  p pause  x close  X close all  <> sort  Enter go to  ? help';

function footer({ state, trouble, rows }: Shown): StyledLine {
  const { prompt } = state;
  if (prompt?.kind === 'close') return line(harmless(prompt.question), 'critical');
  if (prompt?.kind === 'filter') {
    const problem = prompt.problem === undefined ? '' : `   ${prompt.problem}`;
    return [
      { text: `/${harmless(prompt.text)}_`, style: 'bold' },
      { text: harmless(problem), style: 'warning' },
    ];
  }
  if (state.message !== undefined) return line(harmless(state.message), 'warning');
  if (rows < LOW && trouble !== undefined) return line(trouble, 'critical');
  return line(state.help ? 'any key goes back' : KEYS, 'dim');
}
