/**
 * Stand-ins on a machine for what a container lacks: systemd, which runs one unit (as `supervise` plays it), and a disk of
 * its own for what dpkg installs. What of a unit forbids things is left out: test/netns/confined.test.ts has that.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Machine } from './machine.js';

const SUPERVISE = fileURLToPath(new URL('../../../build/test/supervise', import.meta.url));
const UNIT = 'sidetrack-relay.service';
const UNIT_FILE = `/usr/lib/systemd/system/${UNIT}`;
const WANTED = `/etc/systemd/system/multi-user.target.wants/${UNIT}`;
/** Of one stand-in: what it was told, what the supervisor said, how to tell it. */
const WORLD = '/run/stand-in';

const SYSTEMCTL = `#!/bin/sh
quiet=
[ "$1" = --quiet ] && { quiet=1; shift; }
say() { [ -n "$quiet" ] || echo "$1"; }
word=$1
cd ${WORLD} && touch said orders
# Not what is open in who called: the lock, or the way of an ssh session.
main() { p=$(grep -oE '^started [0-9]+|MAINPID=[0-9]+' said | tail -n 1 | grep -oE '[0-9]+'); [ -n "$p" ] && kill -0 "$p" 2>/dev/null && echo "$p"; }
ready() { grep -q "^notify $(main) READY=1" said; }
until_true() { n=600; until "$@"; do [ $n -gt 0 ] || return 1; n=$((n - 1)); sleep 0.05; done; }
settled() { ready || [ -z "$(main)" ]; }
gone() { [ -z "$(main)" ]; }
case $word in
daemon-reload | reset-failed | is-active | is-enabled | show) ;;
*) echo "$*" >>orders ;;
esac
start() {
  [ -e ${UNIT_FILE} ] || { echo "Unit ${UNIT} not found." >&2; return 5; }
  gone || return 0
  rm -f told && mkfifo told && : >said
  command=$(sed -n 's/^ExecStart=//p' ${UNIT_FILE})
  setsid sh -c 'exec 9>&-; exec ${SUPERVISE} @stand-in 0 '"$command"' <>told >>said 2>>journal' </dev/null >/dev/null 2>&1 &
  echo start >told
  until_true grep -q '^started' said && until_true settled && ready || { echo "Job for ${UNIT} failed." >&2; return 1; }
}
stop() { p=$(main); [ -z "$p" ] || { kill "$p"; until_true gone; }; }
case $word in
daemon-reload | reset-failed) ;;
is-active) if gone; then say inactive; exit 3; fi; say active ;;
is-enabled) if [ -L ${WANTED} ]; then say enabled; else say disabled; exit 1; fi ;;
enable) [ -e ${UNIT_FILE} ] && mkdir -p $(dirname ${WANTED}) && ln -sf ${UNIT_FILE} ${WANTED} ;;
disable) rm -f ${WANTED} ;;
show) case $2 in
  *MainPID) main || echo 0 ;;
  *ActiveState) if gone; then echo inactive; else echo active; fi ;;
  *StatusText) grep -o 'STATUS=[^|]*' said | tail -n 1 | cut -d = -f 2- ;;
  *FragmentPath) if [ -e ${UNIT_FILE} ]; then echo ${UNIT_FILE}; else echo; fi ;;
  esac ;;
start) start ;;
stop) stop ;;
restart) stop && start ;;
kill) [ "$2 $3" = "--kill-whom=main --signal=SIGUSR2" ] && kill -USR2 "$(main)" ;;
*) exit 1 ;;
esac
`;

const JOURNALCTL = `#!/bin/sh
cat ${WORLD}/journal
`;

/** dpkg writes to /usr and /var, and those are this machine's: the upper layer is in memory. */
const OWN_DISK = `set -e
mkdir -p /run/systemd/system ${WORLD} /run/disk
mount -t tmpfs tmpfs /run/disk
for d in usr var; do
  mkdir -p /run/disk/$d/upper /run/disk/$d/work
  mount -t overlay -o "lowerdir=/$d,upperdir=/run/disk/$d/upper,workdir=/run/disk/$d/work" overlay /$d
  : >/$d/own && [ -e /run/disk/$d/upper/own ]
done
# What is there of nodejs counts as Debian's, which is what the package asks for.
dpkg-query -W -f '\${Version}' nodejs 2>/dev/null | grep -qE '^(2[0-9]|[3-9][0-9])' || {
  ln -sf "$1" /usr/bin/node
  printf '\\nPackage: nodejs\\nStatus: install ok installed\\nArchitecture: all\\nMaintainer: a <a@b.c>\\nVersion: 20.0.0\\nDescription: a\\n' >>/var/lib/dpkg/status
}`;

/** @throws where the kernel has no overlay for it; nothing is installed then. */
export async function addSystemd(machine: Machine): Promise<void> {
  const { wrappers } = machine.setUp;
  writeFileSync(join(wrappers, 'systemctl'), SYSTEMCTL, { mode: 0o755 });
  writeFileSync(join(wrappers, 'journalctl'), JOURNALCTL, { mode: 0o755 });
  writeFileSync(join(wrappers, 'deb-systemd-invoke'), '#!/bin/sh\nexec systemctl "$@"\n', {
    mode: 0o755,
  });
  await machine.shell(OWN_DISK, process.execPath);
}

/** What systemd was told since this was asked last, questions left out. */
export async function ordersTo(machine: Machine): Promise<string[]> {
  const text = await machine.shell(`cat ${WORLD}/orders; : >${WORLD}/orders`);
  return text.split('\n').filter(Boolean);
}
