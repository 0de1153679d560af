/** What `plan` gives of hosts behind ssh: scripts that are run there, and a plan that is applied later. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fixture } from './fixture.js';
import { sshConfig } from './machines/config.js';
import { Machines } from './machines/machines.js';
import { canMakeMachines } from './machines/programs.js';
import { snapshot } from './snapshot.js';

const NODES = ['server1', 'router'] as const;

describe.skipIf(!canMakeMachines)('an OpenWrt router and a Debian server', () => {
  let fixture: Fixture;
  let machines: Machines;

  beforeAll(async () => {
    fixture = await Fixture.start();
    machines = await Machines.prepare(fixture);
    await machines.openWrt('router', {});
    await machines.debian('server1', {});
    fixture.configure(sshConfig({ router: 'root', server1: 'root' }));
    await fixture.startRelay();
  });
  afterAll(() => fixture?.stop());

  const snapshots = () => Promise.all(NODES.map((node) => snapshot(fixture.lab, node)));

  it('take the scripts through ssh, and status and apply take what they made', async () => {
    const before = await snapshots();
    const directory = `${fixture.directory}/scripts`;
    expect(await machines.sidetrack('plan', '--sh', directory)).toMatchObject({ status: 0 });
    const send = async (node: string, verb: string) => {
      const stdin = readFileSync(`${directory}/${node}-${verb}.sh`, 'utf8');
      const { status, stderr } = await machines.run(['ssh', node, 'sh'], { stdin });
      expect({ status, stderr }).toMatchObject({ status: 0 });
    };
    for (const node of NODES) await send(node, 'up');
    expect(await machines.sidetrack('status')).toMatchObject({ status: 0 });
    expect((await machines.sidetrack('apply')).stdout).toContain('Nothing changes');
    for (const node of NODES.toReversed()) await send(node, 'down');
    expect(await snapshots()).toEqual(before);
  });

  it('are applied by a saved plan, which is refused once the router has moved', {
    tags: 'long',
  }, async () => {
    const file = `${fixture.directory}/plan.json`;
    expect(await machines.sidetrack('plan', '-o', file)).toMatchObject({ status: 0 });
    const applied = await machines.sidetrack('apply', file);
    expect(applied, applied.stderr).toMatchObject({ status: 0 });
    expect(await machines.sidetrack('plan', '--detailed-exitcode')).toMatchObject({ status: 0 });
    await machines.get('router').shell('nft flush chain inet sidetrack steer');
    await machines.sidetrack('plan', '-o', file);
    await machines.get('router').shell('ip route del default table 250');
    const { status, stderr } = await machines.sidetrack('apply', file);
    expect(status).toBe(1);
    expect(stderr).toContain('router: route IPv4 table 250 default removed');
    expect(await machines.sidetrack('down')).toMatchObject({ status: 0 });
  });
});
