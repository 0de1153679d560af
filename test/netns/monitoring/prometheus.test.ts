/** The fixture itself: a Prometheus in a lab that scrapes the relay, and evaluates rules. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fixture, waitFor } from '../fixture.js';
import { hasPrometheus, Prometheus } from './prometheus.js';

const RULES = {
  groups: [
    {
      name: 'test',
      rules: [
        { record: 'test:up', expr: 'up' },
        { alert: 'TestDown', expr: 'up == 0', labels: { severity: 'critical' } },
      ],
    },
  ],
};

describe.skipIf(!hasPrometheus)('Prometheus on a node', () => {
  let fixture: Fixture;
  let prometheus: Prometheus;

  beforeAll(async () => {
    fixture = await Fixture.start();
    await fixture.startRelay();
    const rules = join(fixture.directory, 'rules.yml');
    writeFileSync(rules, JSON.stringify(RULES));
    prometheus = await Prometheus.start({
      lab: fixture.lab,
      node: 'server1',
      directory: fixture.directory,
      scrapeInterval: '1s',
      jobs: {
        sidetrack: { targets: ['127.0.0.1:9150'] },
        dead: { targets: ['127.0.0.1:1'] },
      },
      ruleFiles: [rules],
    });
  });
  afterAll(async () => {
    await prometheus?.stop();
    await fixture?.stop();
  });

  it('scrapes the relay, and says why it cannot scrape what is not there', async () => {
    await waitFor('two scrapes', async () => {
      const up = await prometheus.query('sum_over_time(up[1h]) >= 2');
      return up.length === 1;
    });
    const targets = await prometheus.targets();
    const healths = targets.map(({ labels, health, lastError }) => [labels.job, health, lastError]);
    expect(healths).toContainEqual(['sidetrack', 'up', '']);
    expect(healths).toContainEqual(['dead', 'down', expect.stringContaining('refused')]);
    expect(await prometheus.value('sidetrack_build_info')).toBe(1);
    const [series] = await prometheus.queryRange('up{job="sidetrack"}', {
      start: Date.now() / 1000 - 1,
      end: Date.now() / 1000,
      step: 1,
    });
    expect(series?.points.at(-1)?.value).toBe(1);
  });

  it('records and fires', async () => {
    await waitFor('the alert', async () =>
      (await prometheus.alerts()).some(({ state, labels }) => {
        return state === 'firing' && labels.alertname === 'TestDown' && labels.job === 'dead';
      }),
    );
    expect(await prometheus.value('test:up{job="sidetrack"}')).toBe(1);
    const rules = await prometheus.rules();
    expect(rules.map(({ name, health }) => [name, health])).toEqual([
      ['test:up', 'ok'],
      ['TestDown', 'ok'],
    ]);
  });
});
