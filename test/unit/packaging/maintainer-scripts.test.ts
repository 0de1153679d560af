/** What installing, upgrading and removing the package does to the relay of its owner: dpkg itself, and every state. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { DpkgRoot, UNIT } from './dpkg-root.js';

const hasDpkg = spawnSync('dpkg', ['--version']).status === 0 && process.getuid!() === 0;
const requireAll = process.env.SIDETRACK_REQUIRE_ALL === '1';

const HAND_OVER = `systemctl kill --kill-whom=main --signal=SIGUSR2 ${UNIT}`;
const STATES = ['enabled running', 'enabled stopped', 'disabled running', 'disabled stopped'];

let machine: DpkgRoot | undefined;
afterEach(() => {
  machine?.remove();
  machine = undefined;
});

/** Version 1 is installed, and its owner has brought the unit into the state. */
function installed(state: string): DpkgRoot {
  machine = new DpkgRoot();
  machine.install('1');
  machine.setEnabled(state.startsWith('enabled'));
  machine.setRunning(state.endsWith('running'));
  machine.orders();
  return machine;
}

const withVersion = (state: string, version: string) =>
  state.replace(/running$/, `running ${version}`);

describe.skipIf(!hasDpkg && !requireAll)('the package', () => {
  it('starts and enables nothing when it is installed', () => {
    machine = new DpkgRoot();
    machine.install('1');
    expect(machine.state()).toBe('disabled stopped');
    expect(machine.orders()).toEqual([]);
  });

  it('restarts an exporter that runs after an upgrade, and stops it before a removal', () => {
    const machine = installed('disabled stopped');
    machine.install('2');
    expect(machine.orders({ ofExporter: true })).toEqual([
      'systemctl try-restart sidetrack-exporter.service',
      'systemctl try-restart sidetrack-heartbeat.service',
    ]);
    machine.dpkg('--remove', 'sidetrack');
    expect(machine.orders({ ofExporter: true })).toEqual([
      'systemctl stop sidetrack-exporter.service',
      'systemctl stop sidetrack-heartbeat.service',
      'systemctl stop sidetrack-refresh.timer',
    ]);
  });

  describe.each(STATES)('%s', (state) => {
    const isRunning = state.endsWith('running');

    it('is so after an upgrade, and what runs has handed over to the new version', () => {
      const machine = installed(state);
      machine.install('2');
      expect(machine.state()).toBe(withVersion(state, '2'));
      expect(machine.orders()).toEqual(isRunning ? [HAND_OVER] : []);
    });

    it('is so after a downgrade and an installation of the same version', () => {
      const machine = installed(state);
      for (const version of ['0', '0']) {
        machine.install(version);
        expect(machine.state()).toBe(withVersion(state, version));
      }
    });

    it('is stopped by a removal', () => {
      const machine = installed(state);
      machine.dpkg('--remove', 'sidetrack');
      expect(machine.state()).toBe(state.replace('running', 'stopped'));
      expect(machine.orders()).toEqual(isRunning ? [`systemctl stop ${UNIT}`] : []);
    });

    it('comes back with an installation after a removal, unless it was stopped or is disabled', () => {
      const machine = installed(state);
      machine.dpkg('--remove', 'sidetrack');
      machine.install('2');
      const comesBack = state === 'enabled running';
      expect(machine.state()).toBe(
        comesBack ? 'enabled running 2' : state.replace('running', 'stopped'),
      );
    });

    it('is not remembered after a purge', () => {
      const machine = installed(state);
      machine.dpkg('--purge', 'sidetrack');
      expect(machine.state()).toBe('disabled stopped');
      machine.install('2');
      expect(machine.state()).toBe('disabled stopped');
    });
  });

  it('is stopped by a removal also while it starts', () => {
    const machine = installed('enabled stopped');
    machine.setStarting();
    machine.dpkg('--remove', 'sidetrack');
    expect(machine.state()).toBe('enabled stopped');
    machine.install('2');
    expect(machine.state()).toBe('enabled running 2');
  });

  it('takes with a purge what apply wrote, and leaves what the owner wrote', () => {
    const write = (path: string, text: string) => {
      const file = join(machine!.root, path);
      mkdirSync(join(file, '..'), { recursive: true });
      writeFileSync(file, text);
    };
    const isThere = (path: string) => existsSync(join(machine!.root, path));
    const config = 'etc/sidetrack/sidetrack.yaml';
    const dropIn = `etc/systemd/system/${UNIT}.d/sidetrack.conf`;
    for (const [text, stays] of [
      ['# Written by sidetrack apply: …\nrouter:\n', false],
      ['router:\n', true],
    ] as const) {
      installed('disabled stopped');
      write(config, text);
      write(dropIn, '[Service]\n');
      write(`etc/systemd/system/${UNIT}.d/own.conf`, '[Service]\n');
      machine!.dpkg('--remove', 'sidetrack');
      expect([isThere(config), isThere(dropIn)]).toEqual([true, true]);
      machine!.dpkg('--purge', 'sidetrack');
      expect([isThere(config), isThere(dropIn)]).toEqual([stays, false]);
      expect(isThere(`etc/systemd/system/${UNIT}.d/own.conf`)).toBe(true);
      machine!.remove();
    }
    machine = undefined;
  });

  it('says so when the running relay does not hand over, and is installed all the same', () => {
    const machine = installed('enabled running');
    // The relay's own limit is 20 s; nobody need wait for it here.
    machine.program('sleep', '#!/bin/sh\n');
    machine.refuseHandOver();
    expect(machine.install('2')).toContain('the running relay goes on as it was');
    expect(machine.state()).toBe('enabled running 1');
  });

  it('asks nothing of a systemd that does not run', () => {
    machine = new DpkgRoot({ hasSystemd: false });
    machine.program('systemctl', '#!/bin/sh\nexit 1\n');
    machine.install('1');
    machine.install('2');
    machine.dpkg('--purge', 'sidetrack');
    expect(machine.state()).toBe('disabled stopped');
  });
});

describe('needrestart', () => {
  it('is told to leave the relay alone, and no other unit', () => {
    const file = fileURLToPath(new URL('../../../packaging/deb/needrestart.conf', import.meta.url));
    expect(readFileSync(file, 'utf8')).not.toContain('$nrconf{restart}');
    // As needrestart reads its files, and then asks of a unit.
    const script = `our %nrconf = (override_rc => {}); eval do { local (@ARGV, $/) = $ARGV[0]; <> }; die $@ if $@;
      for my $unit ('${UNIT}', 'sidetrack-relay-x.service', 'ssh.service') {
        my ($rule) = grep { $unit =~ /$_/ } keys %{$nrconf{override_rc}};
        print defined($rule) ? $nrconf{override_rc}{$rule} : 'default', "\\n" }`;
    const { stdout, stderr } = spawnSync('perl', ['-e', script, file], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(stdout).toBe('0\ndefault\ndefault\n');
  });
});
