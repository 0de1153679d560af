/** A newcomer's way: on server1 one command looks at the router, one more sets both up. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RunResult } from '../../control/command/command.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { CLI, FAMILIES, Fixture, url } from './fixture.js';
import { Machines } from './machines/machines.js';
import { canMakeMachines } from './machines/programs.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';
import { leftovers, snapshot } from './snapshot.js';

const ROUTER = `ssh://root@${ADDRESS.router.v4}`;

describe.skipIf(!canMakeMachines)('init over ssh', () => {
  let fixture: Fixture;
  let machines: Machines;
  let directory: string;
  const undo: string[] = [];

  beforeAll(async () => {
    fixture = await Fixture.start();
    machines = await Machines.prepare(fixture);
    await machines.openWrt('router');
    directory = mkdtempSync(join(fixture.directory, 'new-'));
  });
  afterAll(() => fixture?.stop());
  afterEach(async () => {
    for (const words of undo.splice(0).reverse()) await onRouter(words);
    rmSync(join(directory, 'sidetrack.yaml'), { force: true });
  });

  const onRouter = (words: string) => fixture.lab.check('router', words.split(' '));

  async function change(add: string, remove = add.replace(' add ', ' del ')): Promise<void> {
    await onRouter(add);
    undo.push(remove);
  }

  /** In an empty directory of the newcomer's, on server1. */
  function sidetrack(...args: string[]): Promise<RunResult> {
    const there = ['sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', directory];
    const argv = [...there, process.execPath, CLI, ...args];
    return fixture.lab.run('server1', argv, { env: machines.environment });
  }

  async function succeed(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await sidetrack(...args);
    if (status !== 0) throw new Error(`sidetrack ${args.join(' ')}: ${stderr}${stdout}`);
    return stdout;
  }

  const written = () => readFileSync(join(directory, 'sidetrack.yaml'), 'utf8');
  const lineOf = (key: string) => new RegExp(`^ *${key}: .*$`, 'm').exec(written())?.[0].trim();

  it('makes a file that works, and each command says what comes next', async () => {
    const nodes = ['router', 'server1'];
    const state = () => Promise.all(nodes.map((node) => snapshot(fixture.lab, node)));
    const before = await state();
    const said = await succeed('init', ROUTER);
    expect(said).toMatch(
      /^Wrote sidetrack\.yaml\.\n1 value could not be .*CHECK\.\nNext: .* check\n$/,
    );
    expect(written()).toContain(`host: ${ROUTER} `);
    expect(lineOf('interfaces')).toMatch(/^interfaces: \[br-lan, lan2\]/);
    expect(written()).toMatch(/host: local .*# CHECK: this machine is taken for the server/);
    expect(lineOf('address')).toBe('address: [192.168.1.2, "fd00:1::2"]');
    expect(lineOf('mac')).toMatch(/^mac: 02:00:00:00:01:02 /);
    expect(await state()).toEqual(before);

    expect(await succeed('check')).toMatch(/no mistakes\..*Next: sidetrack plan\n$/s);
    expect(await succeed('plan')).toMatch(/Next: sidetrack apply\n$/);
    await fixture.startRelay();
    expect(await succeed('apply')).toMatch(/^Done\..*Next: sidetrack status\n$/m);
    expect(await succeed('status')).toMatch(/router .*: as configured/);
    for (const family of FAMILIES) {
      const address = url(ADDRESS.internet[family], '/bytes/70000');
      const { digest } = await fixture.download('client', address);
      expect(digest).toBe(pseudoRandomDigest(70_000));
    }
    expect(await fixture.metric('sidetrack_relay_connections_total{family="ipv6"}')).toBe(1);
    await succeed('down');
    expect(await state()).toEqual(before);
    expect(await leftovers(fixture.lab)).toBe('');
  });

  it('says the other cases: two routers, a file that is there, a router that is not', async () => {
    expect(await sidetrack('init', ROUTER, '--router', 'netns://x')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('two routers'),
    });
    await succeed('init', ROUTER);
    const first = written();
    expect(await sidetrack('init', 'ssh://root@192.168.1.77')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/sidetrack\.yaml exists already\n {2}hint: .*--force/),
    });
    expect(written()).toBe(first);
    rmSync(join(directory, 'sidetrack.yaml'));
    const { status, stderr } = await sidetrack('init', `${ROUTER}:9`);
    expect(stderr).toMatch(/^error: .*nothing listens on port 9/);
    expect(status).toBe(1);
    expect(existsSync(join(directory, 'sidetrack.yaml'))).toBe(false);
    expect(
      await sidetrack('init', ROUTER, '--server', `ssh://root@[${ADDRESS.router.v6}]`),
    ).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('are the same machine'),
    });
  });

  it('the router itself is not taken for the server', async () => {
    const argv = [process.execPath, CLI, 'init', ROUTER, '-o', join(directory, 'sidetrack.yaml')];
    const { stdout } = await fixture.lab.run('router', argv, { env: machines.environment });
    expect(stdout).toContain('This machine is the router itself');
    expect(written()).toMatch(/host: ssh:\/\/root@192\.168\.1\.2 .*# CHECK/);
    expect(await succeed('check')).toContain('no mistakes');
  });

  describe('no uplink is taken for a client interface, on a router with', () => {
    const interfaces = async () => {
      await succeed('init', ROUTER, '--force');
      return lineOf('interfaces');
    };
    const PLAIN = /^interfaces: \[br-lan, lan2\] +# where client packets come in$/;

    it('a default route in a table that a rule leads to', async () => {
      await change('ip route add default via 203.0.113.10 dev wan table 100');
      await change('ip rule add pref 100 iif br-lan lookup 100');
      await change('ip route del default', 'ip route add default via 203.0.113.10 dev wan');
      expect(await interfaces()).toMatch(PLAIN);
    });

    it('several default routes', async () => {
      await change(
        'ip -6 route add default metric 5 nexthop via fe80::7 dev wan nexthop via fe80::8 dev wan',
      );
      expect(await interfaces()).toMatch(PLAIN);
    });

    it('a virtual router', async () => {
      const vrrp = 'link br-lan name vrrp.51 address 00:00:5e:00:01:33 type macvlan mode private';
      await change(`ip link add ${vrrp}`, 'ip link del vrrp.51');
      await onRouter('ip link set vrrp.51 up');
      await onRouter('ip addr add 192.168.1.254/32 dev vrrp.51');
      expect(await interfaces()).toMatch(
        /\[br-lan, lan2, vrrp\.51\].*# CHECK: vrrp\.51 is a virtual/,
      );
      expect(written()).toMatch(/mac: \[auto, "00:00:5e:00:01:33"\]/);
      expect(await succeed('check')).toContain('no mistakes');
    });

    it('marked packets that go to server1 already', async () => {
      await change('ip route add default via 192.168.1.2 dev br-lan table 100');
      await change('ip rule add pref 100 fwmark 0x1000000/0x1000000 lookup 100');
      expect(await interfaces()).toMatch(PLAIN);
    });
  });
});
