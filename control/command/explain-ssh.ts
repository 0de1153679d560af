/**
 * What OpenSSH's client says when it does not get to a host, as an error that a user can act on. The
 * client runs with LC_ALL=C. Its standard error also carries the far end's banner, so what it quotes
 * goes into prose only, never into a command to type.
 */
import type { Explanation } from './explain.js';
import { explainLogin } from './explain-login.js';
import { shellWords } from './shell.js';
import { asUser, type SshFailure, type SshPlace, sshCommand, sshPlace } from './ssh-place.js';

/** The client's own status. */
const SSH_FAILED = 255;

const DEFAULT_PORT = 22;

/** The name under which a host's key stands in known_hosts. */
const knownAs = ({ host, port = DEFAULT_PORT }: SshPlace) =>
  port === DEFAULT_PORT ? host : `[${host}]:${port}`;

const portOf = ({ port = DEFAULT_PORT }: SshPlace) => port;

type Said = Pick<Explanation, 'message' | 'code'> & { hint: string };
type Saying = readonly [pattern: RegExp, say: (place: SshPlace, match: RegExpExecArray) => Said];

/** The first that fits counts: what is nearer to the cause stands first. */
const SAYINGS: readonly Saying[] = [
  [
    /^Can't open user config file|^(.*): line \d+: Bad configuration option|^Bad owner or permissions on/m,
    (_place, { input }) => ({
      message: `ssh does not read its configuration: ${lastLine(input)}`,
      code: 'ssh-config',
      hint: 'mend ~/.ssh/config; ssh -G host shows what it makes of it',
    }),
  ],
  [
    /^Connection closed by UNKNOWN port 65535|^stdio forwarding failed/m,
    (place, { input }) => ({
      message: `the jump host or ProxyCommand on the way there failed: ${firstLine(input)}`,
      code: 'ssh-jump',
      hint: `try the way by hand: ${sshCommand(place)}; ssh -G ${shellWords([place.host])} shows which jump host it takes`,
    }),
  ],
  [
    /REMOTE HOST IDENTIFICATION HAS CHANGED|^Host key for .* has changed/m,
    (place, { input }) => ({
      message: `its host key is not the one that is known here${fingerprint(input)}: another machine answers, or it was set up anew`,
      code: 'ssh-host-key-changed',
      hint: `only if you know why: ${asUser(place.bySudo, ['ssh-keygen', '-R', knownAs(place)])}, then ${sshCommand(place)} and compare the fingerprint`,
    }),
  ],
  [
    /was revoked and you have requested|REVOKED HOST KEY/,
    () => ({
      message: 'its host key is marked as revoked in known_hosts',
      code: 'ssh-host-key-revoked',
      hint: 'do not connect until you know why: the key may be stolen',
    }),
  ],
  [
    /^No \S+ host key is known for|^Host key verification failed/m,
    (place) => ({
      message: 'its host key is not known here',
      code: 'ssh-host-key-unknown',
      hint: `accept it once: ${sshCommand(place)}; the fingerprint that it shows must be the host's own (there: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub; OpenWrt: dropbearkey -y -f /etc/dropbear/dropbear_ed25519_host_key)`,
    }),
  ],
  [
    /Too many authentication failures/,
    (place) => ({
      message: `the host refused after too many keys for ${place.user}`,
      code: 'ssh-too-many-keys',
      hint: `name the one key in ~/.ssh/config: Host ${place.host}, IdentityFile FILE, IdentitiesOnly yes`,
    }),
  ],
  [
    /^WARNING: UNPROTECTED PRIVATE KEY FILE|^Permissions \d+ for '.*' are too open/m,
    (_place, { input }) => ({
      message: `ssh does not use a key that others can read: ${keyFile(input)}`,
      code: 'ssh-key-readable',
      hint: 'chmod 600 that file',
    }),
  ],
  [
    /^[^\n]*: Permission denied \(([\w,@.-]+)\)\.?\s*$/m,
    (place, match) => ({
      message: `${place.user} is refused: no key that was offered is accepted${forPassword(match[1] ?? '')}`,
      code: 'ssh-login-refused',
      hint: `bring a key there: ${sshCommand(place, 'ssh-copy-id')}; a key with a passphrase must be in the agent (ssh-add); ${sshCommand(place)} -v shows the keys that are offered`,
    }),
  ],
  [
    /^ssh: Could not resolve hostname (\S+): (.*)$/m,
    (_place, [, name = '', why = '']) => ({
      message: `the name "${name}" does not resolve: ${why}`,
      code: 'ssh-name',
      hint: `is it spelt right? look with: getent ahosts NAME; or write the address`,
    }),
  ],
  [
    /^ssh: connect to host \S+ port \d+: (.*)$/m,
    (place, [, why = '']) => unreachable(place, why.trim()),
  ],
  [
    /during banner exchange|^kex_exchange_identification: No SSH version|invalid format/m,
    (place, { input }) => ({
      message: /timed out/.test(input)
        ? `port ${portOf(place)} is open, but no ssh server answers in time`
        : `what listens on port ${portOf(place)} is no ssh server`,
      code: 'ssh-no-server',
      hint: `look at what answers there: ${sshCommand(place)}; another port is written as ssh://${place.user}@${place.host}:PORT`,
    }),
  ],
  [
    /^Unable to negotiate with .*: (no matching .* found)\. Their offer: (.*)$/m,
    (place, [, what = '', offer = '']) => ({
      message: `this ssh and that server have nothing in common: ${what}; it offers ${short(offer)}`,
      code: 'ssh-algorithms',
      hint: `update the ssh server there, or allow the algorithm in ~/.ssh/config for Host ${place.host}`,
    }),
  ],
  [
    /^kex_exchange_identification: |^ssh_exchange_identification: /m,
    (place) => ({
      message: `the host closes the connection before it says anything`,
      code: 'ssh-closed',
      hint: `it may have too many connections (MaxStartups), or ban this address: ${sshCommand(place)}, and look at the log there`,
    }),
  ],
  [
    /^Timeout, server \S+ not responding|^Connection to \S+ closed|^Connection (closed|reset) by|^(client_loop|Read from remote|Write failed|packet_write)|Broken pipe/m,
    (place) => ({
      message: 'the connection was lost',
      code: 'ssh-lost',
      hint: `is the host up, and the way there? ${sshCommand(place)}; then sidetrack status`,
    }),
  ],
];

const short = (text: string) => (text.length > 60 ? `${text.slice(0, 60)} …` : text);
const linesOf = (text: string) => text.trim().split('\n');
const firstLine = (text: string) => short(linesOf(text)[0] ?? '');
const lastLine = (text: string) => linesOf(text).at(-1) ?? '';

function fingerprint(said: string): string {
  const found = /^(SHA256:[\w+/=]{20,60})\.?$/m.exec(said)?.[1];
  return found === undefined ? '' : ` (it has ${found})`;
}

const keyFile = (said: string) => /^Permissions \d+ for '(.*)' are/m.exec(said)?.[1] ?? '';

const forPassword = (methods: string) =>
  /password|keyboard-interactive/.test(methods)
    ? '; it would ask for a password, which sidetrack never types'
    : '';

function unreachable(place: SshPlace, why: string): Said {
  const { host } = place;
  const port = portOf(place);
  const ping = `ping ${shellWords([host])}`;
  if (why === 'Connection refused')
    return {
      message: `nothing listens on port ${port}: ${why}`,
      code: 'ssh-refused',
      hint: `does an ssh server run there, and on this port? another one is written as ssh://${place.user}@${host}:PORT`,
    };
  if (/timed out/.test(why))
    return {
      message: `no answer on port ${port}: ${why}`,
      code: 'ssh-timeout',
      hint: `is the address right, the host up, and port ${port} let in by its firewall? ${ping}`,
    };
  return {
    message: `there is no way there: ${why}`,
    code: 'ssh-no-route',
    hint: `is this machine in a network that reaches it? ${ping}`,
  };
}

/** Of a connection that ended before the shell at its other end had answered. */
export function explainSsh(failure: SshFailure): Explanation {
  const { address, stderr, status } = failure;
  if (/^spawn ssh ENOENT$/m.test(stderr)) return sshMissing(address);
  return status === SSH_FAILED ? explainClient(failure) : explainLogin(failure);
}

function explainClient(failure: SshFailure): Explanation {
  const { address, stderr } = failure;
  const place = sshPlace(failure);
  const said = stderr.replaceAll('\r', '');
  for (const [pattern, say] of SAYINGS) {
    const match = pattern.exec(said);
    if (match === null) continue;
    const { message, code, hint } = say(place, match);
    return { message: `${address}: ${message}`, code, source: 'host', hint };
  }
  return {
    message: `${address}: ssh failed: ${short(lastLine(said)) || 'it said nothing'}`,
    code: 'ssh-failed',
    source: 'host',
    hint: `try by hand: ${sshCommand(place)}`,
  };
}

/** There is no `ssh` to start on this machine. */
const sshMissing = (address: string): Explanation => ({
  message: `${address}: this machine has no ssh client`,
  code: 'ssh-missing',
  source: 'host',
  hint: 'install it (Debian: apt-get install openssh-client)',
});
