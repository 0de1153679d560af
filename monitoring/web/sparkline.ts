/** A minute of one device as a line without axes; its figures stand beside it. */
import { setAttribute, svg } from './dom.js';

const WIDTH = 120;
const HEIGHT = 24;

/** The line through the values, the newest at the right; the largest one is as high as there is room. Pure. */
export function sparkPath(values: readonly number[], places: number): string {
  const most = Math.max(...values, 0);
  const step = WIDTH / Math.max(places - 1, 1);
  return values
    .map((value, i) => {
      const x = WIDTH - (values.length - 1 - i) * step;
      const y = most > 0 ? HEIGHT - 1 - (value / most) * (HEIGHT - 2) : HEIGHT - 1;
      return `${i === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`;
    })
    .join('');
}

export function fillSparkline(cell: HTMLElement, values: readonly number[]): void {
  if (cell.childElementCount === 0)
    cell.append(
      svg(
        'svg',
        { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'spark', 'aria-hidden': 'true' },
        svg('path'),
      ),
    );
  setAttribute(cell.firstElementChild!.firstElementChild!, 'd', sparkPath(values, 60));
}
