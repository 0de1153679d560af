/** What changes a relay that is a systemd unit, as scripts of sh. Each fails with one line that says why. */
import type { Command } from '../command/command.js';
import { RELAY_UNIT } from '../plan/relay-unit.js';
import type { RelayPackage } from '../plan/state.js';

/** Tenths of a second. A relay that takes over has 20 s, one that starts 60 s, most of which systemd waits itself. */
const PATIENCE = 300;

/** $1: the unit, $2: a pattern of /proc/net/tcp, empty where no port is waited for. */
const FUNCTIONS = `main_process() { systemctl show --property=MainPID --value "$1"; }
why() { journalctl --unit=${RELAY_UNIT} --lines=20 --output=cat --no-pager 2>/dev/null | sed -n 's/^error: //p' | tail -n 1; }
fail() { reason=$(why); echo "$1: \${reason:-see journalctl -u ${RELAY_UNIT}}" >&2; exit 1; }
soon() { tries=${PATIENCE}; until "$@"; do [ "$tries" -gt 0 ] || return 1; tries=$((tries - 1)); sleep 0.1; done; }
accepts() { cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q "$1"; }
accepting() { [ -z "$2" ] || soon accepts "$2" || fail 'the relay runs, but does not accept'; }
`;

const START = `${FUNCTIONS}systemctl daemon-reload && systemctl enable "$1" || exit 1
systemctl reset-failed "$1" 2>/dev/null
systemctl start "$1" 2>/dev/null || fail 'the relay did not start'
accepting "$@"`;

const RESTART = `${FUNCTIONS}systemctl daemon-reload || exit 1
systemctl --quiet is-active "$1" || exit 0
systemctl restart "$1" 2>/dev/null || fail 'the relay did not start again'
accepting "$@"`;

/** SIGUSR2: a new process takes the sockets over, or the old one goes on and says so (docs/relay.md), unless it is hung. */
const HAND_OVER = `${FUNCTIONS}systemctl --quiet is-active "$1" || exit 0
status() { systemctl show --property=StatusText --value "$1"; }
old=$(main_process "$1") before=$(status "$1")
taken_over() { new=$(main_process "$1"); [ "$new" != 0 ] && [ "$new" != "$old" ]; }
refused() { said=$(status "$1"); [ "$said" != "$before" ] && [ "$said" != "\${said#*hand-over failed}" ]; }
decided() { taken_over "$1" || refused "$1"; }
systemctl kill --kill-whom=main --signal=SIGUSR2 "$1" || exit 1
soon decided "$1" && taken_over "$1" || fail 'the relay did not hand over and goes on as it was'
accepting "$@"`;

/** The package's own script has a relay that runs hand over; here it is read back. */
const INSTALL = `${FUNCTIONS}d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
base64 -d >"$d/sidetrack.deb" || exit 1
old=$(main_process "$1")
DEBIAN_FRONTEND=noninteractive dpkg --force-confold --install "$d/sidetrack.deb" >"$d/said" 2>&1 </dev/null || {
  grep -E 'error|depends on|Depends' "$d/said" | tr '\\n' ' ' | cut -c 1-300 >&2
  exit 1
}
[ "$old" = 0 ] || [ "$(main_process "$1")" != "$old" ] || fail 'the relay did not hand over to the new version'`;

const STOP = `systemctl stop "$1" && { [ "$2" = keep ] || systemctl disable "$1" 2>/dev/null; }`;

const PASSWORDS = `for file; do
  [ -s "$file" ] || { echo "there is nothing in $file; write there what the configuration wants of it, for root alone (chmod 600)" >&2; exit 1; }
done`;

/** @param program what the script is about, where it is spoken of. */
const script = (
  text: string,
  program: readonly string[],
  purpose: string,
  ...args: readonly string[]
): Command => ({ argv: ['sh', '-c', text, 'sh', ...args], program, purpose });

/** Of a socket that listens there. */
const listener = (port: number) =>
  `:${port.toString(16).toUpperCase().padStart(4, '0')} [0-9A-F]*:0000 0A `;

/** @param port waited for until something listens there. */
export const start = (port?: number): Command =>
  script(
    START,
    ['systemctl', 'start', RELAY_UNIT],
    'starting the relay',
    RELAY_UNIT,
    port === undefined ? '' : listener(port),
  );

/** Nothing where the relay does not run. */
export const restart = (port?: number): Command =>
  script(
    RESTART,
    ['systemctl', 'restart', RELAY_UNIT],
    'restarting the relay',
    RELAY_UNIT,
    port === undefined ? '' : listener(port),
  );

/** Nothing where the relay does not run. */
export const handOver = (port?: number): Command =>
  script(
    HAND_OVER,
    ['systemctl', 'kill', RELAY_UNIT],
    'handing over',
    RELAY_UNIT,
    port === undefined ? '' : listener(port),
  );

export const stop = (keepsEnabled: boolean): Command =>
  script(
    STOP,
    ['systemctl', 'stop', RELAY_UNIT],
    'stopping the relay',
    RELAY_UNIT,
    keepsEnabled ? 'keep' : '',
  );

export const install = ({ base64 }: RelayPackage): Command => ({
  ...script(INSTALL, ['dpkg', '--install', 'sidetrack.deb'], 'installing the package', RELAY_UNIT),
  stdin: base64,
});

export const purge: Command = {
  argv: ['dpkg', '--purge', 'sidetrack'],
  purpose: 'removing the package',
};

export const lookForPasswords = (files: readonly string[]): Command =>
  script(PASSWORDS, ['test', '-s', ...files], 'looking for passwords', ...files);
