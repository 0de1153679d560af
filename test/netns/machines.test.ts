/** That the machines which the tests over ssh use are what they claim to be. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fixture } from './fixture.js';
import { Machines } from './machines/machines.js';
import { canMakeMachines } from './machines/programs.js';
import { snapshot } from './snapshot.js';

describe.skipIf(!canMakeMachines)('machines', () => {
  let fixture: Fixture;
  let machines: Machines;

  beforeAll(async () => {
    fixture = await Fixture.start();
    machines = await Machines.prepare(fixture);
    await machines.openWrt('router');
    await machines.debian('server1');
  });
  afterAll(() => fixture?.stop());

  const ssh = (...argv: string[]) => machines.run(['ssh', '-o', 'BatchMode=yes', ...argv]);

  it('are reached by ssh, as root and as a user who may become root', async () => {
    expect(await ssh('router', 'cat /proc/sys/kernel/hostname; id -u')).toMatchObject({
      status: 0,
      stdout: 'router\n0\n',
    });
    expect(await ssh('server1', 'cat /proc/sys/kernel/hostname; command -v nft')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^server1\n\/.*nft\n$/),
    });
    expect(await ssh('admin@server1', 'id -u; sudo -n id -u')).toMatchObject({
      stderr: '',
      stdout: '47110\n0\n',
    });
  });

  it('have what OpenWrt has, and no more', async () => {
    const { stdout } = await ssh(
      'router',
      'for p in ash nft ip flock head setsid bash nohup base64 systemd-run nsenter tr; do command -v $p; done; nft -j list tables; ip -j rule',
    );
    expect(stdout.split('\n').slice(0, 6)).toEqual([
      '/bin/ash',
      '/sbin/nft',
      '/sbin/ip',
      '/sbin/flock',
      '/bin/head',
      '/bin/tr',
    ]);
    expect(stdout).toContain('"wan_nat"');
    expect(stdout).toContain('"priority":32766');
  });

  it.each(['router', 'server1'])(
    'keep on %s what a session has started, until power is lost',
    async (node) => {
      const before = await snapshot(fixture.lab, node);
      const left = "mkdir -p /run/x /etc/y; sh -c 'sleep 1234 & :' </dev/null >/dev/null 2>&1";
      expect(await ssh(node, left)).toMatchObject({ status: 0 });
      expect(await machines.get(node as 'router').processes('sleep 1234')).toHaveLength(1);
      const change =
        'ip rule add priority 7 table 9; ip route add default via 192.168.1.10 table 9; ip route add unreachable 10.0.0.0/8; nft add table inet x; echo 0 >/proc/sys/net/ipv4/conf/all/send_redirects';
      await ssh(node, change);
      expect(await snapshot(fixture.lab, node)).not.toEqual(before);
      const machine = machines.get(node as 'router');
      await machines.losePower(node as 'router');
      expect((await ssh('-o', 'ConnectTimeout=1', node, 'true')).status).toBe(255);
      const again = await machines.restorePower(machine);
      expect(await snapshot(fixture.lab, node)).toEqual(before);
      expect(await again.processes('sleep 1234')).toEqual([]);
      expect((await ssh(node, '[ -e /etc/y ] && ! [ -e /run/x ]')).status).toBe(0);
    },
  );
});
