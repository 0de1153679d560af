/**
 * The dashboards in a lab: both machines under the load of iperf3 and of many small connections, a
 * Prometheus that scrapes them, and every query of every panel as Grafana asks it.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  clientArgv,
  type Iperf3Result,
  readIperf3,
  serverArgv,
} from '../../../control/bench/iperf3.js';
import { ADDRESS, INTERNET_ADDRESSES_V4 } from '../../../control/lab/topology.js';
import { RunningExporter } from '../exporter-fixture.js';
import { CLASSIFIER, Fixture, url, waitFor } from '../fixture.js';
import { DASHBOARDS, panelsOf, readDashboard, type View } from './grafana.js';
import { finite, type PanelData, panelData, withVariables } from './panel-data.js';
import { dashboardPicture } from './picture/picture.js';
import { hasPrometheus, Prometheus } from './prometheus.js';

/** Where `make pictures` wants them. */
const { PICTURES } = process.env;
const SECONDS = Number(process.env.SECONDS ?? 12);
/** Seconds between scrapes. The exporter reads once a second at most. */
const INTERVAL = PICTURES ? 2 : 1;
/** Each way; little enough for a busy machine, so that it is even. */
const RATE = 200e6;
/** Of what iperf3 says. */
const TOLERANCE = 0.02;

const [, UNSTEERED] = INTERNET_ADDRESSES_V4;

const RELAY = `relay:
  metrics: { per_client: 8 }
  probe: { destination: "${ADDRESS.internet.v4}:80", interval_seconds: 1, timeout_seconds: 1 }
sets: { list: { file: list.txt } }
rules:
  - { name: list, to: [list], action: direct }
`;

/** What has nothing to show in a lab where all is well: title of the panel, a part of the query, and why. */
const NOTHING_TO_SHOW: readonly (readonly [title: string, part: string, why: string])[] = [
  ['What is held up', 'accept_pauses', 'accepting was never paused'],
  ['Connections that failed', 'rejected', 'nothing was rejected'],
  ['Limits in use', 'upstream_ports', 'direct: has as many ports as there are destinations'],
  ['Reading the hosts', 'read_errors', 'every host answered'],
  ['Sets', 'list_entries', 'no list is fetched'],
  ['Age of lists', 'list_last_success', 'no list is fetched'],
  ['Repairs', 'sidetrack_keep_', 'no host was applied to stay so'],
  ['Not repaired', 'sidetrack_keep_', 'no host was applied to stay so'],
  CLASSIFIER === 'nftables'
    ? ['eBPF classifier', 'classifier_events', 'nftables judges']
    : ['Sets', 'set_elements', 'sets are in maps of eBPF'],
];

let fixture: Fixture;
let prometheus: Prometheus;
let iperf: Iperf3Result;
let before: Map<string, number>;
/** Unix time, once it has ended. */
let iperfEnd: number | undefined;
let view: View;
let shown: { uid: (typeof DASHBOARDS)[number]; data: PanelData[] }[];

const relayed = async () =>
  new Map(
    (await prometheus.query('sum by (direction) (sidetrack_relay_bytes_total)')).map(
      ({ labels, value }) => [labels.direction ?? '', value],
    ),
  );
const now = () => Date.now() / 1000;

describe.skipIf(!hasPrometheus)('dashboards of a lab under load', () => {
  beforeAll(async () => {
    fixture = await Fixture.start();
    // Without heartbeats the rows about servers would be empty.
    fixture.hearsServers = true;
    writeFileSync(join(fixture.directory, 'list.txt'), `${UNSTEERED}\n`);
    fixture.configureWith([['rules:\n', RELAY]]);
    const relay = await fixture.startRelay();
    await fixture.succeed('apply');
    await RunningExporter.start(fixture, { node: 'server1' });
    prometheus = await Prometheus.start({
      lab: fixture.lab,
      node: 'server1',
      directory: fixture.directory,
      scrapeInterval: `${INTERVAL}s`,
      jobs: {
        'sidetrack-relay': { targets: ['127.0.0.1:9150'] },
        'sidetrack-exporter': { targets: ['127.0.0.1:9151'] },
      },
    });
    fixture.lab.spawn('internet', serverArgv(5201), { stdio: 'ignore' });
    await waitFor('iperf3 to listen', async () => {
      const { stdout } = await fixture.lab.run('internet', ['ss', '-Hltn', 'sport = :5201']);
      return stdout !== '';
    });
    await prometheus.scraped(2);
    before = await relayed();
    const from = now();
    const running = fixture.lab.run(
      'client',
      clientArgv({
        address: ADDRESS.internet.v4,
        port: 5201,
        seconds: SECONDS,
        direction: 'both',
        rate: RATE,
      }),
    );
    const ended = running.then((output) => {
      iperfEnd = now();
      return readIperf3(output);
    });
    relay.signal('SIGHUP');
    for (let round = 0; iperfEnd === undefined; round++) await smallConnections(round);
    const outcome = await ended;
    if ('failure' in outcome) throw new Error(outcome.failure.said);
    iperf = outcome.result;
    await waitFor('both to be scraped after that', async () => {
      const since = await prometheus.query(`up == 1 and timestamp(up) > ${iperfEnd}`);
      return since.length === 2;
    });
    view = { from, to: now(), width: 1400, scrapeInterval: INTERVAL, variables: {} };
    shown = await Promise.all(
      DASHBOARDS.map(async (uid) => {
        const dashboard = readDashboard(uid);
        const chosen = await withVariables(prometheus, dashboard, view);
        const panels = panelsOf(dashboard).map((one) => panelData(prometheus, one, chosen));
        return { uid, data: await Promise.all(panels) };
      }),
    );
  });
  afterAll(async () => {
    await prometheus?.stop();
    await fixture?.stop();
  });

  /** One of each kind: relayed, refused by the destination, left alone by a rule. */
  async function smallConnections(round: number): Promise<void> {
    await fixture.download('client', url(ADDRESS.internet.v4, '/bytes/1000'));
    await fixture.download('client', url(UNSTEERED!, '/bytes/1000'));
    if (round % 24 === 0) await fixture.client('client', 'dial', ADDRESS.internet.v4, '81');
  }

  it('have data in every panel, but for what a healthy lab has nothing of', () => {
    const empty = shown.flatMap(({ data }) =>
      data.flatMap(({ panel, queries }) =>
        queries
          .filter(({ series }) => series.every(({ points }) => finite(points).length === 0))
          .map(({ expression }) => ({ title: panel.title, expression })),
      ),
    );
    type Asked = { title: string; expression: string };
    type Reason = (typeof NOTHING_TO_SHOW)[number];
    const explains = ([panel, part]: Reason, { title, expression }: Asked) =>
      panel === title && expression.includes(part);
    const unexplained = empty.filter((one) => !NOTHING_TO_SHOW.some((it) => explains(it, one)));
    expect(unexplained).toEqual([]);
    // Nothing is excused that has data.
    const asked = shown.flatMap(({ data }) =>
      data.flatMap(({ panel, queries }) =>
        queries.map(({ expression }) => ({ title: panel.title, expression })),
      ),
    );
    const isAsked = (it: Reason) => asked.some((one) => explains(it, one));
    const hasData = (it: Reason) => isAsked(it) && !empty.some((one) => explains(it, one));
    expect(NOTHING_TO_SHOW.filter(hasData)).toEqual([]);
  });

  it.each(['upload', 'download'] as const)(
    'count as many bytes as iperf3: %s',
    async (direction) => {
      const after = await relayed();
      const counted = after.get(direction)! - before.get(direction)!;
      const { receivedBytes } = iperf[direction]!;
      expect(counted / receivedBytes).toBeGreaterThan(1 - TOLERANCE);
      expect(counted / receivedBytes).toBeLessThan(1 + TOLERANCE);
    },
  );

  /** While iperf3 ran at full rate, and had done so for the four seconds of a rate. */
  const steady = (title: string, uid = 'sidetrack-relay') => {
    const { data } = shown.find((one) => one.uid === uid)!;
    const { queries } = data.find(({ panel }) => panel.title === title)!;
    return queries.flatMap(({ series }) =>
      series.map(({ name, points }) => {
        const values = finite(points)
          .filter(({ at }) => at >= iperfEnd! - SECONDS + 6 && at <= iperfEnd! - 2)
          .map(({ value }) => value);
        return { name, mean: values.reduce((sum, one) => sum + one, 0) / values.length };
      }),
    );
  };

  it('show the throughput that iperf3 shows', () => {
    for (const { name, mean } of steady('Throughput')) {
      const expected = iperf[name === 'upload' ? 'upload' : 'download']!.bitsPerSecond;
      expect(mean / expected).toBeGreaterThan(1 - TOLERANCE);
      expect(mean / expected).toBeLessThan(1 + TOLERANCE);
    }
  });

  it.each(['upstream', 'route', 'mode', 'client'])('add up by %s to the same', (what) => {
    const all = steady(`Throughput by ${what}`).reduce((sum, { mean }) => sum + mean, 0);
    const expected = iperf.upload!.bitsPerSecond + iperf.download!.bitsPerSecond;
    expect(all / expected).toBeGreaterThan(1 - TOLERANCE);
    expect(all / expected).toBeLessThan(1 + TOLERANCE);
  });

  it.runIf(PICTURES)('are drawn for the documentation', () => {
    for (const { uid, data } of shown)
      writeFileSync(
        join(PICTURES!, `${uid}.svg`),
        dashboardPicture(readDashboard(uid), data, view),
      );
  });
});
