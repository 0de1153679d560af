/** Expressions that several rules have. Pure. */
import type { Settings } from './rule.js';

export const rate = (series: string, window: string): string => `rate(${series}[${window}])`;

/** Follows restarts: a counter that begins anew has not gone back. */
export const increase = (series: string, window: string): string =>
  `increase(${series}[${window}])`;

/** Keeps the labels of targets, such as a site's, by naming what goes and not what stays. */
export const sumWithout = (labels: readonly string[], expression: string): string =>
  `sum without (${labels.join(', ')}) (${expression})`;

/** A sum over all of a set-up: one router and its servers, which are different targets. */
export const sumOfSite = ({ site_label: site }: Settings, expression: string): string =>
  `sum${site === '' ? '' : ` by (${site})`} (${expression})`;

export const onSite = ({ site_label: site }: Settings): string => `on (${site})`;

/** Without what would be divided by zero. */
export const ratio = (part: string, whole: string): string => `${part}\n/\n(${whole} > 0)`;

/** What Prometheus itself says of a target. */
export const up = (job: string): string => `up{job="${job}"}`;

/** On several lines. */
export const lines = (...parts: readonly string[]): string => parts.join('\n');
