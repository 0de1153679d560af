/** One figure over time with uPlot: colours of the theme, the newest values beside it, a sentence for screen readers. */
import { el, setAttribute, setText } from './dom.js';
import type { Column, Samples } from './history.js';
import { topOf } from './scale.js';
import uPlot from './uPlot.esm.js';

export interface Line {
  column: Column;
  label: string;
  /** Of the style sheet: `--upload`. */
  colour: string;
  dash?: readonly number[];
}

export interface ChartOptions {
  title: string;
  lines: readonly Line[];
  /** The axis reaches so far at least. */
  least: number;
  format: (value: number | null | undefined) => string;
}

export interface Chart {
  element: HTMLElement;
  show(samples: Samples): void;
  /** After a change of the theme or of the size. */
  redraw(): void;
}

const HEIGHT = 190;
/** Seconds that are shown, also while there are fewer samples. */
const SPAN = 900;

export const colourOf = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function createChart({ title, lines, least, format }: ChartOptions): Chart {
  const canvas = el('div', { class: 'canvas', role: 'img' });
  const values = lines.map(() => el('b', { class: 'value' }));
  const legend = el(
    'ul',
    { class: 'legend' },
    ...lines.map(({ label, colour, dash }, i) =>
      el(
        'li',
        { 'data-colour': colour.slice(2), 'data-dashed': String(dash !== undefined) },
        el('span', { class: 'key', 'aria-hidden': 'true' }),
        `${label} `,
        values[i],
      ),
    ),
  );
  const element = el('figure', {}, el('figcaption', {}, el('h3', {}, title), legend), canvas);
  let last: Samples | undefined;
  let isSeen = true;
  const tell = (index: number | null | undefined) => {
    lines.forEach(({ column }, i) => {
      const value = last?.[column][index ?? last.at.length - 1];
      setText(values[i]!, format(value));
    });
  };
  const plot = new uPlot(
    optionsOf({ lines, least, format }, tell),
    [[], ...lines.map(() => [])],
    canvas,
  );
  new ResizeObserver(() => {
    const width = canvas.clientWidth;
    if (width > 0 && width !== plot.width) plot.setSize({ width, height: HEIGHT });
  }).observe(canvas);
  const draw = () => {
    const samples = last;
    if (samples === undefined || !isSeen) return;
    plot.setData([samples.at, ...lines.map(({ column }) => samples[column])]);
  };
  // Drawing is most of what a page costs; what is read out and beside it goes on.
  new IntersectionObserver((entries) => {
    isSeen = entries.at(-1)?.isIntersecting ?? true;
    draw();
  }).observe(canvas);
  return {
    element,
    show(samples) {
      last = samples;
      draw();
      tell(plot.cursor.idx);
      const now = lines.map(({ label, column }) => `${label} ${format(samples[column].at(-1))}`);
      setAttribute(canvas, 'aria-label', `${title}: ${now.join(', ')}`);
    },
    redraw() {
      plot.redraw(false, true);
    },
  };
}

function optionsOf(
  { lines, least, format }: Omit<ChartOptions, 'title'>,
  tell: (index: number | null | undefined) => void,
): uPlot.Options {
  const axis = {
    stroke: () => colourOf('--muted'),
    grid: { stroke: () => colourOf('--grid'), width: 1 },
    ticks: { stroke: () => colourOf('--grid'), width: 1, size: 4 },
    font: '12px system-ui, sans-serif',
  };
  return {
    width: 400,
    height: HEIGHT,
    legend: { show: false },
    padding: [8, 8, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: {
      x: { range: (_, __, newest) => [(newest ?? 0) - SPAN, newest ?? SPAN] },
      y: { range: (_, __, most) => [0, topOf(most, least)] },
    },
    series: [
      {},
      ...lines.map(({ label, colour, dash }) => ({
        label,
        stroke: () => colourOf(colour),
        width: 1.5,
        ...(dash && { dash: [...dash] }),
        points: { show: false },
        spanGaps: false,
      })),
    ],
    axes: [
      { ...axis, space: 70, values: (_, times) => times.map(clock) },
      { ...axis, size: 78, values: (_, marks) => marks.map((mark) => format(mark)) },
    ],
    hooks: { setCursor: [({ cursor }) => tell(cursor.idx)] },
  };
}

const two = (value: number) => String(value).padStart(2, '0');

/** `14:05`, in the reader's own time. */
function clock(time: number): string {
  const date = new Date(time * 1000);
  const text = `${two(date.getHours())}:${two(date.getMinutes())}`;
  return date.getSeconds() === 0 ? text : `${text}:${two(date.getSeconds())}`;
}
