/** A router behind ssh that has sidetrack, too: `classifier: ebpf`. ssh-loader.test.ts has those that have not. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../control/lab/topology.js';
import { CLI, Fixture, url } from './fixture.js';
import type { Machine } from './machines/machine.js';
import { Machines } from './machines/machines.js';
import { canMakeMachines } from './machines/programs.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';
import { snapshot } from './snapshot.js';

const EBPF = `  classifier: ebpf
  forwarding: mark
`;
const config = (classifier: string) => `router:
  host: ssh://admin@router
  interfaces: [br-lan]
${classifier}servers:
  - name: server1
    host: ssh://admin@server1
    interface: eth0
    address: [192.168.1.2, "fd00:1::2"]
    health: route
`;

describe.skipIf(!canMakeMachines)('the eBPF classifier over ssh', { tags: 'long' }, () => {
  let fixture: Fixture;
  let machines: Machines;
  let router: Machine;

  beforeAll(async () => {
    fixture = await Fixture.start();
    machines = await Machines.prepare(fixture);
    router = await machines.debian('router');
    await machines.debian('server1');
    fixture.classifier = 'nftables';
    fixture.configure(config(EBPF));
  });
  afterAll(() => fixture?.stop());

  async function succeed(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await machines.sidetrack(...args);
    if (status !== 0) throw new Error(`sidetrack ${args.join(' ')}: ${stderr}${stdout}`);
    return stdout;
  }

  /** The program `sidetrack` of the router's. */
  function install(script: string): void {
    writeFileSync(join(router.setUp.wrappers, 'sidetrack'), `#!/bin/sh\n${script}\n`, {
      mode: 0o755,
    });
  }

  it('is attached, takes live flows over and gives them back, and goes away without a trace', async () => {
    install(`exec ${process.execPath} ${CLI} "$@"`);
    const before = await snapshot(fixture.lab, 'router');
    fixture.configure(config(''));
    await fixture.startRelay();
    await succeed('apply');
    const target = url(ADDRESS.internet.v4, '/bytes/70000');
    expect((await fixture.download('client', target)).digest).toBe(pseudoRandomDigest(70_000));
    fixture.configure(config(EBPF));
    expect(await succeed('apply')).toContain('Done.');
    const { hosts } = JSON.parse(await succeed('status', '--json')) as {
      hosts: { name: string; flows?: number }[];
    };
    expect(hosts.find(({ name }) => name === 'router')!.flows).toBeGreaterThan(0);
    expect((await fixture.download('client', target)).digest).toBe(pseudoRandomDigest(70_000));
    fixture.configure(config(''));
    await succeed('apply');
    await succeed('down');
    expect(await snapshot(fixture.lab, 'router')).toEqual(before);
  });
});
