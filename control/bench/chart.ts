/** A chart of bars as SVG: a bar is a median, dots are the runs that it comes from. Colours are the page's. */
import { element, type Html } from './html.js';

export interface Bar {
  label: string;
  values: readonly number[];
  median: number;
  /** What has the same number has the same colour on each chart. */
  kind: number;
}

export interface Chart {
  title: string;
  subtitle: string;
  bars: readonly Bar[];
  show(value: number): string;
}

const WIDTH = 460;
const LABELS = 86;
const VALUES = 92;
const HEADER = 44;
const STEP = 30;
const THICKNESS = 18;
const DOT = 2.6;
const LONGEST_LABEL = 13;

export function barChart({ title, subtitle, bars, show }: Chart): Html {
  // Where everything is 0 every bar has no length.
  const most = Math.max(...bars.flatMap(({ values }) => values)) || 1;
  const scale = (WIDTH - LABELS - VALUES) / most;
  const height = HEADER + bars.length * STEP + 6;
  const spoken = bars.map(({ label, median }) => `${label} ${show(median)}`).join(', ');
  return element(
    'svg',
    [
      text(0, 15, title, { class: 'title' }),
      text(0, 31, subtitle, { class: 'label faint' }),
      ...bars.flatMap((bar, i) => drawBar(bar, HEADER + i * STEP, scale, show)),
    ],
    {
      viewBox: `0 0 ${WIDTH} ${height}`,
      role: 'img',
      'aria-label': `${title}: ${spoken}`,
      class: 'chart',
    },
  );
}

const KINDS_OF_BAR = 5;

function drawBar(
  { label, values, median, kind }: Bar,
  y: number,
  scale: number,
  show: (value: number) => string,
): Html[] {
  const short = label.length > LONGEST_LABEL ? `${label.slice(0, LONGEST_LABEL - 1)}…` : label;
  const middle = y + THICKNESS / 2;
  const [from, to] = [Math.min(...values), Math.max(...values)];
  const end = LABELS + Math.max(median, to) * scale + 8;
  return [
    text(LABELS - 8, middle + 4, short, { class: 'label', 'text-anchor': 'end' }),
    element('rect', '', {
      ...{ x: LABELS, y, height: THICKNESS, rx: 2, class: `bar bar${kind % KINDS_OF_BAR}` },
      width: Math.max(1, median * scale).toFixed(1),
    }),
    element('path', '', {
      d: `M${(LABELS + from * scale).toFixed(1)} ${middle}H${(LABELS + to * scale).toFixed(1)}`,
      class: 'range',
    }),
    ...values.map((value) =>
      element('circle', '', {
        ...{ cx: (LABELS + value * scale).toFixed(1), cy: middle, r: DOT, class: 'dot' },
      }),
    ),
    text(end, middle + 4, show(median), { class: 'label value' }),
  ];
}

const text = (x: number, y: number, content: string, attributes: Record<string, string>): Html =>
  element('text', content, { x: x.toFixed(1), y: y.toFixed(1), ...attributes });
