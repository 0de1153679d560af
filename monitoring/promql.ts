/**
 * Metrics as dashboards and rules name them: by the key of the table, with labels that the compiler
 * checks. Pure.
 *
 *     rate(${selector('relayBytes', { direction: 'upload' })}[5m])
 *     histogram_quantile(0.99, sum ${by('relayConnectSeconds', 'le')} (rate(${selector('relayConnectSeconds', {}, 'bucket')}[5m])))
 */
import {
  type HistogramKey,
  type LabelName,
  type LabelsOf,
  type MetricKey,
  metrics,
} from './metrics.js';

/** Series that a histogram consists of. */
export type HistogramPart = 'bucket' | 'sum' | 'count';

type Part<K extends MetricKey> = K extends HistogramKey ? [part: HistogramPart] : [];

/** What Prometheus adds to each series. */
export type TargetLabel = 'job' | 'instance';

/** A text is equality; regular expressions are anchored. */
export type Matcher<Value extends string> =
  | Value
  | { readonly not: Value }
  | { readonly matches: string }
  | { readonly notMatches: string };

export type Matchers<K extends MetricKey> = {
  readonly [L in keyof LabelsOf<K>]?: Matcher<LabelsOf<K>[L] & string>;
} & { readonly [L in TargetLabel]?: Matcher<string> };

/** The name of a metric, of a histogram that of one of its series: `sidetrack_relay_bytes_total`. */
export function metric<K extends MetricKey>(key: K, ...[part]: Part<K>): string {
  const { name } = metrics[key];
  return part === undefined ? name : `${name}_${part}`;
}

/** `sidetrack_relay_bytes_total{direction="upload"}`; without braces where nothing is asked of labels. */
export function selector<K extends MetricKey>(
  key: K,
  matchers: Matchers<K>,
  ...part: Part<K>
): string {
  const written = Object.entries<Matcher<string> | undefined>(matchers).flatMap(
    ([label, matcher]) => (matcher === undefined ? [] : `${label}${matcherText(matcher)}`),
  );
  return `${metric(key, ...part)}${written.length === 0 ? '' : `{${written.join(',')}}`}`;
}

/** `by (upstream, reason)`: labels of that metric, and those that Prometheus adds. */
export function by<K extends MetricKey>(
  _key: K,
  ...labels: readonly (LabelName<K> | TargetLabel | (K extends HistogramKey ? 'le' : never))[]
): string {
  return `by (${labels.join(', ')})`;
}

function matcherText(matcher: Matcher<string>): string {
  if (typeof matcher === 'string') return `=${quoted(matcher)}`;
  if ('not' in matcher) return `!=${quoted(matcher.not)}`;
  return 'matches' in matcher ? `=~${quoted(matcher.matches)}` : `!~${quoted(matcher.notMatches)}`;
}

/** PromQL's escapes are Go's, which has those of JSON. */
const quoted = (text: string): string => JSON.stringify(text);
