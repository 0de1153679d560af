/** A machine like a Debian server: this machine's own programs, /etc and /run its own, OpenSSH's sshd. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { MachineSetUp } from './machine.js';
import { program } from './programs.js';

/** The ordinary user. */
export const ADMIN = 'admin';
/** No other user of this machine's has it. */
const ADMIN_ID = 47_110;

export interface DebianOptions {
  /** The ordinary user may become root without a password. */
  sudo?: boolean;
  /** Login shell of both users. */
  shell?: string;
  /** What the start-up file of each user's shell runs, also before a command that comes by ssh. */
  startUp?: string;
  /** Lines for sshd_config. */
  sshd?: readonly string[];
}

/** $1 is the machine's directory, $2 its name, $3 sshd, $4 where sudo is. */
const SCRIPT = `set -e
mount --make-rprivate /
echo "$2" >/proc/sys/kernel/hostname
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t bpf bpf /sys/fs/bpf || :
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd /run/lock
mount --bind "$1/etc" /etc
# sudo, where it is only unpacked, loads its policy from a fixed place
[ -d /usr/libexec/sudo ] || mount -t overlay -o "lowerdir=\${4%/bin}/libexec:/usr/libexec" overlay /usr/libexec
"$3" -D -e -f "$1/sshd_config" 2>"$1/sshd.log" &
unset LD_LIBRARY_PATH
while :; do wait; sleep 1000; done`;

const USERS = `sshd:x:109:65534::/run/sshd:/usr/sbin/nologin`;

export function debianMachine(
  node: string,
  directory: string,
  authorisedKey: string,
  { sudo = true, shell = '/bin/bash', startUp = '', sshd = [] }: DebianOptions,
): MachineSetUp {
  const own = (name: string) => join(directory, name);
  for (const name of ['bin', 'home/root', `home/${ADMIN}`])
    mkdirSync(own(name), { recursive: true });
  const path = [own('bin'), dirname(program('sudo')), '/usr/local/bin:/usr/bin:/bin'].join(':');
  writeFileSync(own('authorized_keys'), authorisedKey);
  writeFileSync(
    own('sshd_config'),
    [
      'Port 22',
      `HostKey ${own('host_key')}`,
      `AuthorizedKeysFile ${own('authorized_keys')}`,
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      'PidFile none',
      'PrintLastLog no',
      'UseDNS no',
      'LogLevel VERBOSE',
      // As Debian's own, but for root's, which comes from a file that only PAM reads.
      `SetEnv PATH=${path}`,
      'Match User root',
      `  SetEnv PATH=${path}:/usr/local/sbin:/usr/sbin:/sbin`,
      'Match all',
      ...sshd,
      '',
    ].join('\n'),
  );
  const users = [
    `root:x:0:0:root:${own('home/root')}:${shell}`,
    `${ADMIN}:x:${ADMIN_ID}:${ADMIN_ID}::${own(`home/${ADMIN}`)}:${shell}`,
    USERS,
  ];
  const etc = `set -e
cp -a /etc ${own('etc')}
cd ${own('etc')}
grep -vE '^(root|sshd|${ADMIN}):' /etc/passwd >passwd || :
printf '%s\\n' "$@" >>passwd
{ grep -vE '^${ADMIN}:|:${ADMIN_ID}:' /etc/group || :; echo ${ADMIN}:x:${ADMIN_ID}:; } >group
grep -vE '^(root|sshd|${ADMIN}):' /etc/shadow >shadow || :
for user in root sshd ${ADMIN}; do echo "$user:*:19000:0:99999:7:::"; done >>shadow
echo "127.0.0.1 localhost ${node}" >hosts
printf '%s\\n' ${shell} >>shells
mkdir -p pam.d sudoers.d
[ -e pam.d/sudo ] || printf '%s\\n' 'auth required pam_permit.so' 'account required pam_permit.so' 'session required pam_permit.so' >pam.d/sudo
{
  echo 'Defaults secure_path="${own('bin')}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"'
  echo 'root ALL=(ALL:ALL) ALL'
  ${sudo ? `echo '${ADMIN} ALL=(ALL:ALL) NOPASSWD: ALL'` : ':'}
} >sudoers
chown root:root sudoers && chmod 440 sudoers
chown -R ${ADMIN_ID}:${ADMIN_ID} ${own(`home/${ADMIN}`)}`;
  for (const user of ['root', ADMIN])
    for (const file of ['.bashrc', '.cshrc', '.profile'])
      writeFileSync(own(`home/${user}/${file}`), startUp);
  return {
    node,
    script: SCRIPT,
    arguments: [directory, node, program('sshd'), dirname(program('sudo'))],
    prepare: ['sh', '-c', etc, 'sh', ...users],
    wrappers: own('bin'),
    root: '/',
  };
}
