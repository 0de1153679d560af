/**
 * What an OpenWrt router has besides, and a machine of busybox lacks: rc.common with procd's functions, a service manager behind
 * them, uci's file of the firewall, and what runs at boot. As in base-files, procd and firewall4 of OpenWrt 23.05, as far as
 * scripts of others see it.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine } from './machine.js';

/** Where the stand-in for procd keeps what ubus would show. */
const SERVICES = '/tmp/services';

const RC_COMMON = `#!/bin/sh
initscript=$1
[ ! -L "$1" ] || initscript=/etc/init.d/$(basename "$(readlink "$1")")
action=\${2:-help}
shift 2
start() { return 0; }
stop() { return 0; }
reload() { restart "$@"; }
boot() { start "$@"; }
enabled() { [ -x "/etc/rc.d/S\${START}\${initscript##*/}" ]; }
. "$initscript"
[ -z "$USE_PROCD" ] || {
  . /lib/functions/procd.sh
  start() {
    instance=; command=; respawn=
    start_service "$@"
    procd_apply "\${initscript##*/}"
  }
  stop() { procd_kill "\${initscript##*/}"; }
  reload() {
    if type reload_service >/dev/null 2>&1; then reload_service "$@"; else start; fi
  }
  running() { procd_running "\${initscript##*/}"; }
}
restart() { trap '' TERM; stop "$@"; start "$@"; }
$action "$@"
`;

/** A service that is told the same again goes on as it is; one that ends is started again, as long as it is to respawn. */
const PROCD = `procd_open_instance() { instance=yes; }
procd_set_param() {
  word=$1
  shift
  case $word in
  command) command=$* ;;
  respawn) respawn=$2 ;;
  esac
}
procd_close_instance() { :; }
procd_pid() { cat "${SERVICES}/$1/pid" 2>/dev/null; }
procd_running() { pid=$(procd_pid "$1") && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; }
procd_send_signal() { ! procd_running "$1" || kill -\${3:-HUP} "$(procd_pid "$1")"; }
procd_kill() {
  [ -d "${SERVICES}/$1" ] || return 0
  kill "$(cat "${SERVICES}/$1/keeper")" 2>/dev/null
  pid=$(procd_pid "$1")
  rm -rf "${SERVICES}/$1"
  [ -z "$pid" ] || kill "$pid" 2>/dev/null
  tries=50
  while [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && [ $tries -gt 0 ]; do sleep 0.1; tries=$((tries - 1)); done
}
procd_apply() {
  [ -n "$command" ] || return 0
  if procd_running "$1" && [ "$(cat "${SERVICES}/$1/command")" = "$command" ]; then return 0; fi
  procd_kill "$1"
  mkdir -p "${SERVICES}/$1"
  echo "$command" >"${SERVICES}/$1/command"
  (
    trap 'exit 0' TERM
    while :; do
      $command </dev/null >/dev/null 2>>/tmp/log/messages 9>&- &
      echo $! >"${SERVICES}/$1/pid"
      wait $!
      [ -n "$respawn" ] || exit
      sleep "$respawn"
    done
  ) </dev/null >/dev/null 2>&1 9>&- &
  echo $! >"${SERVICES}/$1/keeper"
}
`;

/** As a person has left it, comments among it. */
export const FIREWALL = `config defaults
	option input		REJECT
	# mine
	option syn_flood	"1"

config include
	option type 'script'
	option path '/etc/firewall.user'
`;

/** fw4 runs behind its own rules each script that says that it is for it. */
const FIREWALL_INIT = `#!/bin/sh /etc/rc.common
START=19
start() {
  awk '/^config/ { type = path = fit = "" } $2 == "type" { type = $3 } $2 == "path" { path = $3 }
    $2 == "fw4_compatible" { fit = $3 } type ~ /script/ && path && fit ~ /1/ { print path; path = "" }' /etc/config/firewall |
    tr -d "'\\"" | while read -r path; do [ ! -e "$path" ] || sh "$path"; done
}
stop() { nft flush ruleset; }
reload() { start; }
`;

/** Before the machine is first asked for anything. */
export function addProcd(machine: Machine): void {
  const write = (path: string, content: string, mode = 0o755) => {
    const file = join(machine.setUp.root, path);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, content, { mode });
  };
  write('etc/rc.common', RC_COMMON);
  write('lib/functions/procd.sh', PROCD, 0o644);
  write('etc/config/firewall', FIREWALL, 0o600);
  write('etc/init.d/firewall', FIREWALL_INIT);
  write('lib/upgrade/keep.d/base-files', '/etc/hosts\n', 0o644);
  for (const directory of ['etc/rc.d', 'etc/sysctl.d', 'etc/hotplug.d/iface'])
    mkdirSync(join(machine.setUp.root, directory), { recursive: true });
}

/** What runs before the network, the network, and what runs behind it. @param network makes the node's network be there */
export async function bootOpenWrt(machine: Machine, network: () => Promise<void>): Promise<void> {
  const names = (await machine.shell('ls /etc/rc.d')).split('\n').filter((one) => /^S/.test(one));
  const isEarly = (name: string) => Number(name.slice(1, 3)) < NETWORK;
  const start = (some: readonly string[]) =>
    machine.shell('for one; do "/etc/rc.d/$one" boot; done', ...some);
  await start(names.filter(isEarly));
  await network();
  await start(names.filter((name) => !isEarly(name)));
}

/** START of OpenWrt's own. */
const NETWORK = 20;
