/** Titles and rows of the view that is shown. Pure. */
import { LOW, line, pageOf, type Shown, type Style, type StyledLine } from './frame-parts.js';
import { firstShown, orderOf, selectedIndex, type TopState, VIEWS } from './model.js';
import { padded, widthOf } from './text.js';
import type { View } from './view.js';

/** Titles and rows. */
export function tableLines(shown: Shown): StyledLine[] {
  const { state, listed, columns } = shown;
  const page = pageOf(shown);
  const first = firstShown(state, listed.ids, page);
  const count = Math.min(listed.ids.length - first, page);
  const cells = Array.from({ length: Math.max(count, 0) }, (_, i) => listed.cells(first + i));
  const view = VIEWS[state.view]!;
  const layout = chooseColumns(view, cells, columns);
  const selected = selectedIndex(state, listed.ids) - first;
  const interactive = Number.isFinite(shown.rows);
  return [
    ...(shown.rows < LOW ? [] : [titles(layout, shown)]),
    ...cells.map((row, i): StyledLine => {
      const isSelected = interactive && i === selected;
      const marker = interactive ? (isSelected ? '>' : ' ') : '';
      const text = layout
        .map(({ at, width, right }) => padded(row[at] ?? '', width, right))
        .join(' ');
      return line(`${marker}${text}`.trimEnd(), isSelected ? 'selected' : 'plain');
    }),
    ...(listed.note === undefined ? [] : [line(`  ${listed.note}`, 'dim')]),
    ...(cells.length > 0 || listed.note !== undefined ? [] : [line(emptyWords(state), 'dim')]),
  ];
}

const emptyWords = ({ filter, view }: TopState) =>
  filter.text === '' ? `  no ${VIEWS[view]!.name}` : `  nothing fits the filter; Esc takes it away`;

interface Place {
  title: string;
  /** Index of the cell. */
  at: number;
  width: number;
  right: boolean;
}

/** The most important columns that have room beside each other. */
function chooseColumns(view: View, cells: readonly string[][], columns: number): Place[] {
  const places = view.columns
    .filter(({ hidden }) => !hidden)
    .map(({ title, importance }, at) => {
      const texts = cells.map((row) => row[at] ?? '');
      const width = texts.reduce((most, text) => Math.max(most, widthOf(text)), title.length);
      return { title, at, width, importance, right: texts.every((text) => /^[\d-]/.test(text)) };
    });
  for (let count = places.length; count > 1; count--) {
    const chosen = places.filter(({ importance }) => importance < count);
    const needed = chosen.reduce((sum, { width }) => sum + width + 1, 0);
    if (needed <= columns) return chosen;
  }
  return places.filter(({ importance }) => importance === 0);
}

function titles(layout: readonly Place[], { state, rows }: Shown): StyledLine {
  const { column } = orderOf(state);
  const gap = Number.isFinite(rows) ? ' ' : '';
  const parts: { text: string; style: Style }[] = [{ text: gap, style: 'plain' }];
  for (const { title, width, right } of layout)
    parts.push(
      { text: padded(title, width, right), style: title === column ? 'selected' : 'bold' },
      { text: ' ', style: 'plain' },
    );
  return parts;
}
