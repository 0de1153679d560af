/** What became of the reloads of the configuration, as metrics. */
import type { Registry } from 'prom-client';
import { metrics } from './metrics.js';
import { registerMetrics, single } from './register.js';

export interface Reloads {
  success: number;
  failure: number;
  lastSucceeded: boolean;
  /** Unix time in seconds; the start counts. */
  lastSuccess: number;
  /** Configurations in use: the current one, and those of older connections. */
  readonly generations: number;
}

const reloadSamples = {
  relayReloads: (reloads: Reloads) =>
    metrics.relayReloads.labels.result.map((result) => ({
      labels: { result },
      value: reloads[result],
    })),
  relayReloadLastSuccessful: ({ lastSucceeded }: Reloads) => single(Number(lastSucceeded)),
  relayReloadLastSuccessTimestampSeconds: ({ lastSuccess }: Reloads) => single(lastSuccess),
  relayGenerations: ({ generations }: Reloads) => single(generations),
};
export type ReloadKey = keyof typeof reloadSamples;

export function registerReloads(registry: Registry, reloads: Reloads): void {
  registerMetrics<ReloadKey, Reloads>(registry, reloadSamples, () => reloads);
}
