/** A disk that is read-only or full, a write that fails, and power that goes in the middle of what is written for boot. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { EXIT_NOT_PERSISTED } from '../../control/cli/output.js';
import { Fixture } from './fixture.js';
import { sshConfig } from './machines/config.js';
import { diskOf } from './machines/disk.js';
import { Machines } from './machines/machines.js';
import { canMakeMachines } from './machines/programs.js';
import { addUnits } from './machines/units.js';

const PROGRAMS = ['mv', 'ln', 'chmod'];
const TRAP = '/run/trap';

/** The call with the number in the trap fails, or is the last that happens on the machine. */
const wrapper = (program: string) => `#!/bin/sh
[ -e ${TRAP}/count ] || exec /bin/${program} "$@"
n=$(($(cat ${TRAP}/count) + 1))
echo $n >${TRAP}/count
[ $n = "$(cat ${TRAP}/at)" ] || exec /bin/${program} "$@"
: >${TRAP}/hit
[ ! -e ${TRAP}/power ] || kill -9 -1
exit 1
`;

describe.skipIf(!canMakeMachines)('what cannot be persisted', { tags: ['long'] }, () => {
  let fixture: Fixture;
  let machines: Machines;

  beforeAll(async () => {
    fixture = await Fixture.start();
    machines = await Machines.prepare(fixture);
    const server = await machines.debian('server1');
    await addUnits(server);
    for (const program of PROGRAMS)
      writeFileSync(join(server.setUp.wrappers, program), wrapper(program), { mode: 0o755 });
    fixture.configure(sshConfig().replace('interfaces:', 'mac: 02:00:00:00:00:01\n  interfaces:'));
  });
  afterAll(() => fixture?.stop());
  afterEach(() => machines.sidetrack('down', '--only', 'server1'));

  const disk = () => diskOf(machines.own('server1/etc'));
  const run = (...args: string[]) => machines.sidetrack(...args, '--only', 'server1');
  const shell = (script: string) => machines.get('server1').shell(script);

  async function succeed(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await run(...args);
    if (status !== 0) throw new Error(`sidetrack ${args.join(' ')}: ${stderr}${stdout}`);
    return stdout + stderr;
  }

  it('leaves the change as it stands where /etc is read-only, and says so, and what to do', async () => {
    const before = await disk();
    await shell('mount -o remount,bind,ro /etc');
    const { status, stderr } = await run('apply', '--persist');
    expect(stderr).toMatch(/applied, but not persisted: server1: .*Read-only file system/);
    expect(stderr).toContain('hint: see that /etc there can be written and has room');
    expect(status).toBe(EXIT_NOT_PERSISTED);
    const said = await succeed('status');
    expect(said).toContain('as configured');
    expect(said).toContain('persisted: no (its /etc cannot be written)');
    await shell('mount -o remount,bind,rw /etc');
    expect(await disk()).toEqual(before);
    expect(await succeed('status')).toContain('persisted: no (nobody has asked for it');
    await succeed('apply', '--persist');
    // What is persisted stays, and its watcher does not take back what is applied now.
    await shell('mount -o remount,bind,ro /etc');
    fixture.configure(
      sshConfig({ rules: '' }).replace('interfaces:', 'mac: 02:00:00:00:00:02\n  interfaces:'),
    );
    const again = await run('apply');
    expect(again.stderr).toContain('its next boot brings back what was persisted before');
    expect(again.stderr).toContain('its watcher is stopped');
    expect(again.status).toBe(EXIT_NOT_PERSISTED);
    expect(await machines.get('server1').processes('keep/program watch')).toEqual([]);
    await shell('mount -o remount,bind,rw /etc');
    expect(await succeed('apply')).toContain('start the watcher');
    await succeed('down');
    expect(await disk()).toEqual(before);
  });

  it('is done by the script of a plan, too, and undone by the other one', async () => {
    const before = await disk();
    const directory = machines.own('scripts');
    await succeed('plan', '--persist', '--sh', directory);
    const server = machines.get('server1');
    await server.shell(
      'PATH=$1:$PATH; sh "$2"',
      server.setUp.wrappers,
      `${directory}/server1-up.sh`,
    );
    const said = await succeed('status');
    expect(said).toContain('persisted: yes');
    expect(said).toContain('as configured');
    expect(await succeed('apply')).toContain('Nothing changes');
    await server.shell(
      'PATH=$1:$PATH; sh "$2"',
      server.setUp.wrappers,
      `${directory}/server1-down.sh`,
    );
    expect(await disk()).toEqual(before);
    expect(await server.processes('keep/program watch')).toEqual([]);
  });

  it('leaves nothing behind where /etc has no room', async () => {
    await shell('mkdir -p /etc/sidetrack');
    const before = await disk();
    await shell('mount -t tmpfs -o size=8k tmpfs /etc/sidetrack');
    const { status, stderr } = await run('apply', '--persist');
    expect(stderr).toMatch(/not persisted: server1: .*No space left on device/);
    expect(status).toBe(EXIT_NOT_PERSISTED);
    expect(await shell('ls -A /etc/sidetrack')).toBe('');
    await shell('umount /etc/sidetrack');
    expect(await disk()).toEqual(before);
  });

  it('is whole again after the next run, whichever write fails', {
    timeout: 900_000,
  }, async () => {
    await succeed('apply');
    const before = await disk();
    for (let at = 1; ; at += 2) {
      await shell(
        `mkdir -p ${TRAP} && rm -f ${TRAP}/* && echo ${at} >${TRAP}/at && echo 0 >${TRAP}/count`,
      );
      const { status } = await run('apply', '--persist');
      const hit = (await shell(`ls ${TRAP}; rm -r ${TRAP}`)).includes('hit');
      if (!hit) {
        expect(status).toBe(0);
        break;
      }
      expect(status, `call ${at}`).toBe(EXIT_NOT_PERSISTED);
      // Every other time what there is is completed first.
      if (at % 4 === 1) {
        await succeed('apply', '--persist');
        expect(await succeed('status')).toContain('persisted: yes');
      }
      await succeed('apply', '--no-persist');
      expect(await disk(), `call ${at}`).toEqual(before);
    }
  });

  it('is gone with down, wherever the power went', {
    timeout: 900_000,
  }, async () => {
    const before = await disk();
    for (let at = 1; ; at += 3) {
      await succeed('apply');
      await shell(
        `mkdir -p ${TRAP} && rm -f ${TRAP}/* && echo ${at} >${TRAP}/at && echo 0 >${TRAP}/count && : >${TRAP}/power`,
      );
      const { status } = await run('apply', '--persist');
      const server = machines.get('server1');
      const hit = (await shell(`ls ${TRAP}; rm -r ${TRAP}`)).includes('hit');
      if (!hit) {
        expect(status).toBe(0);
        break;
      }
      expect(status).not.toBe(0);
      await machines.losePower('server1');
      await addUnits(await machines.restorePower(server));
      await succeed('down');
      expect(await disk(), `call ${at}`).toEqual(before);
    }
  });
});
