/** What became of the reloads of the configuration, as metrics. */
import { Counter, Gauge, type Registry } from 'prom-client';
import { reloadMetrics } from './metrics.js';

export interface Reloads {
  success: number;
  failure: number;
  lastSucceeded: boolean;
  /** Unix time in seconds; the start counts. */
  lastSuccess: number;
  /** Configurations in use: the current one, and those of older connections. */
  readonly generations: number;
}

export function registerReloads(registry: Registry, reloads: Reloads): void {
  const { total, lastSucceeded, lastSuccess, generations } = reloadMetrics;
  registry.registerMetric(
    new Counter({
      name: total.name,
      help: total.help,
      labelNames: ['result'],
      registers: [],
      collect() {
        this.reset();
        this.inc({ result: 'success' }, reloads.success);
        this.inc({ result: 'failure' }, reloads.failure);
      },
    }),
  );
  const gauge = ({ name, help }: { name: string; help: string }, value: () => number) =>
    registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        collect() {
          this.set(value());
        },
      }),
    );
  gauge(lastSucceeded, () => Number(reloads.lastSucceeded));
  gauge(lastSuccess, () => reloads.lastSuccess);
  gauge(generations, () => reloads.generations);
}
