/** What the exporter says of router and servers, beside what `status` says and what the test sent. */
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LAB_CONFIG } from '../../control/lab/demo.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { RunningExporter, samplesOf } from './exporter-fixture.js';
import { type Classifier, Fixture, url, waitFor } from './fixture.js';
import { hasPrometheus } from './monitoring/prometheus.js';

/** Each question to the eBPF classifier starts Node.js, on a machine that runs other tests. */
const PATIENT = 'exporter: { timeout_seconds: 9 }\n';

const RULE = 'sidetrack_router_rule_packets_total{rule="rest",action="proxy"}';
const STEERED = 'sidetrack_router_steered_packets_total';
const STATE = (host: string, state: string) =>
  `sidetrack_host_state{host="${host}",state="${state}"}`;

interface StatusHost {
  name: string;
  counters: { rule: string; packets: number; bytes?: number }[];
  flows?: number;
}

describe('with nftables', () => tests('nftables'));
describe.skipIf(process.getuid!() !== 0)('with eBPF', { tags: ['long'] }, () => tests('ebpf-mark'));

function tests(classifier: Classifier): void {
  let fixture: Fixture;
  let exporter: RunningExporter;

  beforeAll(async () => {
    fixture = await Fixture.start();
    fixture.classifier = classifier;
    writeFileSync(
      join(fixture.directory, 'far.txt'),
      '203.0.113.0/25\n203.0.113.128/25\n2001:db8:f::/48\n',
    );
    fixture.configure(
      LAB_CONFIG.replace(
        'rules:\n',
        'rules:\n  - { name: far, to: [far], action: direct }\n',
      ).concat('sets: { far: { file: far.txt } }\n', PATIENT),
    );
    await fixture.startRelay();
    await fixture.succeed('apply');
    exporter = await RunningExporter.start(fixture);
  });
  afterAll(() => fixture?.stop());

  const status = async () => {
    const { stdout } = await fixture.sidetrack('status', '--json');
    return (JSON.parse(stdout) as { hosts: StatusHost[] }).hosts;
  };
  /** A reading that is not older than this call. */
  const fresh = async () => {
    const began = Date.now() / 1000;
    let at = 0;
    await waitFor('a new reading', async () => {
      at = (await exporter.state()).at;
      return at > began;
    });
    return exporter.samples();
  };

  it('counts what clients opened and what status says', async () => {
    const before = await fresh();
    for (let i = 0; i < 5; i++)
      expect((await fixture.download('client', url(ADDRESS.internet.v4, '/who'))).status).toBe(0);
    // Flows are counted again only after twenty times as long as that takes.
    exporter.process.signal('SIGHUP');
    const after = await fresh();
    const grown = (sample: string) => after.get(sample)! - (before.get(sample) ?? 0);
    expect(grown(RULE)).toBe(5);
    // The first packet of each: a SYN of 60 bytes.
    expect(grown(RULE.replace('packets', 'bytes'))).toBe(5 * 60);
    expect(grown(STEERED)).toBeGreaterThan(5 * 4);
    expect(grown('sidetrack_server_captured_packets_total{server="server1"}')).toBe(5);
    const router = (await status()).find(({ name }) => name === 'router')!;
    const count = (rule: string) => router.counters.find((one) => one.rule === rule)!;
    expect(after.get(RULE)).toBe(count('rule rest').packets);
    expect(after.get(STEERED)).toBe(count('steered').packets);
    expect(after.get('sidetrack_router_steered_bytes_total')).toBe(count('steered').bytes);
    const flows = [...after].filter(([name]) => name.startsWith('sidetrack_router_flows{'));
    expect(flows.reduce((sum, [, value]) => sum + value, 0)).toBe(router.flows);
    expect(router.flows).toBeGreaterThanOrEqual(5);
  });

  it('says of hosts, next hops, routes and sets how they are', async () => {
    const samples = await fresh();
    for (const host of ['router', 'server1']) {
      expect(samples.get(`sidetrack_host_up{host="${host}"}`)).toBe(1);
      expect(samples.get(STATE(host, 'in-sync'))).toBe(1);
      expect(samples.get(`sidetrack_host_differences{host="${host}"}`)).toBe(0);
    }
    const hop = '{server="server1",family="ipv4"}';
    expect(samples.get(`sidetrack_router_next_hop_reachable${hop}`)).toBe(1);
    expect(samples.get(`sidetrack_router_route_present${hop}`)).toBe(1);
    expect(samples.get('sidetrack_set_entries{set="far",family="ipv4"}')).toBe(1);
    expect(samples.get('sidetrack_set_entries{set="far",family="ipv6"}')).toBe(1);
    const elements = samples.get('sidetrack_router_set_elements{set="far",family="ipv4"}');
    expect(elements).toBe(classifier === 'nftables' ? 1 : undefined);
    const time = statSync(join(fixture.directory, 'far.txt')).mtimeMs / 1000;
    expect(samples.get('sidetrack_set_file_timestamp_seconds{set="far"}')).toBeCloseTo(time, 2);
    const wan = 'sidetrack_router_interface_bytes_total{interface="wan",direction="receive"}';
    expect(samples.get(wan)).toBeGreaterThan(0);
    const [name] = classifier.split('-');
    const info = `sidetrack_router_classifier_info{classifier="${name}",forwarding="mark"}`;
    expect(samples.get(info)).toBe(1);
    if (classifier !== 'nftables')
      expect(
        samples.get('sidetrack_router_classifier_events_total{event="admitted"}'),
      ).toBeGreaterThanOrEqual(5);
  });

  it('has nothing that promtool would say anything about', { skip: !hasPrometheus }, async () => {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: await exporter.get('/metrics'),
      encoding: 'utf8',
    });
    expect([status, stdout, stderr]).toEqual([0, '', '']);
  });

  it('shows a flushed ruleset as drift, and counters that begin at zero after the next apply', async () => {
    const before = await fresh();
    expect(before.get(STEERED)).toBeGreaterThan(0);
    await fixture.lab.check('router', ['nft', 'flush', 'ruleset']);
    exporter.process.signal('SIGHUP');
    const drifted = await fresh();
    expect(drifted.get(STATE('router', 'drifted'))).toBe(1);
    expect(drifted.get(STATE('server1', 'in-sync'))).toBe(1);
    expect(drifted.get('sidetrack_host_differences{host="router"}')).toBeGreaterThan(0);
    expect((await exporter.state()).health[0]).toMatchObject({
      host: 'router',
      next: 'sidetrack plan',
    });
    await fixture.succeed('apply');
    exporter.process.signal('SIGHUP');
    const again = await fresh();
    expect(again.get(STATE('router', 'in-sync'))).toBe(1);
    if (classifier === 'nftables') expect(again.get(STEERED)).toBeLessThan(before.get(STEERED)!);
  });

  it('reads a changed configuration by itself, and keeps the old one while the new is wrong', async () => {
    fixture.configure('router: {}\n');
    expect((await fresh()).get(STATE('router', 'in-sync'))).toBe(1);
    expect(exporter.said).toContain('going on with what');
    fixture.configure(
      LAB_CONFIG.replace('rest, proto: tcp', 'other, proto: tcp').replace(
        'rules:\n',
        'rules:\n  - { name: new, to: [192.0.2.7], action: block }\n',
      ) + PATIENT,
    );
    const samples = await fresh();
    expect(samples.get(STATE('router', 'drifted'))).toBe(1);
    expect(samples.has(RULE)).toBe(false);
  });

  it('prints them once, and writes a whole file that others may read', async () => {
    const { status, stdout } = await fixture.sidetrack('exporter', '--once');
    expect(status).toBe(0);
    expect(samplesOf(stdout).get('sidetrack_host_up{host="router"}')).toBe(1);
    const file = join(fixture.directory, 'sidetrack.prom');
    await fixture.sidetrackPrefixed(
      ['sh', '-c', 'umask 077; exec "$@"', 'sh'],
      ...['exporter', '--textfile', file],
    );
    expect(statSync(file).mode & 0o777).toBe(0o644);
    expect(readdirSync(fixture.directory).filter((name) => name.includes('.new'))).toEqual([]);
    const missing = await fixture.sidetrack('exporter', '--textfile', '/nowhere/x.prom');
    expect([missing.status, missing.stderr]).toEqual([
      1,
      expect.stringContaining('cannot write /nowhere/x.prom: its directory is not there'),
    ]);
  });
}
