/** What `sidetrack service` asks systemd to forbid, forbidden without systemd: see packets/confine.c. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CONFINE = fileURLToPath(new URL('../../build/test/confine', import.meta.url));

/** [Service] of a unit: each key with its lines in order. */
export type Unit = ReadonlyMap<string, readonly string[]>;

export function parseUnit(text: string): Unit {
  const unit = new Map<string, string[]>();
  const service = text.split(/^\[Service\]$/m)[1]!.split(/^\[/m)[0]!;
  for (const line of service.split('\n').filter((one) => /^\w+=/.test(one))) {
    const [key, value] = [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)];
    unit.set(key, [...(unit.get(key) ?? []), value]);
  }
  return unit;
}

const words = (unit: Unit, key: string) =>
  (unit.get(key) ?? []).flatMap((line) => line.split(/\s+/).filter(Boolean));

const isOn = (unit: Unit, key: string) => unit.get(key)?.at(-1) === 'yes';

/** systemd's own list of a group, groups in it spelled out. */
function callsOf(name: string): string[] {
  if (!name.startsWith('@')) return [name];
  const argv = ['syscall-filter', '--no-pager', name];
  const { status, stdout, stderr } = spawnSync('systemd-analyze', argv, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`systemd-analyze ${argv.join(' ')}: ${stderr}`);
  const lines = stdout.split('\n').map((line) => line.trim());
  const members = lines.slice(1).filter((line) => /^@?\w[\w-]*$/.test(line));
  return members.flatMap(callsOf);
}

/** SystemCallFilter= as systemd.exec(5) reads it: with a list of what is allowed comes @default. */
export function allowedCalls(unit: Unit): Set<string> {
  const allowed = new Set(callsOf('@default'));
  for (const line of unit.get('SystemCallFilter') ?? [])
    for (const word of line.replace(/^~/, '').split(/\s+/))
      for (const call of callsOf(word))
        if (line.startsWith('~')) allowed.delete(call);
        else allowed.add(call);
  return allowed;
}

const RESTRICTIONS = {
  RestrictNamespaces: 'namespaces',
  RestrictRealtime: 'realtime',
  RestrictSUIDSGID: 'suidsgid',
  LockPersonality: 'personality',
} as const;

function policy(unit: Unit, calls: ReadonlySet<string>): string {
  const lines = [
    ...[...calls].map((call) => `syscall ${call}`),
    ...words(unit, 'RestrictAddressFamilies').map((family) => `family ${family}`),
    ...Object.entries(RESTRICTIONS)
      .filter(([key]) => isOn(unit, key))
      .map(([, name]) => `restrict ${name}`),
  ];
  return `${lines.join('\n')}\n`;
}

/** setpriv's names are lower case and without CAP_. */
function capabilities(unit: Unit, key: string): string {
  const kept = words(unit, key).map((one) => `+${one.replace(/^CAP_/, '').toLowerCase()}`);
  return ['-all', ...kept].join(',');
}

/**
 * ProtectSystem=strict, PrivateDevices=, ProtectProc=invisible, ProtectKernelTunables= and
 * RuntimeDirectory=, in a mount namespace of its own. /tmp, where the configuration of a test lies, is
 * not private but can only be read, like everything else.
 */
const MOUNTS = `set -e
mount --make-rprivate /
install -d -o nobody -g nogroup -m 755 /run/sidetrack-relay
mkdir -p /run/devices
mount -t tmpfs -o mode=755 tmpfs /run/devices
for device in null zero full random urandom; do
  touch /run/devices/$device
  mount --bind /dev/$device /run/devices/$device
done
mount --rbind /run/devices /dev
mount -t proc -o hidepid=invisible proc /proc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount -o remount,bind,ro /sys
mount --bind /run/sidetrack-relay /run/sidetrack-relay
mount -o remount,bind,ro /run
mount -o remount,bind,ro /
umask "$1"
shift
export RUNTIME_DIRECTORY=/run/sidetrack-relay
exec "$@"`;

/** @returns what to put in front of the relay so that it runs as the unit says, as root in a lab. */
export function confinement(
  unit: Unit,
  directory: string,
  calls: ReadonlySet<string> = allowedCalls(unit),
): string[] {
  const file = join(directory, 'policy');
  writeFileSync(file, policy(unit, calls));
  return [
    ...['unshare', '--mount', 'sh', '-c', MOUNTS, 'sh', unit.get('UMask')![0]!],
    ...['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups'],
    `--bounding-set=${capabilities(unit, 'CapabilityBoundingSet')}`,
    `--inh-caps=${capabilities(unit, 'AmbientCapabilities')}`,
    `--ambient-caps=${capabilities(unit, 'AmbientCapabilities')}`,
    ...(isOn(unit, 'NoNewPrivileges') ? ['--no-new-privs'] : []),
    ...[CONFINE, file],
  ];
}
