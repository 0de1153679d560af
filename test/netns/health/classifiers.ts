/** Who judges, where it may. */
import type { Classifier } from '../fixture.js';

/** Loading eBPF programs needs root. */
export const CLASSIFIERS: readonly Classifier[] =
  process.getuid?.() === 0 ? ['nftables', 'ebpf-mark', 'ebpf-redirect'] : ['nftables'];

export const ON_FAILURE = ['direct', 'block'] as const;

/** Classifier and `on_failure`, each with each. */
export const COMBINATIONS = CLASSIFIERS.flatMap((classifier) =>
  ON_FAILURE.map((onFailure) => ({ classifier, onFailure })),
);

/** Each failure is made so often. The figures of the documentation are of 20. */
export const RUNS = Number(process.env.RUNS ?? 2);
