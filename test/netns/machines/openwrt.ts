/**
 * A machine like an OpenWrt router: BusyBox with the applets that OpenWrt's own has, dropbear, nft and ip with their
 * libraries, and nothing else. /run and /var are in memory, the rest is on disk.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MachineSetUp } from './machine.js';
import { program } from './programs.js';

export interface OpenWrtOptions {
  /** Programs to leave out, such as nft. */
  without?: readonly string[];
  /** Programs that somebody has installed there, such as iperf3. */
  with?: readonly string[];
  /** Shell script that runs before every command that comes by ssh. */
  startUp?: string;
  /** Printed before each login. */
  banner?: string;
}

/** As package/utils/busybox of OpenWrt has them by default; of those, what this busybox was built with is linked. */
const APPLETS = `[ ash awk basename brctl cat chgrp chmod chown chroot clear cmp cp crond crontab cut date dd df dirname
dmesg du echo egrep env expr false fgrep find free grep gunzip gzip halt head hexdump hwclock id ifconfig kill killall
less ln logger login ls lsmod md5sum mkdir mkfifo mknod mkswap mktemp mount mv nc netstat nice nslookup ntpd passwd pgrep
pidof ping ping6 pivot_root poweroff printf ps pwd readlink reboot reset rm rmdir route sed seq sh sha256sum sleep sort
start-stop-daemon strings switch_root sync sysctl tail tar taskset tee test time top touch tr traceroute true udhcpc umount
uname uniq uptime vi wc wget which xargs yes zcat`;

/** Debian's busybox has no flock, OpenWrt's has; and the full ip(8) is a package of its own there, too. */
const PROGRAMS = ['nft', 'ip', 'flock', 'dropbear'];

/** $1 is the machine's directory, $2 its name. Programs go to /sbin, so that wrappers in /usr/sbin come first. */
const SCRIPT = `set -e
root=$1/root
mount --make-rprivate /
echo "$2" >/proc/sys/kernel/hostname
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t bpf bpf sys/fs/bpf || :
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p tmp/run tmp/lock tmp/log
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
  touch dev/$device
  mount --bind /dev/$device dev/$device
done
mkdir dev/pts
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
unset LD_LIBRARY_PATH
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /bin/ash -c \\
  'dropbear -F -E -s -p 22 -b /etc/banner -r /etc/dropbear/host_key 2>/tmp/log/dropbear & while :; do wait; sleep 1000; done'`;

/** $1 is the root, $2 busybox, $3 the applets; then each program. */
const PREPARE = `set -e
root=$1 busybox=$2 applets=$3
shift 3
cd "$root"
mkdir -p bin sbin usr/bin usr/sbin lib lib64 etc/dropbear etc/iproute2 proc sys dev tmp root/.ssh overlay
ln -sfn /tmp var
ln -sfn /tmp/run run
cp "$busybox" bin/busybox
has=$("$busybox" --list)
for applet in $applets; do
  for one in $has; do [ "$one" != "$applet" ] || ln -sf busybox "bin/$applet"; done
done
for program; do cp -L "$program" sbin/; done
for program in "$busybox" "$@"; do
  ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
    case $library in /lib64/*) cp -L "$library" lib64/ ;; *) cp -L "$library" lib/ ;; esac
  done
done
for table in /etc/iproute2/* /usr/share/iproute2/*; do [ ! -f "$table" ] || cp "$table" etc/iproute2/; done
echo root:x:0:0:root:/root:/etc/login.sh >etc/passwd
echo 'root:*:19000:0:99999:7:::' >etc/shadow
echo root:x:0: >etc/group
printf '%s\\n' /bin/ash /etc/login.sh >etc/shells
mkdir -p etc/dropbear
chmod 700 root root/.ssh
chmod 600 root/.ssh/authorized_keys`;

export function openWrtMachine(
  node: string,
  directory: string,
  authorisedKey: string,
  { without = [], with: more = [], startUp = '', banner = '' }: OpenWrtOptions,
): MachineSetUp {
  const root = join(directory, 'root');
  for (const name of ['etc/dropbear', 'root/.ssh', 'usr/sbin'])
    mkdirSync(join(root, name), { recursive: true });
  writeFileSync(join(root, 'root/.ssh/authorized_keys'), authorisedKey);
  writeFileSync(join(root, 'etc/openwrt_release'), "DISTRIB_ID='OpenWrt'\n");
  writeFileSync(join(root, 'etc/os-release'), 'NAME="OpenWrt"\nID="openwrt"\n');
  writeFileSync(join(root, 'etc/login.sh'), `#!/bin/ash\n${startUp}\nexec /bin/ash "$@"\n`, {
    mode: 0o755,
  });
  writeFileSync(join(root, 'etc/banner'), banner);
  const kept = [...PROGRAMS, ...more].filter((name) => !without.includes(name)).map(program);
  return {
    node,
    script: SCRIPT,
    arguments: [directory, node],
    prepare: ['sh', '-c', PREPARE, 'sh', root, program('busybox'), APPLETS, ...kept],
    wrappers: join(root, 'usr/sbin'),
    root,
  };
}
