/** A router behind ssh that has sidetrack, too: `classifier: ebpf`. What is wrong with one that has not is told. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { version } from '../../control/hosts/sidetrack.js';
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

  it.each([
    ['is missing', undefined, 'has none'],
    ['is of another version', 'echo 0.0.1', 'has one 0.0.1'],
    ['does not start', 'exit 126', 'has one that ends with status 126'],
  ])('needs sidetrack on the router, and says so when it %s', async (_how, script, said) => {
    const before = await snapshot(fixture.lab, 'router');
    if (script !== undefined) install(script);
    for (const command of ['plan', 'apply']) {
      const { status, stderr } = await machines.sidetrack(command);
      expect(stderr).toMatch(
        /error: .*yaml:4:15: classifier: ebpf is loaded by sidetrack on the router/,
      );
      expect(stderr).toContain(`ssh://admin@router ${said}`);
      expect(stderr).toContain(`install sidetrack ${version()}`);
      expect(status).toBe(2);
    }
    expect(await snapshot(fixture.lab, 'router')).toEqual(before);
  });

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
