/** The alerts that matter most, provoked for real: each fires in a real Prometheus, and none before. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { LAB_CONFIG } from '../../../control/lab/demo.js';
import { ADDRESS, INTERNET_ADDRESSES_V4 } from '../../../control/lab/topology.js';
import { metric } from '../../../monitoring/promql.js';
import { url, waitFor } from '../fixture.js';
import { AlertLab } from './alert-lab.js';
import { hasPrometheus } from './prometheus.js';

/** No proxy listens there. */
const DEAD = `relay:
  probe: { destination: "${ADDRESS.internet.v4}:80", interval_seconds: 1, timeout_seconds: 1 }
  upstreams:
    - { name: dead, url: "socks5://${INTERNET_ADDRESSES_V4[1]}:1080" }
    - { name: direct, url: "direct:" }
`;

const CURL = `curl -s --max-time 1 -o /dev/null ${url(ADDRESS.internet.v4, '/bytes/1000')}`;

describe.skipIf(!hasPrometheus)('alerts', () => {
  let lab: AlertLab;

  beforeAll(async () => {
    lab = await AlertLab.start(LAB_CONFIG);
  });
  afterAll(() => lab?.stop());
  afterEach(() => lab?.endLoops());

  it('are silent while all is well, with traffic', async () => {
    const traffic = lab.again('client', CURL);
    // Most rules look back for as long.
    const since = `count_over_time(${metric('relayConnectionsActive')}[1m])`;
    await waitFor('the scrapes of five seconds', async () => {
      const [scrapes] = await lab.prometheus.query(since);
      return scrapes !== undefined && scrapes.value > 5;
    });
    await traffic.end();
    expect(await lab.firing()).toEqual([]);
    const rules = await lab.prometheus.rules();
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
    const [router] = await lab.prometheus.query(metric('routerSteeredPackets'));
    expect(router?.value).toBeGreaterThan(0);
  });

  it('tell of a dead upstream, a bad reload, and connections that are lost between the machines', async () => {
    await lab.reload(`${LAB_CONFIG}${DEAD}`);
    await lab.reload('router: {}\n');
    // What server1 does not capture is dropped there.
    await lab.fixture.lab.check('server1', ['nft', 'flush', 'ruleset']);
    lab.fixture.configure(LAB_CONFIG);
    lab.compare();
    lab.again('client', CURL);
    await lab.untilFiring(
      'SidetrackUpstreamDown',
      'SidetrackReloadFailed',
      'SidetrackNothingSteered',
      'SidetrackDrifted',
    );
    const alerts = await lab.prometheus.alerts();
    expect(alerts.find(({ labels }) => labels.alertname === 'SidetrackUpstreamDown')).toMatchObject(
      {
        labels: { severity: 'warning', upstream: 'dead', job: 'sidetrack-relay' },
        annotations: {
          description: 'The relay 127.0.0.1:9150 cannot connect through the upstream "dead".',
          runbook_url: expect.stringMatching(/\/runbooks\/SidetrackUpstreamDown$/),
        },
      },
    );
    const drifted = alerts.filter(({ labels }) => labels.alertname === 'SidetrackDrifted');
    expect(drifted.map(({ labels }) => labels.host)).toEqual(['server1']);
  });

  it('tell of a route that is gone and of a relay that is down, and end when all is well again', async () => {
    await lab.fixture.lab.check('router', ['ip', 'route', 'flush', 'table', '250']);
    lab.again('client', CURL);
    lab.relay!.signal('SIGKILL');
    await lab.untilFiring('SidetrackRouteGone', 'SidetrackOnFailureUsed', 'SidetrackRelayDown');
    await lab.fixture.succeed('apply');
    await lab.restart(LAB_CONFIG);
    await lab.untilQuiet(
      'SidetrackRouteGone',
      'SidetrackRelayDown',
      'SidetrackNothingSteered',
      'SidetrackReloadFailed',
    );
  });
});
