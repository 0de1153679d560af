/** Rows → one SVG: a panel for each row, a bar for each contestant, a line for the spread. */
import { CONTESTANTS, type ContestantName } from './contestants.js';
import { digits, type Row } from './report.js';
import { median } from './statistics.js';

const COLUMNS = 2;
const PANEL = { width: 600, gap: 28, title: 30, bar: 16, step: 23 };
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
  const heights = [0, 0];
  const panels = rows.map((row) => {
    const column = heights[0]! <= heights[1]! ? 0 : 1;
    const x = PANEL.gap + column * (PANEL.width + PANEL.gap);
    const y = HEADER + heights[column]!;
    const bars = barsOf(row);
    heights[column]! += PANEL.title + bars.length * PANEL.step + PANEL.gap;
    return `<g transform="translate(${x},${y})">${panel(row, bars)}</g>`;
  });
  const width = PANEL.gap + COLUMNS * (PANEL.width + PANEL.gap);
  const height = HEADER + Math.max(...heights);
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

function barsOf(row: Row): Bar[] {
  const ours = { label: 'sidetrack', values: row.ours, colour: COLOUR.ours };
  const rivals = Object.entries(row.rivals).map(([name, values]) => ({
    label: CONTESTANTS[name as ContestantName].label,
    values,
    colour: COLOUR.rival,
  }));
  return row.ours.length > 0 ? [ours, ...rivals] : rivals;
}

function panel(row: Row, bars: readonly Bar[]): string {
  const most = Math.max(...bars.flatMap(({ values }) => values));
  const scale = (PANEL.width - LABEL_WIDTH - VALUE_WIDTH) / most;
  const title = row.ours.length > 0 ? row.case : `${row.case} (sidetrack not measured)`;
  const unit = `<tspan dx="10" fill="${COLOUR.faint}" font-weight="normal">${xml(row.unit)}</tspan>`;
  return [
    `<text x="0" y="14" font-weight="bold" fill="${COLOUR.text}">${xml(title)}${unit}</text>`,
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
