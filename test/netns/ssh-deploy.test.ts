/** A router and a server deployed by one command over ssh, from a machine in the network that it changes. */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../control/lab/topology.js';
import { FAMILIES, Fixture, url } from './fixture.js';
import { DESTINATIONS, sshConfig } from './machines/config.js';
import { ADMIN } from './machines/debian.js';
import { Machines } from './machines/machines.js';
import { canMakeMachines, program } from './machines/programs.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';
import { snapshot } from './snapshot.js';

const NODES = ['router', 'server1'] as const;

/** On an idle machine it takes a tenth of this; a time-out on the way would take longer. */
const FRESH_DEPLOY_MS = 30_000;

/** OpenWrt 24.10 printed such a thing before the output of every command. */
const LOUD = Array.from({ length: 10 }, (_, line) => `echo '  |_______| ${line}: W I R E L E S S'`)
  .concat("printf '\\033[31mand one without an end'")
  .join('\n');

interface Case {
  name: string;
  user: string;
  /** Of what is counted: one way to a host is enough. */
  counted: string[];
  make(machines: Machines): Promise<unknown>;
}

const CASES: readonly Case[] = [
  {
    name: 'an OpenWrt router behind dropbear and a Debian server, both of which talk before every command',
    user: 'root',
    counted: [],
    make: async (machines) => {
      await machines.openWrt('router', { startUp: LOUD, banner: `${LOUD}\n` });
      await machines.debian('server1', {
        startUp: LOUD,
        sshd: [`Banner ${machines.own('server1/sshd_config')}`],
      });
    },
  },
  {
    name: 'a Debian router and server behind sshd, as a user of csh who may use sudo',
    user: ADMIN,
    counted: ['long'],
    make: async (machines) => {
      await machines.debian('router', { shell: program('tcsh') });
      await machines.debian('server1', { shell: program('tcsh') });
    },
  },
];

describe.skipIf(!canMakeMachines).each(CASES)('$name', ({ user, counted, make }) => {
  let fixture: Fixture;
  let machines: Machines;

  beforeAll(async () => {
    fixture = await Fixture.start();
    machines = await Machines.prepare(fixture);
    await make(machines);
    fixture.configure(sshConfig({ router: user, server1: user, canary: DESTINATIONS }));
    await fixture.startRelay();
  });
  afterAll(() => fixture?.stop());

  const snapshots = () => Promise.all(NODES.map((node) => snapshot(fixture.lab, node)));
  /** What it keeps on the machines. */
  const kept = () =>
    Promise.all(
      NODES.map((node) =>
        machines
          .get(node)
          .shell('find /run/sidetrack* /etc/iproute2/rt_tables.d -type f 2>/dev/null; :'),
      ),
    );

  it('a fresh deployment is one command, quick, steers, and goes away without a trace', async () => {
    const before = [await snapshots(), await kept()];
    const began = Date.now();
    const { status, stdout, stderr } = await machines.sidetrack('apply');
    const took = Date.now() - began;
    expect({ status, stdout }, stderr).toEqual({
      status: 0,
      stdout: expect.stringContaining('Done.'),
    });
    expect(took).toBeLessThan(FRESH_DEPLOY_MS);
    for (const family of FAMILIES) {
      const target = url(ADDRESS.internet[family], '/bytes/70000');
      // The canary has come by the same way.
      const steered = () =>
        fixture.metric(`sidetrack_relay_connections_total{family="ip${family}"}`);
      const already = await steered();
      expect(already).toBeGreaterThan(0);
      expect((await fixture.download('client2', target)).digest).toBe(pseudoRandomDigest(70_000));
      expect(await steered()).toBe(already + 1);
    }
    expect(await machines.sidetrack('status')).toMatchObject({ status: 0 });
    expect((await machines.sidetrack('apply')).stdout).toContain('Nothing changes');
    expect(await machines.sidetrack('down')).toMatchObject({ status: 0 });
    expect([await snapshots(), await kept()]).toEqual(before);
  });

  it('a plan is two round trips a host, a first apply six, and a larger policy takes no more', {
    tags: counted,
  }, async () => {
    await machines.sidetrack('down');
    const plan = await machines.counted(() => machines.sidetrack('plan'));
    expect(plan.result).toMatchObject({ status: 0 });
    expect(plan.trips).toEqual({ router: 2, server1: 2 });
    const small = await machines.counted(() => machines.sidetrack('apply'));
    expect(small.result).toMatchObject({ status: 0 });
    expect(small.trips).toEqual({ router: 6, server1: 6 });
    await machines.sidetrack('down');
    const ports = Array.from({ length: 300 }, (_, index) => 2000 + 2 * index).join(', ');
    const rules = `  - { name: many, proto: tcp, port: [${ports}], action: direct }\n`;
    fixture.configure(sshConfig({ router: user, server1: user, canary: DESTINATIONS, rules }));
    const large = await machines.counted(() => machines.sidetrack('apply'));
    expect(large.result).toMatchObject({ status: 0 });
    expect(large.trips).toEqual(small.trips);
    await machines.sidetrack('down');
  });

  it('a hundred thousand prefixes take no more either, and what differs is all that is sent again', {
    tags: ['long'],
  }, async () => {
    const prefixes = Array.from(
      { length: 100_000 },
      (_, i) => `${11 + (i >> 14)}.${(i >> 6) & 255}.${(i & 63) << 2}.${i % 97}`,
    );
    const file = `${fixture.directory}/many.txt`;
    const apply = () => machines.counted(() => machines.sidetrack('apply'));
    writeFileSync(file, prefixes.join('\n'));
    const rules = '  - { name: many, to: [many], action: direct }\n';
    const sets = `sets: { many: { file: ${file} } }\n`;
    fixture.configure(
      `${sets}${sshConfig({ router: user, server1: user, canary: DESTINATIONS, rules })}`,
    );
    const first = await apply();
    expect(first).toMatchObject({ result: { status: 0 }, trips: { router: 6, server1: 6 } });
    expect((await apply()).result.stdout).toContain('Nothing changes');
    const others = prefixes.slice(0, 5).map((_, i) => `9.9.${2 * i}.9`);
    writeFileSync(file, [...prefixes.slice(5), ...others].join('\n'));
    const third = await apply();
    expect(third.result).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/set set_many_4: \+5 −5 of \d+, set set_many_6: \+5 −5 of/),
    });
    expect(third.trips.router).toBe(6);
    await machines.sidetrack('down');
  });
});
