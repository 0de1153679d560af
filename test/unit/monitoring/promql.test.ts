import { expect, it } from 'vitest';
import { by, metric, selector } from '../../../monitoring/promql.js';

it('names metrics, and the series of a histogram', () => {
  expect(metric('relayBytes')).toBe('sidetrack_relay_bytes_total');
  expect(metric('relayConnectSeconds', 'bucket')).toBe('sidetrack_relay_connect_seconds_bucket');
  // @ts-expect-error: a histogram by itself has no series
  metric('relayConnectSeconds');
  // @ts-expect-error: a counter has no buckets
  expect(metric('relayBytes', 'bucket')).toContain('relay_bytes');
});

it('selects by labels of the table', () => {
  expect(selector('hostUp', {})).toBe('sidetrack_host_up');
  expect(selector('relayBytes', { direction: 'upload', instance: { matches: '$instance' } })).toBe(
    'sidetrack_relay_bytes_total{direction="upload",instance=~"$instance"}',
  );
  expect(selector('relayResidencySeconds', { direction: { not: 'upload' } }, 'count')).toBe(
    'sidetrack_relay_residency_seconds_count{direction!="upload"}',
  );
  expect(selector('relayUpstreamUp', { upstream: { notMatches: 'a"\\b\n|c' } })).toBe(
    'sidetrack_relay_upstream_up{upstream!~"a\\"\\\\b\\n|c"}',
  );
  // @ts-expect-error: no such value
  selector('relayBytes', { direction: 'sideways' });
  // @ts-expect-error: no such label
  selector('relayBytes', { upstream: 'vps' });
});

it('groups by labels of the table', () => {
  expect(by('relayUpstreamErrors', 'instance', 'upstream', 'reason')).toBe(
    'by (instance, upstream, reason)',
  );
  expect(by('relayConnectSeconds', 'le')).toBe('by (le)');
  // @ts-expect-error: no such label
  by('relayBytes', 'le');
});
