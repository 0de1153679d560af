/**
 * A system that dpkg installs into (`dpkg --root`), whose systemd is a stand-in: it keeps what is enabled and what runs,
 * refuses what systemd refuses, and writes down every call.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SCRIPTS = fileURLToPath(new URL('../../../packaging/deb/', import.meta.url));
export const UNIT = 'sidetrack-relay.service';

/** Runs as the main process of the unit; the number is that of its hand-overs, the text its version. */
const SYSTEMCTL = `#!/bin/sh
unit=${UNIT}
[ "$1" = --quiet ] && shift
echo "systemctl $*" >> "$WORLD/log"
case "$*" in
*sidetrack-exporter.service | *sidetrack-heartbeat.service | *sidetrack-refresh.timer) ;;
daemon-reload*) ;;
is-active*) [ -e "$WORLD/running" ] && [ ! -e "$WORLD/starting" ] ;;
"show --property=ActiveState"*)
	if [ -e "$WORLD/starting" ]; then echo activating
	elif [ -e "$WORLD/running" ]; then echo active
	else echo inactive; fi ;;
show*) cat "$WORLD/running" 2>/dev/null | cut -d ' ' -f 1 | grep . || echo 0 ;;
start*) [ -e "$DPKG_ROOT/usr/lib/systemd/system/$unit" ] && echo "100 $(cat "$DPKG_ROOT/usr/lib/sidetrack/version")" > "$WORLD/running" ;;
stop*) rm -f "$WORLD/running" "$WORLD/starting" ;;
kill*)
	[ "$*" = "kill --kill-whom=main --signal=SIGUSR2 $unit" ] && [ -e "$WORLD/running" ] || exit 1
	read -r pid _ < "$WORLD/running"
	[ -e "$WORLD/refuses" ] || echo "$((pid + 1)) $(cat "$DPKG_ROOT/usr/lib/sidetrack/version")" > "$WORLD/running" ;;
*) exit 1 ;;
esac
`;

/** As the real one: it starts no unit that is not enabled. */
const INVOKE = `#!/bin/sh
echo "deb-systemd-invoke $*" >> "$WORLD/log"
if [ "$1" = start ] && [ ! -L "$DPKG_ROOT/etc/systemd/system/multi-user.target.wants/$2" ]; then exit 0; fi
exec systemctl "$@"
`;

export class DpkgRoot {
  readonly directory = mkdtempSync(join(tmpdir(), 'sidetrack-dpkg-'));
  readonly root = join(this.directory, 'root');
  private readonly log = join(this.directory, 'log');
  private readonly running = join(this.directory, 'running');
  private readonly link = join(this.root, 'etc/systemd/system/multi-user.target.wants', UNIT);

  constructor({ hasSystemd = true } = {}) {
    for (const path of ['bin', 'root/var/lib/dpkg/info', 'root/var/lib/dpkg/updates'])
      mkdirSync(join(this.directory, path), { recursive: true });
    writeFileSync(join(this.root, 'var/lib/dpkg/status'), '');
    if (hasSystemd) mkdirSync(join(this.root, 'run/systemd/system'), { recursive: true });
    this.program('systemctl', SYSTEMCTL);
    this.program('deb-systemd-invoke', INVOKE);
    writeFileSync(this.log, '');
  }

  program(name: string, text: string): void {
    writeFileSync(join(this.directory, 'bin', name), text, { mode: 0o755 });
  }

  /** The maintainer scripts as they are, the unit, and a version in place of everything else. */
  install(version: string): string {
    const tree = mkdtempSync(join(this.directory, 'tree-'));
    chmodSync(tree, 0o755);
    for (const path of ['DEBIAN', 'usr/lib/sidetrack', 'usr/lib/systemd/system'])
      mkdirSync(join(tree, path), { recursive: true });
    for (const script of ['postinst', 'prerm', 'postrm'])
      cpSync(join(SCRIPTS, script), join(tree, 'DEBIAN', script));
    writeFileSync(join(tree, 'usr/lib/sidetrack/version'), version);
    writeFileSync(join(tree, `usr/lib/systemd/system/${UNIT}`), '[Service]\n');
    writeFileSync(
      join(tree, 'DEBIAN/control'),
      `Package: sidetrack\nVersion: ${version}\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: a\n`,
    );
    const archive = join(this.directory, `${version}.deb`);
    this.succeed('dpkg-deb', ['-Znone', '--build', tree, archive]);
    return this.dpkg('--install', archive);
  }

  dpkg(...args: string[]): string {
    const force = '--force-script-chrootless,not-root,bad-path,depends,unsafe-io';
    return this.succeed('dpkg', [force, `--root=${this.root}`, ...args]);
  }

  setEnabled(enabled: boolean): void {
    rmSync(this.link, { force: true });
    if (!enabled) return;
    mkdirSync(join(this.link, '..'), { recursive: true });
    symlinkSync(`/usr/lib/systemd/system/${UNIT}`, this.link);
  }

  setRunning(running: boolean): void {
    this.succeed('systemctl', [running ? 'start' : 'stop', UNIT]);
  }

  /** It has a process, and does not accept yet, or is about to be started again. */
  setStarting(): void {
    this.setRunning(true);
    writeFileSync(join(this.directory, 'starting'), '');
  }

  /** `enabled running 1`: the version that runs. */
  state(): string {
    const enabled = spawnSync('test', ['-L', this.link]).status === 0 ? 'enabled' : 'disabled';
    const running = existsSync(this.running)
      ? `running ${readFileSync(this.running, 'utf8').trim().split(' ')[1]}`
      : 'stopped';
    return `${enabled} ${running}`;
  }

  /** The relay does not hand over. */
  refuseHandOver(): void {
    writeFileSync(join(this.directory, 'refuses'), '');
  }

  /** What systemd was told since this was asked last, questions and reloads left out. */
  orders({ ofExporter = false } = {}): string[] {
    const lines = readFileSync(this.log, 'utf8').split('\n');
    writeFileSync(this.log, '');
    const orders = lines.filter((line) => /^systemctl (?!daemon-reload|is-active|show)/.test(line));
    return orders.filter(
      (line) => /sidetrack-(exporter|heartbeat|refresh)/.test(line) === ofExporter,
    );
  }

  private succeed(program: string, args: readonly string[]): string {
    const bin = join(this.directory, 'bin');
    const env = {
      ...process.env,
      PATH: `${bin}:${process.env.PATH}:/usr/sbin:/sbin`,
      WORLD: this.directory,
      DPKG_ROOT: this.root,
      LC_ALL: 'C',
    };
    const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', env });
    if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error ?? stdout + stderr}`);
    return stdout + stderr;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }
}
