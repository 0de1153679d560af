/** Machines behind ssh that are in a bad way, and people who come at once: one clear line, nothing half applied. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Fixture } from './fixture.js';
import { sshConfig } from './machines/config.js';
import { Gate } from './machines/gate.js';
import { Machines } from './machines/machines.js';
import { canMakeMachines } from './machines/programs.js';
import { snapshot } from './snapshot.js';

const NODES = ['server1', 'router'] as const;

describe.skipIf(!canMakeMachines)('trouble over ssh', () => {
  let fixture: Fixture;
  let machines: Machines;
  let fresh: unknown;

  beforeAll(async () => {
    fixture = await Fixture.start();
    machines = await Machines.prepare(fixture);
    await machines.openWrt('router');
    await machines.debian('server1');
    fixture.configure(sshConfig({ probed: '[]' }));
    fresh = await snapshots();
  });
  afterAll(() => fixture?.stop());
  afterEach(async () => {
    expect(await machines.sidetrack('down')).toMatchObject({ status: 0 });
    expect(await snapshots()).toEqual(fresh);
  });

  const snapshots = () => Promise.all(NODES.map((node) => snapshot(fixture.lab, node)));

  /** Without what was done until then. */
  const complaint = (stderr: string) =>
    stderr
      .split('\n')
      .filter((line) => line !== '' && !/^ {2}(router|server1): |^warning: /.test(line));

  async function expectRefused(pattern: RegExp): Promise<void> {
    const { status, stdout, stderr } = await machines.sidetrack('apply');
    const [line, hint, ...more] = complaint(stderr);
    expect({ line, hint, more }).toEqual({
      line: expect.stringMatching(pattern),
      hint: expect.stringMatching(/^ {2}hint: /),
      more: [],
    });
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(await snapshots()).toEqual(fresh);
  }

  it('of two who apply at once the second is refused, and the first goes on', async () => {
    const gate = await Gate.install(machines.get('router'));
    gate.closeAt(12);
    const first = machines.sidetrack('apply');
    await gate.reached(first);
    const second = await machines.sidetrack('apply');
    expect(second).toMatchObject({ status: 1, stdout: '' });
    expect(complaint(second.stderr)[0]).toMatch(
      /a change by \S+ on \S+ waits to be confirmed; it is reverted in \d+ s/,
    );
    gate.release();
    expect(await first).toMatchObject({ status: 0 });
    gate.remove();
    expect(await machines.sidetrack('status')).toMatchObject({ status: 0 });
  });

  it.each([
    ['/run/sidetrack', 'rw,size=4k', /No space left on device/],
    ['/run/sidetrack', 'ro', /Read-only file system/],
  ])('the router has no room in %s (%s)', async (directory, options, pattern) => {
    const router = machines.get('router');
    const mount = `mkdir -p "$1" && set -- "$(readlink -f "$1")" "$2" && mount -t tmpfs -o rw tmpfs "$1" && cp -r /etc/group "$1/" &&
      mount -o "remount,$2" "$1" && { dd if=/dev/zero of="$1/full" 2>/dev/null; :; }`;
    await router.shell(mount, directory, options);
    try {
      await expectRefused(pattern);
    } finally {
      await router.shell('umount "$(readlink -f "$1")"; rmdir "$1" 2>/dev/null; :', directory);
    }
    expect(await machines.sidetrack('apply')).toMatchObject({ status: 0 });
  });

  it('a router whose /etc cannot be written to is told so, and steers', async () => {
    const router = machines.get('router');
    await router.shell('mount -t tmpfs -o ro tmpfs /etc/iproute2');
    const { status, stderr } = await machines.sidetrack('apply');
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: expect.stringMatching(/could not name table 250 .*Read-only file system/),
    });
    expect(await machines.sidetrack('status')).toMatchObject({ status: 0 });
    await router.shell('umount /etc/iproute2');
  });

  it('a router that believes it is 1970, and then 2038', async () => {
    const router = machines.get('router');
    const clock = `printf '%s\\n' '#!/bin/sh' 'echo x >>/tmp/asked; echo 0' >/usr/sbin/date && chmod +x /usr/sbin/date`;
    await router.shell(clock);
    expect(await machines.sidetrack('apply')).toMatchObject({ status: 0 });
    expect(await router.run(['ls', '/tmp/asked'])).toMatchObject({ status: 1 });
    await router.shell('rm /usr/sbin/date');
  });
});
