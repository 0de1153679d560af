/** The exporter reads machines that it reaches by ssh alone: round trips, faults of the way there, answers of a hostile router. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../control/lab/topology.js';
import { EXPORTER, RunningExporter, samplesOf } from './exporter-fixture.js';
import { Fixture, peer, waitFor } from './fixture.js';
import { DESTINATIONS, sshConfig } from './machines/config.js';
import { ADMIN } from './machines/debian.js';
import type { Machine } from './machines/machine.js';
import { LAPTOP, Machines } from './machines/machines.js';
import { canMakeMachines, program } from './machines/programs.js';

const UP = (host: string) => `sidetrack_host_up{host="${host}"}`;
const ERRORS = 'sidetrack_host_read_errors_total{host="router"}';
const TIMEOUT_MS = 4000;
const LONG_MS = 60_000;
const RESIDENT_MOST = 500e6;

/** Packets between the laptop and the router; nothing tells either of them. */
const CUT = `table inet cut {
  chain in { type filter hook input priority 0; ip saddr ${ADDRESS.router.v4} drop; }
  chain out { type filter hook output priority 0; ip daddr ${ADDRESS.router.v4} drop; }
}`;

interface Case {
  user: string;
  make(machines: Machines): Promise<Machine>;
}

describe.skipIf(!canMakeMachines)('a router behind dropbear with BusyBox', () =>
  tests({ user: 'root', make: (machines) => machines.openWrt('router') }),
);

describe.skipIf(!canMakeMachines)(
  'a router behind sshd, as a user who may use sudo',
  { tags: ['long'] },
  () => tests({ user: ADMIN, make: (machines) => machines.debian('router') }),
);

function tests({ user, make }: Case): void {
  let fixture: Fixture;
  let machines: Machines;
  let router: Machine;
  let exporter: RunningExporter;

  beforeAll(async () => {
    fixture = await Fixture.start();
    machines = await Machines.prepare(fixture);
    router = await make(machines);
    await machines.debian('server1');
    const yaml = sshConfig({ router: user, server1: 'root', canary: DESTINATIONS });
    fixture.configure(`${yaml}exporter: { timeout_seconds: ${TIMEOUT_MS / 1000} }\n`);
    await fixture.startRelay();
    const { status, stderr } = await machines.sidetrack('apply');
    if (status !== 0) throw new Error(stderr);
    countTurns();
    exporter = await RunningExporter.start(fixture, {
      node: LAPTOP,
      env: Object.entries(machines.environment).map(([name, value]) => `${name}=${value}`),
    });
  });
  afterAll(() => fixture?.stop());

  const countTurns = () => {
    writeFileSync(machines.own('turns'), '');
    const ssh = `${program('ssh')} -F ${machines.own('config')}`;
    machines.replaceSsh(
      `exec ${process.execPath} ${peer('ssh-turns')} ${machines.own('turns')} ${ssh} "$@"`,
    );
  };
  const turns = () =>
    readFileSync(machines.own('turns'), 'utf8')
      .split('\n')
      .filter((line) => line === ADDRESS.router.v4).length;
  /** The first samples that are as wanted. */
  const until = async (what: string, holds: (samples: Map<string, number>) => boolean) => {
    let samples = new Map<string, number>();
    await waitFor(
      what,
      async () => {
        const began = Date.now();
        samples = await exporter.samples();
        longest = Math.max(longest, Date.now() - began);
        return holds(samples);
      },
      LONG_MS,
    );
    return samples;
  };
  /** The longest scrape so far, in milliseconds. */
  let longest = 0;
  const lastRead = (samples: Map<string, number>) =>
    samples.get('sidetrack_host_last_read_timestamp_seconds{host="router"}') ?? 0;

  it('is read over one connection, and those who scrape at once share a reading of one round trip', async () => {
    const first = await until('the first reading', (samples) => samples.get(UP('router')) === 1);
    const connections = await router.processes('sidetrack');
    let reading = first;
    let before = turns();
    for (let i = 1; i <= 3; i++) {
      const seen = lastRead(reading);
      await waitFor('a new reading', async () => {
        const urls = Array.from({ length: 3 }, () => `${EXPORTER}/metrics`);
        const text = await exporter.get('/metrics', '--parallel', '--parallel-immediate', ...urls);
        const times = [
          ...text.matchAll(/^sidetrack_host_last_read_timestamp_seconds\{host="router"\} (.*)$/gm),
        ];
        expect(times).toHaveLength(4);
        // Those who come just before it is too old get the one before.
        expect(new Set(times.map(([, time]) => time)).size).toBeLessThanOrEqual(2);
        reading = samplesOf(text);
        return lastRead(reading) > seen;
      });
      expect(turns()).toBe(before + 1);
      before++;
    }
    // The same shell.
    expect(await router.processes('sidetrack')).toEqual(connections);
    expect(reading.get('sidetrack_host_state{host="router",state="in-sync"}')).toBe(1);
    expect(
      reading.get('sidetrack_router_rule_packets_total{rule="rest",action="proxy"}'),
    ).toBeDefined();
  });

  it('that is cut off costs no more than its time, is told of once, and is read again without a restart', async () => {
    await fixture.lab.check(LAPTOP, ['nft', '-f', '-'], { stdin: CUT });
    longest = 0;
    const dead = await until('it to be down', (samples) => samples.get(UP('router')) === 0);
    const retried = () =>
      until('it to be tried again', (samples) => samples.get(ERRORS)! >= dead.get(ERRORS)! + 1);
    expect([...dead.keys()].filter((name) => name.startsWith('sidetrack_router_'))).toEqual([]);
    expect(dead.get(UP('server1'))).toBe(1);
    expect(dead.has('sidetrack_server_captured_packets_total{server="server1"}')).toBe(true);
    await retried();
    // And what a busy machine adds.
    expect(longest).toBeLessThan(TIMEOUT_MS + 8000);
    expect(exporter.said.match(/cannot read router/g)).toHaveLength(1);
    await fixture.lab.check(LAPTOP, ['nft', 'delete', 'table', 'inet', 'cut']);
    await until('it to be back', (samples) => samples.get(UP('router')) === 1);
    expect(exporter.said).toMatch(/router .* answers again/);
    expect(exporter.said.match(/cannot read router/g)).toHaveLength(1);
  });

  describe('that is hostile', () => {
    const nft = () => join(router.setUp.wrappers, 'nft');
    const answer = (script: string) =>
      writeFileSync(nft(), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const rule = (counter: string) =>
      `{"nftables": [{"table": {"family": "inet", "name": "sidetrack", "handle": 1}}, {"chain": {"family": "inet", "table": "sidetrack", "name": "c"}}, {"rule": {"table": "sidetrack", "chain": "c", "comment": "rule rest", "handle": 2, "expr": [{"counter": ${counter}}]}}]}`;

    async function doesNoHarm(_: string, script: string): Promise<void> {
      answer(script);
      try {
        const bad = await until('it to be noticed', (samples) => samples.get(UP('router')) === 0);
        expect(bad.get(UP('server1'))).toBe(1);
        const told = exporter.said + (await exporter.get('/metrics'));
        expect([...told].filter((one) => one < ' ' && one !== '\n')).toEqual([]);
        const state = await exporter.get('/state.json');
        expect(state).not.toContain(ADDRESS.router.v4);
        expect(bad.get('process_resident_memory_bytes')).toBeLessThan(RESIDENT_MOST);
      } finally {
        rmSync(nft());
      }
      await until('it to be back', (samples) => samples.get(UP('router')) === 1);
    }
    it.each([
      ['prints without end', 'exec yes "{"'],
      ['sends escape sequences', `printf '\\033]0;owned\\007\\033[2J' >&2; exit 1`],
    ])('and %s does no harm', doesNoHarm);
    it.each([
      ['never ends', 'exec sleep 1000'],
      ['counts what is no number', `echo '${rule('{"packets": "9\\\\u001b[2J", "bytes": -1}')}'`],
      ['counts less than nothing', `echo '${rule('{"packets": -5, "bytes": 1e999}')}'`],
    ])('and %s does no harm', { tags: ['long'] }, doesNoHarm);
  });
}
