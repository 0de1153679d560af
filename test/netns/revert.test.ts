/** Changes over the network that they change: kept when they are confirmed, else put back by the hosts themselves. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLASSIFIER, Fixture } from './fixture.js';
import type { Machine } from './machines/machine.js';
import { Machines } from './machines/machines.js';
import { canMakeMachines } from './machines/programs.js';
import { snapshot } from './snapshot.js';

const CONFIG = `router:
  host: ssh://root@router
  interfaces: [br-lan]
servers:
  - name: server1
    host: ssh://root@server1
    interface: eth0
    address: [192.168.1.2, "fd00:1::2"]
    mac: 02:00:00:00:01:02
`;

describe.skipIf(!canMakeMachines || CLASSIFIER !== 'nftables')('a change from afar', () => {
  let fixture: Fixture;
  let machines: Machines;
  let router: Machine;
  let before: unknown;

  beforeAll(async () => {
    fixture = await Fixture.start();
    fixture.configure(CONFIG);
    machines = await Machines.prepare(fixture);
    router = await machines.openWrt('router');
    await router.shell('[ -e /dev/stdin ] || ln -s /proc/self/fd/0 /dev/stdin');
    await machines.debian('server1');
    before = await snapshots();
  });
  afterAll(() => fixture?.stop());

  const snapshots = () =>
    Promise.all(['router', 'server1'].map((node) => snapshot(fixture.lab, node)));

  it('is kept over a new connection, and leaves no watchdog', async () => {
    const { status, stderr, stdout } = await machines.sidetrack('apply');
    expect({ stderr, status }).toEqual({ stderr: expect.not.stringContaining('error'), status: 0 });
    expect(stdout).toContain('Done.');
    expect(await router.processes('change/program watch')).toEqual([]);
    expect(await router.shell('ls /run/sidetrack')).toBe('state.json\n');
    expect((await machines.sidetrack('status')).status).toBe(0);
    expect((await machines.sidetrack('apply')).stdout).toContain('Nothing changes');
    expect(await machines.sidetrack('down')).toMatchObject({ status: 0 });
    expect(await snapshots()).toEqual(before);
  });
});
