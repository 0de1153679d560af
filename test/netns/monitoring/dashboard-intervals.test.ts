/** Every query of every panel at the scrape intervals that people have, in a real Prometheus. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runProcess } from '../../../control/hosts/process.js';
import { metrics } from '../../../monitoring/metrics.js';
import { selector } from '../../../monitoring/promql.js';
import { DASHBOARDS, panelsOf, readDashboard, stepOf, type View } from './grafana.js';
import { finite, type PanelData, panelData, withVariables } from './panel-data.js';
import { hasPrometheus, Prometheus } from './prometheus.js';
import { exposition, type Scraping, slope } from './synthetic.js';

/** Blocks are of two hours. */
const FROM = 1_700_006_400;
const TO = FROM + 1800;

const INTERVALS = [5, 15, 60] as const;
const scraping = (interval: number): Scraping => ({
  instance: `every-${interval}-s`,
  interval,
  // As little as the views need, and no scrape falls on a multiple of a step.
  from: Math.max(FROM, TO - 200 * interval) + 3,
  to: TO,
});
const LOSSY: Scraping = { ...scraping(15), instance: 'loses-a-third', lost: 3 };

/** Whether each answers, what it was found to be when it was compared last, and the number that a panel shows. */
const HOSTS = {
  well: { up: 1, state: 'in-sync', shown: 0 },
  changed: { up: 1, state: 'drifted', shown: 1 },
  empty: { up: 1, state: 'absent', shown: 2 },
  incapable: { up: 1, state: 'unfit', shown: 3 },
  'silent, was well': { up: 0, state: 'in-sync', shown: 4 },
  'silent, was changed': { up: 0, state: 'drifted', shown: 4 },
  'silent since the start': { up: 0, state: undefined, shown: 4 },
  'not compared yet': { up: 1, state: undefined, shown: undefined },
} as const;

const AN_EXPORTER = 'of-many-hosts';

function hostLines(): string[] {
  const target = { job: 'sidetrack-exporter', instance: AN_EXPORTER } as const;
  return Object.entries(HOSTS).flatMap(([host, { up, state }]) => [
    `${selector('hostUp', { ...target, host })} ${up} ${TO}`,
    ...(state === undefined
      ? []
      : metrics.hostState.labels.state.map(
          (one) =>
            `${selector('hostState', { ...target, host, state: one })} ${Number(one === state)} ${TO}`,
        )),
  ]);
}

let directory: string;
let prometheus: Prometheus;

describe.skipIf(!hasPrometheus)('dashboards', () => {
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'sidetrack-dashboards-'));
    const text = join(directory, 'all.om');
    const data = join(directory, 'data');
    writeFileSync(text, exposition([...INTERVALS.map(scraping), LOSSY], hostLines()));
    const argv = ['promtool', 'tsdb', 'create-blocks-from', 'openmetrics', '--quiet', text, data];
    const { status, stderr } = await runProcess(argv);
    if (status !== 0) throw new Error(stderr);
    prometheus = await Prometheus.start({
      directory,
      dataDirectory: data,
      scrapeInterval: '1m',
      jobs: {},
    });
  });
  afterAll(async () => {
    await prometheus?.stop();
    if (directory) rmSync(directory, { recursive: true });
  });

  const view = (scraping: Scraping, seconds: number): View => ({
    from: TO - seconds,
    to: TO,
    width: 1400,
    scrapeInterval: scraping.interval,
    variables: { instance: [scraping.instance] },
  });
  const dataOf = async (uid: (typeof DASHBOARDS)[number], one: View): Promise<PanelData[]> => {
    const dashboard = readDashboard(uid);
    const chosen = await withVariables(prometheus, dashboard, one);
    return Promise.all(panelsOf(dashboard).map((panel) => panelData(prometheus, panel, chosen)));
  };

  const cases = [...INTERVALS.map(scraping), LOSSY].flatMap((one) =>
    (one.interval === 15 ? [300, 1500] : [300]).map(
      (seconds) => [one.instance, seconds, one] as const,
    ),
  );
  it.each(cases)('%s: every query has data over %i s', async (_name, seconds, one) => {
    for (const uid of DASHBOARDS)
      for (const { panel, queries } of await dataOf(uid, view(one, seconds)))
        for (const { expression, series } of queries) {
          const points = series.flatMap((each) => finite(each.points));
          expect([uid, panel.title, expression, points.length > 0]).toEqual([
            ...[uid, panel.title, expression],
            true,
          ]);
        }
  });

  it.each(INTERVALS)('scraped every %i s: a rate is what the counter did', async (interval) => {
    const one = view(scraping(interval), 900);
    const panels = await dataOf('sidetrack-relay', one);
    const { panel, queries } = panels.find(({ panel }) => panel.title === 'Throughput')!;
    const [{ series } = { series: [] }] = queries;
    expect(series.map(({ name }) => name).sort()).toEqual(['download', 'upload']);
    for (const { name, points } of series) {
      const expected = 8 * slope(name === 'upload' ? 0 : 1);
      expect(points.length).toBeGreaterThanOrEqual(900 / stepOf(one, panel.gridPos.w));
      for (const { value } of points) expect(value).toBeCloseTo(expected, 3);
    }
  });

  it('show the state of each host, and how many are out of order', async () => {
    const one = { ...view(scraping(15), 300), variables: { instance: [AN_EXPORTER] } };
    const lastOf = async (uid: (typeof DASHBOARDS)[number], title: string) => {
      const found = (await dataOf(uid, one)).find(({ panel }) => panel.title === title)!;
      const [{ series } = { series: [] }] = found.queries;
      return Object.fromEntries(series.map(({ name, points }) => [name, points.at(-1)?.value]));
    };
    const shown = Object.entries(HOSTS).flatMap(([name, host]) =>
      host.shown === undefined ? [] : [[name, host.shown]],
    );
    expect(await lastOf('sidetrack-router', 'Hosts')).toEqual(Object.fromEntries(shown));
    expect(await lastOf('sidetrack-overview', 'Hosts out of order')).toEqual({ hosts: 6 });
  });

  it('are empty where the data source does not know how seldom Prometheus scrapes', async () => {
    const mistaken: View = { ...view(scraping(60), 300), scrapeInterval: 15 };
    const panels = await dataOf('sidetrack-relay', mistaken);
    const { queries } = panels.find(({ panel }) => panel.title === 'Throughput')!;
    expect(queries.flatMap(({ series }) => series)).toEqual([]);
  });
});
