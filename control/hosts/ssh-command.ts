/** The command line of ssh(1) for a host, and what it starts there. */
import { shellWord } from '../command/shell.js';
import { SHELL_LOOP } from '../command/shell-loop.js';

export interface SshLocation {
  readonly user: string;
  readonly host: string;
  /** Absent where ssh decides: by its configuration, or 22. */
  readonly port?: number | undefined;
}

/** Seconds. */
const CONNECT_TIMEOUT = 10;
const ALIVE_INTERVAL = 5;
const ALIVE_COUNT = 3;

/**
 * What ssh must do whatever its configuration says; all else is as it says there: keys, agents, jump hosts, known
 * hosts. It asks nothing, and forwards nothing to a host that may be hostile. A connection is of its own, since
 * a shared one may outlive it, may be cut by others, and would confirm nothing.
 */
const OPTIONS: readonly string[] = [
  'BatchMode=yes',
  `ConnectTimeout=${CONNECT_TIMEOUT}`,
  `ServerAliveInterval=${ALIVE_INTERVAL}`,
  `ServerAliveCountMax=${ALIVE_COUNT}`,
  'ControlMaster=no',
  'ControlPath=none',
  'ClearAllForwardings=yes',
  'ForwardAgent=no',
  'ForwardX11=no',
  'RequestTTY=no',
  'RemoteCommand=none',
  'PermitLocalCommand=no',
  'LogLevel=INFO',
];

/** Names another program, or options of it: `ssh -F file`. A shell reads it. */
export const SSH_VARIABLE = 'SIDETRACK_SSH';

/** ssh with the program that `SIDETRACK_SSH` names, and a command for the far shell. */
export function sshCommand({ user, host, port }: SshLocation, far: string): string[] {
  const named = process.env[SSH_VARIABLE]?.trim();
  const program = named ? ['sh', '-c', `exec ${named} "$@"`, 'ssh'] : ['ssh'];
  const options = OPTIONS.flatMap((option) => ['-o', option]);
  const way = [...(port === undefined ? [] : ['-p', String(port)]), '-l', user];
  return [...program, ...options, ...way, '--', host, far];
}

/**
 * In quotes for any login shell: sh, csh, fish. Non-root users go on by sudo, which must ask nothing. sudo drops the
 * environment, so what sshd said of the connection is handed over. Root's programs are found also where
 * the login shell does not look for them.
 */
const START = [
  'loop=$1; set -- "$SSH_CONNECTION"',
  'if [ "$(id -u)" = 0 ]; then exec sh -c "$loop" sidetrack "$@"',
  'else exec sudo -n -- sh -c "$loop" sidetrack "$@"; fi',
].join('; ');

const LOOP = [
  'SSH_CONNECTION=$1; export SSH_CONNECTION',
  'PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin; export PATH',
  'umask 022',
  SHELL_LOOP,
].join('; ');

/** Starts the shell that scripts are sent to. */
export const farShell = (): string => `exec sh -c '${START}' sidetrack '${LOOP}'`;

/** A program there, as the same user as the shell. */
export const farProgram = (argv: readonly string[], user: string): string =>
  [...(user === 'root' ? [] : ['sudo', '-n', '--']), ...argv].map(shellWord).join(' ');
