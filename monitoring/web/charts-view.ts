/** Throughput, connections and latency of the last quarter of an hour. */
import { type Chart, createChart } from './chart.js';
import { byId } from './dom.js';
import { formatFrequency, formatRate, formatSeconds } from './format.js';
import type { Model, View } from './model.js';
import { LEAST_FREQUENCY, LEAST_RATE, LEAST_SECONDS } from './scale.js';

export interface ChartsView extends View {
  redraw(): void;
}

const DASH = [5, 4];

export function chartsView(): ChartsView {
  const charts: readonly Chart[] = [
    createChart({
      title: 'Throughput',
      lines: [
        { column: 'download', label: 'download', colour: '--download' },
        { column: 'upload', label: 'upload', colour: '--upload', dash: DASH },
      ],
      least: LEAST_RATE,
      format: formatRate,
    }),
    createChart({
      title: 'Time to connect',
      lines: [
        { column: 'connectP50', label: 'half within', colour: '--download' },
        { column: 'connectP99', label: '99 of 100 within', colour: '--upload', dash: DASH },
      ],
      least: LEAST_SECONDS,
      format: formatSeconds,
    }),
    createChart({
      title: 'Time inside the relay',
      lines: [
        { column: 'residencyP50', label: 'half within', colour: '--download' },
        { column: 'residencyP99', label: '99 of 100 within', colour: '--upload', dash: DASH },
      ],
      least: LEAST_SECONDS,
      format: formatSeconds,
    }),
    createChart({
      title: 'New connections',
      lines: [
        { column: 'opened', label: 'accepted', colour: '--download' },
        { column: 'errors', label: 'failed', colour: '--critical', dash: DASH },
      ],
      least: LEAST_FREQUENCY,
      format: formatFrequency,
    }),
  ];
  byId('figures', HTMLElement).append(...charts.map(({ element }) => element));
  return {
    update({ recording }: Model) {
      for (const chart of charts) chart.show(recording.samples);
    },
    redraw() {
      for (const chart of charts) chart.redraw();
    },
  };
}
