/** Rows → one SVG: a panel for each row, a bar for each contestant, a line for the spread. */

import { median } from '../../control/bench/statistics.js';
import { labelOf } from './contestants.js';
import { digits, type Row } from './report.js';

const COLUMNS = 2;
const PANEL = { width: 600, gap: 28, title: 45, bar: 16, step: 23 };
const LABEL_WIDTH = 210;
const VALUE_WIDTH = 70;
const HEADER = 62;
const COLOUR = { ours: '#0b7a75', rival: '#b8c4c9', text: '#1f2933', faint: '#5f6c76' };

interface Bar {
  label: string;
  values: readonly number[];
  colour: string;
}

export function renderChart(title: string, subtitle: string, rows: readonly Row[]): string {
  let y = HEADER;
  const panels = sideBySide(rows).flatMap((group) => {
    const top = y;
    y += Math.max(...group.map((row) => PANEL.title + barsOf(row).length * PANEL.step)) + PANEL.gap;
    return group.map((row, column) => {
      const x = PANEL.gap + column * (PANEL.width + PANEL.gap);
      return `<g transform="translate(${x},${top})">${panel(row, barsOf(row))}</g>`;
    });
  });
  const width = PANEL.gap + COLUMNS * (PANEL.width + PANEL.gap);
  const height = y;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="DejaVu Sans, Verdana, sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(PANEL.gap, 28, title, `font-size="18" font-weight="bold" fill="${COLOUR.text}"`),
    text(PANEL.gap, 47, subtitle, `fill="${COLOUR.faint}"`),
    ...panels,
    '</svg>',
    '',
  ].join('\n');
}

/** The figures of a case lie side by side, two to a line; so do neighbours with only one. */
function sideBySide(rows: readonly Row[]): Row[][] {
  const groups: Row[][] = [];
  for (const name of new Set(rows.map((row) => row.case))) {
    const group = rows.filter((row) => row.case === name);
    const last = groups.at(-1);
    if (group.length === 1 && last?.length === 1) last.push(...group);
    else for (let i = 0; i < group.length; i += COLUMNS) groups.push(group.slice(i, i + COLUMNS));
  }
  return groups;
}

function barsOf(row: Row): Bar[] {
  const ours = { label: 'sidetrack', values: row.ours, colour: COLOUR.ours };
  const rivals = Object.entries(row.rivals).map(([name, values]) => ({
    label: labelOf(name),
    values,
    colour: COLOUR.rival,
  }));
  return [ours, ...rivals].filter(({ values }) => values.length > 0);
}

function panel(row: Row, bars: readonly Bar[]): string {
  // Where everything is 0 every bar has no length.
  const most = Math.max(...bars.flatMap(({ values }) => values)) || 1;
  const scale = (PANEL.width - LABEL_WIDTH - VALUE_WIDTH) / most;
  return [
    text(0, 14, row.case, `font-weight="bold" fill="${COLOUR.text}"`),
    text(0, 30, row.unit, `fill="${COLOUR.faint}"`),
    ...bars.map((bar, i) => drawBar(bar, PANEL.title - 6 + i * PANEL.step, scale)),
  ].join('\n');
}

function drawBar({ label, values, colour }: Bar, y: number, scale: number): string {
  const middle = median(values);
  const length = (middle * scale).toFixed(1);
  const [from, to] = [Math.min(...values), Math.max(...values)].map(
    (value) => LABEL_WIDTH + value * scale,
  );
  const line = y + PANEL.bar / 2;
  const end = Math.max(LABEL_WIDTH + middle * scale, to!) + 6;
  return [
    text(LABEL_WIDTH - 8, y + 12, label, `text-anchor="end" fill="${COLOUR.text}"`),
    `<rect x="${LABEL_WIDTH}" y="${y}" width="${length}" height="${PANEL.bar}" rx="2" fill="${colour}"/>`,
    `<path d="M${from!.toFixed(1)} ${line}H${to!.toFixed(1)}" stroke="${COLOUR.text}" stroke-width="1.5"/>`,
    text(end, y + 12, digits(middle), `fill="${COLOUR.text}"`),
  ].join('');
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${x.toFixed(1)}" y="${y}" ${attributes}>${xml(content)}</text>`;
}

function xml(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
