/** What OpenSSH 9.2, sshd, dropbear and sudo said, word for word, and what is made of it. */
import { describe, expect, it } from 'vitest';
import { explainSsh } from '../../../control/command/explain-ssh.js';

const ADDRESS = 'ssh://root@192.168.1.1';
const explain = (stderr: string, status = 255, stdout = '', address = ADDRESS) =>
  explainSsh({ address, stderr, status, stdout });

const CHANGED = `@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Someone could be eavesdropping on you right now (man-in-the-middle attack)!
It is also possible that a host key has just been changed.
The fingerprint for the ED25519 key sent by the remote host is
SHA256:yOX0QZAUdi1I7+fDq873cPKw1HghbCuxE5DYvdpt+d8.
Please contact your system administrator.
Add correct host key in /home/me/.ssh/known_hosts to get rid of this message.
Offending ED25519 key in /home/me/.ssh/known_hosts:1
Host key for 192.168.1.1 has changed and you have requested strict checking.
Host key verification failed.`;

const REVOKED = `@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@       WARNING: REVOKED HOST KEY DETECTED!               @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
The ED25519 host key for 127.0.0.1 is marked as revoked.
ED25519 host key for 127.0.0.1 was revoked and you have requested strict checking.
Host key verification failed.`;

const READABLE = `@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
Permissions 0644 for '/home/me/.ssh/key' are too open.
It is required that your private key files are NOT accessible by others.
This private key will be ignored.
Load key "/home/me/.ssh/key": bad permissions
root@127.0.0.1: Permission denied (publickey,password,keyboard-interactive).`;

const THROUGH = `kex_exchange_identification: Connection closed by remote host
Connection closed by UNKNOWN port 65535`;

describe('ssh does not get there', () => {
  it.each<[string, string, string, RegExp, RegExp]>([
    [
      'a host key that is not known',
      'Host key verification failed.',
      'ssh-host-key-unknown',
      /host key is not known here/,
      /accept it once.*: ssh root@192\.168\.1\.1; the fingerprint/,
    ],
    [
      'the same with strict checking',
      'No ED25519 host key is known for 127.0.0.1 and you have requested strict checking.\nHost key verification failed.',
      'ssh-host-key-unknown',
      /not known here/,
      /ssh-keygen -lf/,
    ],
    [
      'another host key',
      CHANGED,
      'ssh-host-key-changed',
      /not the one that is known here \(it has SHA256:yOX0QZAUdi1I7\+fDq873cPKw1HghbCuxE5DYvdpt\+d8\)/,
      /only if you know why: ssh-keygen -R 192\.168\.1\.1, then ssh root@/,
    ],
    ['a revoked host key', REVOKED, 'ssh-host-key-revoked', /marked as revoked/, /do not connect/],
    [
      'a login that sshd refuses',
      'root@127.0.0.1: Permission denied (publickey,password,keyboard-interactive).',
      'ssh-login-refused',
      /root is refused.*password, which sidetrack never types/,
      /ssh-copy-id root@192\.168\.1\.1/,
    ],
    [
      'a login that takes keys alone',
      'root@127.0.0.1: Permission denied (publickey).',
      'ssh-login-refused',
      /no key that was offered is accepted$/,
      /ssh-add/,
    ],
    ['a key that others can read', READABLE, 'ssh-key-readable', /\.ssh\/key$/, /chmod 600/],
    [
      'too many keys',
      'Received disconnect from 127.0.0.1 port 22:2: Too many authentication failures\nDisconnected from 127.0.0.1 port 22',
      'ssh-too-many-keys',
      /after too many keys for root/,
      /Host 192\.168\.1\.1, IdentityFile FILE, IdentitiesOnly yes/,
    ],
    [
      'a name that is unknown',
      'ssh: Could not resolve hostname nosuchname.invalid: Temporary failure in name resolution',
      'ssh-name',
      /the name "nosuchname.invalid" does not resolve: Temporary/,
      /getent ahosts/,
    ],
    [
      'a port that is closed',
      'ssh: connect to host 127.0.0.1 port 9: Connection refused',
      'ssh-refused',
      /nothing listens on port 22/,
      /ssh:\/\/root@192\.168\.1\.1:PORT/,
    ],
    [
      'no route',
      'ssh: connect to host 198.51.100.1 port 22: Network is unreachable',
      'ssh-no-route',
      /no way there: Network is unreachable/,
      /ping 192\.168\.1\.1/,
    ],
    [
      'no host',
      'ssh: connect to host 192.0.2.9 port 22: No route to host',
      'ssh-no-route',
      /No route to host/,
      /ping/,
    ],
    [
      'no answer',
      'ssh: connect to host 127.0.0.1 port 22: Connection timed out',
      'ssh-timeout',
      /no answer on port 22/,
      /firewall/,
    ],
    [
      'a server that is silent',
      'Connection timed out during banner exchange\nConnection to 127.0.0.1 port 7001 timed out',
      'ssh-no-server',
      /no ssh server answers in time/,
      /ssh root@/,
    ],
    [
      'a server of another kind',
      'kex_exchange_identification: No SSH version received in first 1024 lines from server\nbanner exchange: Connection to 127.0.0.1 port 7002: invalid format',
      'ssh-no-server',
      /is no ssh server/,
      /look at what answers/,
    ],
    [
      'a server that hangs up',
      'kex_exchange_identification: read: Connection reset by peer\nConnection reset by 127.0.0.1 port 7003',
      'ssh-closed',
      /before it says anything/,
      /MaxStartups/,
    ],
    [
      'a jump host without a name',
      `ssh: Could not resolve hostname nosuch.invalid: Temporary failure in name resolution\n${THROUGH}`,
      'ssh-jump',
      /jump host.*Could not resolve hostname nosuch/,
      /ssh -G 192\.168\.1\.1/,
    ],
    [
      'a jump host that does not reach it',
      `channel 0: open failed: connect failed: Connection refused\nstdio forwarding failed\n${THROUGH}`,
      'ssh-jump',
      /connect failed: Connection refused/,
      /by hand: ssh root@/,
    ],
    [
      'a ProxyCommand that is missing',
      `/bin/bash: line 1: /nonexistent/proxy: No such file or directory\n${THROUGH}`,
      'ssh-jump',
      /nonexistent\/proxy/,
      /by hand/,
    ],
    [
      'an old server',
      'Unable to negotiate with 127.0.0.1 port 22: no matching host key type found. Their offer: ssh-rsa',
      'ssh-algorithms',
      /no matching host key type found; it offers ssh-rsa/,
      /update the ssh server/,
    ],
    [
      'a mistake in the configuration',
      '/home/me/.ssh/config: line 1: Bad configuration option: bogus\n/home/me/.ssh/config: terminating, 1 bad configuration options',
      'ssh-config',
      /terminating, 1 bad/,
      /ssh -G/,
    ],
    [
      'a connection that is cut',
      'Connection to 127.0.0.1 closed by remote host.',
      'ssh-lost',
      /connection was lost/,
      /sidetrack status/,
    ],
    [
      'a host that is gone',
      'Timeout, server 127.0.0.1 not responding.',
      'ssh-lost',
      /connection was lost/,
      /is the host up/,
    ],
    ['anything else', 'ssh: a new trouble', 'ssh-failed', /ssh: a new trouble/, /by hand/],
    ['nothing', '', 'ssh-failed', /it said nothing/, /by hand/],
  ])('%s', (_name, stderr, code, message, hint) => {
    const found = explain(stderr);
    expect(found).toMatchObject({ code, source: 'host' });
    expect(found.message).toMatch(message);
    expect(found.message.startsWith(`${ADDRESS}: `)).toBe(true);
    expect(found.message).not.toContain('\n');
    expect(found.hint).toMatch(hint);
  });

  it('names the port in every command, and brackets in known_hosts', () => {
    const found = explain(CHANGED, 255, '', 'ssh://root@[fd00::1]:2222');
    expect(found.hint).toContain("ssh-keygen -R '[fd00::1]:2222', then ssh -p 2222 root@fd00::1");
  });

  it('below sudo ssh has the keys and known hosts of root', () => {
    const by = (stderr: string) =>
      explainSsh({ address: ADDRESS, stderr, status: 255, bySudo: true });
    const unknown = by('Host key verification failed.');
    expect(unknown.hint).toContain('accept it once: sudo ssh root@192.168.1.1;');
    expect(by(CHANGED).hint).toContain('sudo ssh-keygen -R 192.168.1.1, then sudo ssh root@');
    const refused = by('root@127.0.0.1: Permission denied (publickey).');
    expect(refused.hint).toContain('sudo ssh-copy-id root@192.168.1.1');
  });

  it('the banner of the far end is never part of a command', () => {
    const banner = "Permissions 0644 for '/x; rm -rf ~' are too open.\n";
    const found = explain(`${banner}root@127.0.0.1: Permission denied (publickey).`);
    expect(found.hint).not.toContain('rm -rf');
  });
});

describe('the login gives no shell', () => {
  it.each<[string, number, string, string, string, RegExp, RegExp]>([
    [
      'an account without one',
      1,
      'This account is currently not available.\n',
      '',
      'ssh-no-shell',
      /the account root has no shell/,
      /chsh/,
    ],
    ['/bin/false', 1, '', '', 'ssh-no-shell', /status 1 and said nothing/, /passwd/],
    [
      'a forced command',
      0,
      'only backups here\n',
      '',
      'ssh-no-shell',
      /status 0 and said "only backups here"/,
      /command=.*ForceCommand/,
    ],
    [
      'sudo with a password',
      1,
      '',
      'sudo: a password is required\n',
      'sudo-password',
      /sudo wants a password from root/,
      /root ALL=\(root\) NOPASSWD: \/bin\/sh, \/usr\/bin\/sh/,
    ],
    [
      'sudo with a terminal',
      1,
      '',
      'sudo: sorry, you must have a tty to run sudo\n',
      'sudo-terminal',
      /requiretty/,
      /Defaults:root !requiretty/,
    ],
    [
      'sudo with rules that it does not read',
      1,
      '',
      'sudo: /etc/sudoers is world writable\nsudo: no valid sudoers sources found, quitting\n',
      'sudo-broken',
      /does not read its rules/,
      /visudo -c/,
    ],
    [
      'no sudo, dash',
      127,
      '',
      'sh: 1: sudo: not found\n',
      'sudo-missing',
      /is not root, and there is no sudo/,
      /ssh:\/\/root@/,
    ],
    [
      'no sudo, BusyBox',
      127,
      '',
      'sh: exec: line 0: sudo: not found\n',
      'sudo-missing',
      /there is no sudo/,
      /install sudo/,
    ],
  ])('%s', (_name, status, stdout, stderr, code, message, hint) => {
    const found = explain(stderr, status, stdout);
    expect(found.code).toBe(code);
    expect(found.message).toMatch(message);
    expect(found.hint).toMatch(hint);
  });
});
