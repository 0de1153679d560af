/** A router and a server that lose power, and are what they were with no command of ours. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../control/lab/topology.js';
import { canLoad } from '../bpf/loader.js';
import { CLI, type Classifier, Fixture, url, waitFor } from './fixture.js';
import { DESTINATIONS, sshConfig } from './machines/config.js';
import { diskOf } from './machines/disk.js';
import { Machines } from './machines/machines.js';
import { makeNetwork } from './machines/power.js';
import { addProcd, bootOpenWrt } from './machines/procd.js';
import { canMakeMachines } from './machines/programs.js';
import { addUnits, bootUnits } from './machines/units.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';
import { snapshot } from './snapshot.js';

const NODES = ['router', 'server1'] as const;
const FIREWALL = '/etc/config/firewall';

/** Of a router that has no Node.js. */
const CLASSIFIERS = [['nftables', [], true] as const, ['ebpf-mark', ['long'], canLoad] as const];

describe.each(CLASSIFIERS)('with %s', (classifier, tags, isBuilt) => {
  describe.skipIf(!canMakeMachines || !isBuilt)('what is persisted', { tags: [...tags] }, () =>
    persists(classifier),
  );
});

function persists(classifier: Classifier): void {
  let fixture: Fixture;
  let machines: Machines;
  let before: { disk: string[]; kernel: Record<string, string>[] };

  const disk = () =>
    diskOf(
      ...['router/root/etc', 'router/root/lib', 'server1/etc'].map((name) => machines.own(name)),
    );
  const kernel = () => Promise.all(NODES.map((node) => snapshot(fixture.lab, node)));

  beforeAll(async () => {
    fixture = await Fixture.start();
    machines = await Machines.prepare(fixture);
    addProcd(await machines.openWrt('router'));
    await addUnits(await machines.debian('server1'));
    fixture.classifier = classifier;
    fixture.configure(sshConfig({ canary: DESTINATIONS }));
    await fixture.startRelay();
    before = { disk: await disk(), kernel: await kernel() };
  });
  afterAll(() => fixture?.stop());

  async function succeed(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await machines.sidetrack(...args);
    if (status !== 0) throw new Error(`sidetrack ${args.join(' ')}: ${stderr}${stdout}`);
    return stdout + stderr;
  }

  /** Whether the relay carried it. */
  async function steered(): Promise<boolean> {
    const count = () => fixture.metric('sidetrack_relay_connections_total{family="ipv4"}');
    const already = await count();
    const target = url(ADDRESS.internet.v4, '/bytes/70000');
    const { digest } = await fixture.download('client2', target);
    expect(digest).toBe(pseudoRandomDigest(70_000));
    return (await count()) > already;
  }

  const persisted = async () => {
    const { hosts } = JSON.parse((await machines.sidetrack('status', '--json')).stdout);
    return hosts.map(({ name, state, persistence }: Record<string, unknown>) => [
      name,
      state,
      persistence,
    ]);
  };

  async function reboot() {
    const [router, server] = NODES.map((node) => machines.get(node));
    for (const node of NODES) await machines.cutPower(node);
    const network = (node: string) => () => makeNetwork(fixture.lab, node);
    const etc = machines.own('server1/etc');
    const order = await bootUnits(await machines.restorePower(server!), etc, network('server1'));
    await bootOpenWrt(await machines.restorePower(router!), network('router'));
    return order;
  }

  it('is shown by a plan like anything else', async () => {
    const plan = await succeed('plan', '--persist');
    expect(plan).toContain('+ file /etc/systemd/system/sidetrack-keep.service');
    expect(plan).toContain('+ file /etc/init.d/sidetrack-keep');
  });

  it('is asked for on a terminal, written by steps of its own, and stays so', async () => {
    const words = [process.execPath, CLI, 'apply', '-c', fixture.configFile].join(' ');
    const { stdout, status } = await machines.run(['script', '-qec', words, '/dev/null'], {
      stdin: 'y\n',
    });
    expect(stdout).toMatch(/confirmed[\s\S]*Bring this back when server1 and router boot, too\?/);
    expect(stdout).toContain('for the next boot: put it in place, and start the watcher');
    expect(stdout).toContain('Done. server1 and router: persisted.');
    expect(status).toBe(0);
    expect(await persisted()).toEqual([
      ['server1', 'in-sync', { persisted: true }],
      ['router', 'in-sync', { persisted: true }],
    ]);
    expect(await succeed('apply')).toContain('Nothing changes');
  });

  it('brings traffic back after a reboot of both, with no command', async () => {
    expect(await steered()).toBe(true);
    const order = await reboot();
    expect(order.slice(0, 2)).toEqual(['sidetrack-restore.service', 'network-pre.target']);
    await waitFor('both to be as they were', async () => {
      const { stdout } = await machines.sidetrack('status', '--json');
      const { hosts } = JSON.parse(stdout);
      return hosts.every(({ state }: { state: string }) => state === 'in-sync');
    });
    expect(await steered()).toBe(true);
    expect(await succeed('apply')).toContain('Nothing changes');
  });

  it('is what a boot in the middle of an unconfirmed change brings back', {
    tags: ['long'],
  }, async () => {
    const usual = sshConfig({ canary: DESTINATIONS });
    fixture.configure(
      usual.replace('to: [private], action: direct', 'to: [private, 9.9.9.9], action: direct'),
    );
    let said = '';
    const applying = machines
      .sidetrack('apply', '--confirm', 'manual', '--confirm-timeout', '600')
      .then(({ stdout, stderr }) => {
        said = stdout + stderr;
      });
    const pending = '[ ! -e /run/sidetrack/change/complete ] || echo pending';
    await waitFor('the router to wait', async () =>
      (await machines.get('router').shell(pending)).includes('pending'),
    );
    await reboot();
    fixture.configure(usual);
    await waitFor('both to be as they were', async () => {
      const { stdout } = await machines.sidetrack('status', '--json');
      const { hosts } = JSON.parse(stdout);
      return hosts.every(({ state }: { state: string }) => state === 'in-sync');
    });
    expect(await steered()).toBe(true);
    expect(await succeed('apply')).toContain('Nothing changes');
    await applying;
    expect(said).toMatch(/change/);
  });

  it('is gone with down, and the disks are byte for byte as they were', async () => {
    const { shell } = { shell: (text: string) => machines.get('router').shell(text) };
    expect(await shell(`cat ${FIREWALL}`)).toContain('sidetrack_keep');
    await succeed('down');
    expect(await disk()).toEqual(before.disk);
    expect(await kernel()).toEqual(before.kernel);
    for (const node of NODES)
      expect(await machines.get(node).processes('sidetrack/keep')).toEqual([]);
    expect(await shell('ls -A /run/sidetrack 2>/dev/null; :')).toBe('');
  });
}
