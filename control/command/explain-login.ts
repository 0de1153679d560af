/** Why a login over ssh gave no shell: the account has none, something else runs in its place, or sudo refuses. */
import type { Explanation } from './explain.js';
import { shellWords } from './shell.js';
import { type SshFailure, sshCommand, sshPlace } from './ssh-place.js';

type Said = Omit<Explanation, 'source'>;

/** Of a login that ended with another status than ssh's own. */
export function explainLogin(failure: SshFailure): Explanation {
  const said = sudoSaid(failure) ?? noShell(failure) ?? otherProgram(failure);
  return { ...said, message: `${failure.address}: ${said.message}`, source: 'host' };
}

/** The one line that lets an account run a shell as root without a question. */
export const sudoersLine = (user: string) => `${user} ALL=(root) NOPASSWD: /bin/sh, /usr/bin/sh`;

function sudoSaid(failure: SshFailure): Said | undefined {
  const { status, stderr } = failure;
  const place = sshPlace(failure);
  const said = (pattern: RegExp) => pattern.test(stderr);
  const allow = `allow it there, as root: ${shellWords(['echo', sudoersLine(place.user)])} > /etc/sudoers.d/sidetrack; or write ssh://root@${place.host}`;
  if (said(/^sudo: (a password is required|a terminal is required)/m))
    return {
      message: `sudo wants a password from ${place.user}, which sidetrack never types`,
      code: 'sudo-password',
      hint: allow,
    };
  if (said(/^sudo: .*you must have a tty|no tty present/m))
    return {
      message: 'sudo wants a terminal (requiretty)',
      code: 'sudo-terminal',
      hint: `take requiretty out of /etc/sudoers, or for this account alone: Defaults:${place.user} !requiretty`,
    };
  if (said(/is not in the sudoers file|is not allowed to (execute|run sudo)/))
    return { message: `sudo refuses ${place.user}`, code: 'sudo-refused', hint: allow };
  if (said(/no valid sudoers sources|sudoers is world writable|syntax error/))
    return {
      message: 'sudo does not read its rules',
      code: 'sudo-broken',
      hint: `look there with: ${sshCommand(place)}, then visudo -c`,
    };
  if (status === 127 && said(/sudo: (command )?not found/))
    return {
      message: `${place.user} is not root, and there is no sudo`,
      code: 'sudo-missing',
      hint: `write ssh://root@${place.host}, or install sudo there`,
    };
  return undefined;
}

function noShell(failure: SshFailure): Said | undefined {
  const { stdout = '', stderr } = failure;
  if (!/account is currently not available/i.test(stdout + stderr)) return undefined;
  const place = sshPlace(failure);
  return {
    message: `the account ${place.user} has no shell`,
    code: 'ssh-no-shell',
    hint: `take an account with one, or give it one there: chsh -s /bin/sh ${place.user}`,
  };
}

const LONGEST_QUOTE = 60;

/** A forced command, a menu, a shell of another kind: what it said is the best description. */
function otherProgram(failure: SshFailure): Said {
  const { status, stdout = '', stderr } = failure;
  const place = sshPlace(failure);
  const lines = (stdout.trim() || stderr.trim()).split('\n');
  const said = (lines.at(-1) ?? '').slice(0, LONGEST_QUOTE);
  return {
    message: `what answers there is no POSIX shell: it ended with status ${status} and said ${said === '' ? 'nothing' : `"${said}"`}`,
    code: 'ssh-no-shell',
    hint: `${sshCommand(place)} sh must give a shell; look at the account's shell in /etc/passwd, at command= in its authorized_keys, and at ForceCommand`,
  };
}
