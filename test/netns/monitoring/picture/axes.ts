/** Where a time and a value lie in a panel, and the lines and words of both axes. */
import type { View } from '../grafana.js';
import { type Box, line, text } from './svg.js';
import { formatted } from './units.js';

export interface Axes {
  x(at: number): number;
  y(value: number): number;
  shapes: readonly string[];
}

const GRID = 'stroke="#e4e5e6" stroke-width="1" fill="none"';
const QUIET = '#6e7178';
const LINES = 5;
/** Pixels that a time needs. */
const CLOCK_WIDTH = 64;

export interface Range {
  from: number;
  to: number;
  logarithmic: boolean;
}

export function axes(box: Box, view: View, range: Range, unit: string): Axes {
  const x = timeScale(box, view);
  const place = range.logarithmic ? Math.log10 : (value: number) => value;
  const [low, high] = [place(range.from), place(range.to)];
  const y = (value: number) =>
    box.y + box.height * (1 - (place(Math.max(value, range.from)) - low) / (high - low || 1));
  const shapes = [...timeAxis(box, view, x)];
  for (const value of range.logarithmic ? decades(range) : steps(range)) {
    shapes.push(line([box.x, y(value)], [box.x + box.width, y(value)], GRID));
    shapes.push(
      text(box.x - 6, y(value) + 4, formatted(value, unit), {
        size: 11,
        color: QUIET,
        anchor: 'end',
      }),
    );
  }
  return { x, y, shapes };
}

/** Answers begin a little before the view, at a multiple of the step. */
export const timeScale =
  (box: Box, { from, to }: View) =>
  (at: number): number =>
    box.x + Math.max(0, (at - from) / (to - from)) * box.width;

export function timeAxis(box: Box, view: View, x: (at: number) => number): string[] {
  const lines = Math.max(2, Math.min(LINES, Math.floor(box.width / CLOCK_WIDTH)));
  const every = (view.to - view.from) / lines;
  return Array.from({ length: lines }, (_, index) => view.from + (index + 0.5) * every).flatMap(
    (at) => [
      line([x(at), box.y], [x(at), box.y + box.height], GRID),
      text(x(at), box.y + box.height + 14, clock(at), {
        size: 11,
        color: QUIET,
        anchor: 'middle',
      }),
    ],
  );
}

const clock = (at: number): string => new Date(at * 1000).toISOString().slice(11, 19);

/** Multiples of 1, 2 or 5 times a power of ten. */
function steps({ from, to }: Range): number[] {
  const raw = (to - from) / LINES;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= raw) ?? 10);
  const first = Math.ceil(from / step) * step;
  const count = Math.floor((to - first) / step + 1e-9) + 1;
  return Array.from({ length: count }, (_, index) => first + index * step);
}

function decades({ from, to }: Range): number[] {
  const [first, last] = [Math.ceil(Math.log10(from)), Math.floor(Math.log10(to))];
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => 10 ** (first + index));
}
