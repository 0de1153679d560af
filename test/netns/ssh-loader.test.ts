/** `classifier: ebpf` on routers behind ssh that have no Node.js: a static loader is sent there. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../control/lab/topology.js';
import { canLoad } from '../bpf/loader.js';
import { expectDownload } from './download.js';
import { CLI, Fixture } from './fixture.js';
import { holdConnection } from './hold.js';
import type { Machine } from './machines/machine.js';
import { Machines } from './machines/machines.js';
import { canMakeMachines } from './machines/programs.js';
import { snapshot } from './snapshot.js';

const config = (classifier: string) => `router:
  host: ssh://root@router
  interfaces: [br-lan]
${classifier}servers:
  - name: server1
    host: ssh://root@server1
    interface: eth0
    address: [192.168.1.2, "fd00:1::2"]
    health: route
`;
const EBPF = (forwarding: string) => `  classifier: ebpf\n  forwarding: ${forwarding}\n`;
const LOADERS = 'ls /run/sidetrack/sidetrack-bpf-* /var/lib/sidetrack-bpf-* 2>/dev/null || :';

let fixture: Fixture;
let machines: Machines;
let router: Machine;

async function run(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await machines.sidetrack(...args);
  if (status !== 0) throw new Error(`sidetrack ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

async function begin(make: (machines: Machines) => Promise<Machine>): Promise<void> {
  fixture = await Fixture.start();
  machines = await Machines.prepare(fixture);
  router = await make(machines);
  await machines.debian('server1', { sudo: false });
  fixture.classifier = 'nftables';
  await fixture.startRelay();
}

const loaders = async () => (await router.shell(LOADERS)).trim().split('\n').filter(Boolean);

describe.skipIf(!canMakeMachines || !canLoad)('on a router like those of OpenWrt', () => {
  beforeAll(() => begin((all) => all.openWrt('router')));
  afterAll(() => fixture?.stop());

  it('takes the live flows of nftables over, gives them back, and goes without a trace', async () => {
    const before = await snapshot(fixture.lab, 'router');
    fixture.configure(config(''));
    await run('apply');
    const held = await holdConnection(fixture, 'client');
    await held.roundTrip('nftables');
    fixture.configure(config(EBPF('mark')));
    expect(await run('apply')).toContain('Done.');
    expect(await run('plan')).toContain('Nothing to do.');
    await held.roundTrip('eBPF');
    await expectDownload(fixture, 'client', ADDRESS.internet.v6);
    const { hosts } = JSON.parse(await run('status', '--json')) as {
      hosts: { name: string; flows?: number; classifier?: { outdated?: boolean } }[];
    };
    expect(hosts.find(({ name }) => name === 'router')!.flows).toBeGreaterThan(0);
    expect(await loaders()).toHaveLength(1);
    fixture.configure(config(''));
    await run('apply');
    await held.roundTrip('nftables again');
    expect(await loaders()).toEqual([]);
    await held.end();
    await run('down');
    expect(await snapshot(fixture.lab, 'router')).toEqual(before);
  });

  it('redirects, is changed under a live flow, and is found gone', { tags: 'long' }, async () => {
    const before = await snapshot(fixture.lab, 'router');
    fixture.configure(config(EBPF('redirect')));
    await run('apply');
    const held = await holdConnection(fixture, 'client');
    await held.roundTrip('redirect');
    fixture.configure(`${config(EBPF('redirect'))}on_failure: block\n`);
    expect(await run('apply')).toContain('Done.');
    await held.roundTrip('block');
    await router.check(['rm', '-r', '/sys/fs/bpf/sidetrack/interfaces']).catch(() => '');
    await fixture.lab.check('router', ['tc', 'qdisc', 'del', 'dev', 'br-lan', 'clsact']);
    expect((await machines.sidetrack('status')).stdout).toContain('no filter of ours on br-lan');
    await run('apply');
    await held.roundTrip('again');
    await held.end();
    await run('down');
    expect(await loaders()).toEqual([]);
    expect(await snapshot(fixture.lab, 'router')).toEqual(before);
  });
});

describe.skipIf(!canMakeMachines || !canLoad)('on a Debian router', { tags: 'long' }, () => {
  beforeAll(() => begin((all) => all.debian('router', { sudo: false })));
  afterAll(() => fixture?.stop());

  const wrapper = (name: string, script: string) =>
    writeFileSync(join(router.setUp.wrappers, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });

  it('whose /run runs no programs, from /var/lib; and sidetrack there takes it over', async () => {
    await router.shell('mount -o remount,noexec /run; mount -t tmpfs tmpfs /var/lib');
    fixture.configure(config(EBPF('mark')));
    await run('apply');
    const held = await holdConnection(fixture, 'client');
    await held.roundTrip('by the loader');
    expect(await loaders()).toEqual([expect.stringMatching(/^\/var\/lib\/sidetrack-bpf-/)]);
    wrapper('sidetrack', `exec ${process.execPath} ${CLI} "$@"`);
    expect(await run('apply')).toContain('Done.');
    expect(await loaders()).toEqual([]);
    await held.roundTrip('by sidetrack');
    wrapper('sidetrack', 'echo 0.0.1');
    expect(await run('apply')).toContain('Done.');
    await held.roundTrip('by the loader again');
    await held.end();
    await run('down');
    expect(await loaders()).toEqual([]);
  });

  it.each([
    [
      'is of a kind that no loader is built for',
      'uname',
      'echo mips',
      /a machine \(mips\) that no loader/,
    ],
    ['runs programs from nowhere', 'awk', 'exit 1', /can be put and run in none of/],
  ])('says so when it %s', async (_how, program, script, said) => {
    wrapper(program, script);
    const before = await snapshot(fixture.lab, 'router');
    fixture.configure(config(EBPF('mark')));
    const { status, stderr } = await machines.sidetrack('apply');
    expect(stderr).toMatch(said);
    expect(stderr).toMatch(/yaml:4:15: classifier: ebpf is loaded by sidetrack on the router/);
    expect(status).toBe(2);
    expect(await snapshot(fixture.lab, 'router')).toEqual(before);
    rmSync(join(router.setUp.wrappers, program));
  });
});
