/** Each kind of panel drawn from its data: close to what Grafana draws, for the documentation alone. */
import type { Panel, View } from '../grafana.js';
import { finite, type NamedSeries, type PanelData } from '../panel-data.js';
import { axes, timeAxis, timeScale } from './axes.js';
import { type Box, LEVELS, line, PALETTE, path, rectangle, text } from './svg.js';
import { formatted } from './units.js';

const QUIET = '#6e7178';
const LEFT = 66;
const BELOW = 22;
const ROW = 18;
/** Grafana's legend takes no more of a panel. */
const LEGEND_SHARE = 0.38;

const unitOf = ({ fieldConfig }: Panel) => fieldConfig?.defaults.unit ?? 'short';

function colorOf({ fieldConfig }: Panel, value: number): string {
  const steps = fieldConfig?.defaults.thresholds?.steps ?? [];
  const step = steps.findLast((one) => one.value === null || value >= one.value);
  return LEVELS[step?.color ?? 'green'] ?? '#37872d';
}

const wordOf = ({ fieldConfig }: Panel, value: number): string | undefined =>
  fieldConfig?.defaults.mappings[0]?.options[String(value)]?.text;

const allSeries = ({ queries }: PanelData): NamedSeries[] =>
  queries.flatMap(({ series }) => series).filter(({ points }) => finite(points).length > 0);

type Colored = NamedSeries & { color: string };

const colored = (series: readonly NamedSeries[]): Colored[] =>
  series.map((one, index) => ({ ...one, color: PALETTE[index % PALETTE.length]! }));

export function drawGraph(data: PanelData, box: Box, view: View): string[] {
  const { panel } = data;
  const defaults = panel.fieldConfig?.defaults;
  const series = colored(allSeries(data));
  const rows = Math.min(series.length + 1, Math.floor((box.height * LEGEND_SHARE) / ROW));
  const plot = {
    x: box.x + LEFT,
    y: box.y + 6,
    width: box.width - LEFT - 10,
    height: box.height - BELOW - rows * ROW - 8,
  };
  const logarithmic = defaults?.custom?.scaleDistribution?.type === 'log';
  const stacked = defaults?.custom?.stacking?.mode === 'normal';
  const lines = stacked ? stackedLines(series) : series.map(({ points }) => finite(points));
  const values = lines.flat().map(({ value }) => value);
  const highest = Math.max(...values, logarithmic ? Number.MIN_VALUE : 0);
  const lowest = Math.min(...values.filter((value) => value > 0));
  const { x, y, shapes } = axes(
    plot,
    view,
    {
      from: logarithmic ? lowest / 2 : (defaults?.min ?? 0),
      to: defaults?.max ?? (logarithmic ? highest * 2 : highest * 1.08 || 1),
      logarithmic,
    },
    unitOf(panel),
  );
  const drawn = lines.map((points, index) => {
    const at = points.map((point) => [x(point.at), y(point.value)] as const);
    return path(at, `stroke="${series[index]!.color}" stroke-width="1.5" fill="none"`);
  });
  for (const { value, color } of defaults?.thresholds?.steps ?? [])
    if (value !== null && value <= (defaults?.max ?? highest))
      drawn.push(
        line(
          [plot.x, y(value)],
          [plot.x + plot.width, y(value)],
          `stroke="${LEVELS[color]}" stroke-dasharray="6 4"`,
        ),
      );
  const top = plot.y + plot.height + BELOW + 8;
  return [...shapes, ...drawn, ...legend(panel, series, { ...box, y: top }, rows - 1)];
}

/** Each on top of those before. */
function stackedLines(series: readonly NamedSeries[]) {
  const sums = new Map<number, number>();
  return series.map(({ points }) =>
    finite(points).map(({ at, value }) => {
      sums.set(at, (sums.get(at) ?? 0) + value);
      return { at, value: sums.get(at) ?? 0 };
    }),
  );
}

const CALCULATIONS: Readonly<Record<string, readonly [string, (values: number[]) => number]>> = {
  mean: ['Mean', (values) => values.reduce((sum, one) => sum + one, 0) / values.length],
  max: ['Max', (values) => Math.max(...values)],
  lastNotNull: ['Last', (values) => values.at(-1)!],
};
const COLUMN = 76;

function legend(panel: Panel, series: readonly Colored[], box: Box, rows: number): string[] {
  if (rows < 1) return [];
  const unit = unitOf(panel);
  const columns = (panel.options?.legend?.calcs ?? []).map((name) => CALCULATIONS[name]!);
  const right = (index: number) => box.x + box.width - 10 - (columns.length - 1 - index) * COLUMN;
  const heading = { size: 11, color: QUIET, anchor: 'end' } as const;
  const shapes = columns.map(([word], index) => text(right(index), box.y + 8, word, heading));
  const last = ({ points }: Colored) => finite(points).at(-1)!.value;
  const sorted = [...series].sort((a, b) => last(b) - last(a));
  for (const [index, { name, points, color }] of sorted.slice(0, rows).entries()) {
    const y = box.y + (index + 1) * ROW + 8;
    const values = finite(points).map(({ value }) => value);
    shapes.push(rectangle({ x: box.x + 10, y: y - 6, width: 14, height: 4 }, color));
    shapes.push(text(box.x + 30, y, name, { room: box.width - 30 - columns.length * COLUMN }));
    for (const [i, [, calculate]] of columns.entries())
      shapes.push(
        text(right(i), y, formatted(calculate(values), unit), { size: 11, anchor: 'end' }),
      );
  }
  if (series.length > rows)
    shapes.push(
      text(box.x + 10, box.y + 8, `${series.length - rows} more: scroll`, {
        size: 11,
        color: QUIET,
      }),
    );
  return shapes;
}

export function drawNumber(data: PanelData, box: Box): string[] {
  const { panel } = data;
  const [first] = allSeries(data);
  const last = first && finite(first.points).at(-1)?.value;
  const middle = { anchor: 'middle', bold: true } as const;
  const place = [box.x + box.width / 2, box.y + box.height / 2 + 8] as const;
  const noValue = panel.fieldConfig?.defaults.noValue ?? 'No data';
  if (last === undefined) return [text(...place, noValue, { ...middle, size: 22, color: QUIET })];
  const decimals = panel.fieldConfig?.defaults.decimals;
  const value = wordOf(panel, last) ?? formatted(last, unitOf(panel), decimals);
  const shown = panel.options?.textMode === 'name' ? first!.name : value;
  const size = Math.min(34, (box.width - 20) / (shown.length * 0.6));
  return [text(...place, shown, { ...middle, size, color: colorOf(panel, last) })];
}

export function drawStates(data: PanelData, box: Box, view: View): string[] {
  const { panel } = data;
  const series = allSeries(data);
  const names = Math.min(190, box.width * 0.35);
  const plot = {
    x: box.x + names,
    y: box.y + 4,
    width: box.width - names - 10,
    height: box.height - BELOW - 8,
  };
  const x = timeScale(plot, view);
  const height = plot.height / series.length;
  const shapes = timeAxis(plot, view, x);
  for (const [index, { name, points }] of series.entries()) {
    const y = plot.y + index * height;
    shapes.push(
      text(plot.x - 8, y + height / 2 + 4, name, { size: 11, anchor: 'end', room: names - 12 }),
    );
    const known = finite(points);
    for (let from = 0; from < known.length; ) {
      const { at, value } = known[from]!;
      const next = known.findIndex((point, i) => i > from && point.value !== value);
      const end = next < 0 ? view.to : known[next]!.at;
      const bar = { x: x(at), y: y + height * 0.1, width: x(end) - x(at), height: height * 0.8 };
      shapes.push(rectangle(bar, colorOf(panel, value), ' fill-opacity="0.7"'));
      const word = wordOf(panel, value) ?? formatted(value, unitOf(panel));
      shapes.push(
        text(bar.x + 6, y + height / 2 + 4, word, { size: 11, color: '#fff', room: bar.width }),
      );
      from = next < 0 ? known.length : next;
    }
  }
  return shapes;
}

export function drawHeatMap(data: PanelData, box: Box, view: View): string[] {
  const [query] = data.queries;
  const buckets = [...(query?.series ?? [])].sort((a, b) => boundOf(a) - boundOf(b));
  const plot = {
    x: box.x + LEFT,
    y: box.y + 6,
    width: box.width - LEFT - 10,
    height: box.height - BELOW - 12,
  };
  const x = timeScale(plot, view);
  const height = plot.height / Math.max(1, buckets.length);
  const shapes = timeAxis(plot, view, x);
  const counts = buckets.map(({ points }, index) => {
    const below = new Map((buckets[index - 1]?.points ?? []).map(({ at, value }) => [at, value]));
    return points.map(({ at, value }) => ({ at, count: value - (below.get(at) ?? 0) }));
  });
  const most = Math.max(...counts.flat().map(({ count }) => count));
  const step = (buckets[0]?.points[1]?.at ?? view.to) - (buckets[0]?.points[0]?.at ?? view.from);
  for (const [index, bucket] of counts.entries()) {
    const y = plot.y + plot.height - (index + 1) * height;
    if (index % 3 === 0)
      shapes.push(
        text(plot.x - 6, y + 4, wordOfBound(boundOf(buckets[index]!)), {
          size: 11,
          color: QUIET,
          anchor: 'end',
        }),
      );
    for (const { at, count } of bucket.filter(({ count }) => count > 0))
      shapes.push(
        rectangle(
          {
            x: x(at),
            y: y + 0.5,
            width: Math.max(1, x(at + step) - x(at) - 1),
            height: height - 1,
          },
          '#d94801',
          ` fill-opacity="${(0.12 + 0.88 * Math.sqrt(count / most)).toFixed(2)}"`,
        ),
      );
  }
  return shapes;
}

const boundOf = ({ labels }: NamedSeries): number =>
  labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le);

const wordOfBound = (bound: number): string =>
  Number.isFinite(bound) ? formatted(bound, 's') : '+Inf';

export function drawTable(data: PanelData, box: Box): string[] {
  const { panel } = data;
  const names = Object.entries(panel.transformations[0]?.options.renameByName ?? {});
  const width = (box.width - 20) / names.length;
  const rows = Math.floor((box.height - 10) / 24) - 1;
  const shapes = names.map(([, title], i) =>
    text(box.x + 10 + i * width, box.y + 16, title, { bold: true, room: width }),
  );
  const last = ({ points }: NamedSeries) => finite(points).at(-1)!.value;
  const sorted = allSeries(data).sort((a, b) => last(b) - last(a));
  for (const [index, { labels, points }] of sorted.slice(0, rows).entries())
    for (const [i, [label]] of names.entries()) {
      const value = finite(points).at(-1)?.value ?? 0;
      const number = wordOf(panel, value) ?? formatted(value, unitOf(panel));
      const shown = label === 'Value' ? number : (labels[label] ?? '');
      shapes.push(
        text(box.x + 10 + i * width, box.y + 16 + (index + 1) * 24, shown, { room: width }),
      );
    }
  return shapes;
}
