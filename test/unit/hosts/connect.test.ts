/** Where things are on a host, from what it says of its namespaces. */
import { readlinkSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { RunResult } from '../../../control/command/command.js';
import { parseAnswers } from '../../../control/command/query.js';
import { addressOf, connect } from '../../../control/hosts/connect.js';
import { pathsQuery } from '../../../control/hosts/paths.js';

const said = (stdout: string): RunResult => ({ status: 0, stdout, stderr: '' });
const refused: RunResult = { status: 1, stdout: '', stderr: 'Permission denied' };

function paths(
  own: RunResult,
  first: RunResult,
  names: RunResult,
  { connection = said(''), boot = refused } = {},
) {
  const ref = { address: 'local', sidetrack: [] };
  return parseAnswers(ref, { paths: pathsQuery }, [own, first, names, connection, boot]).paths;
}

const OWN = said('net:[4026532300]\n');
const MACHINE = said('net:[4026531840]\n');
const NAMES = said(' 4026532200 a\n4026532300 router.1\n4026532300 zweiter name\n');

describe('the paths of', () => {
  it('the machine, where the first process is in the same namespace', () => {
    expect(paths(MACHINE, MACHINE, NAMES)).toEqual({
      stateDir: '/run/sidetrack',
      ownsEtc: true,
      bpfDirectory: '/sys/fs/bpf/sidetrack',
    });
  });

  it('a namespace with a name, the first where there are two', () => {
    expect(paths(OWN, MACHINE, NAMES)).toEqual({
      stateDir: '/run/sidetrack/netns/router.1',
      ownsEtc: false,
      bpfDirectory: '/sys/fs/bpf/sidetrack-netns-router%2e1',
    });
  });

  it('a namespace without one, where other names may lead nowhere', () => {
    const names = { ...said('4026532200 a\n'), status: 1, stderr: 'ls: x: No such file' };
    expect(paths(OWN, MACHINE, names).stateDir).toBe('/run/sidetrack/netns/4026532300');
    expect(paths(OWN, MACHINE, refused).stateDir).toBe('/run/sidetrack/netns/4026532300');
  });

  it('the machine, and the connection that it is reached by', () => {
    const connection = said('192.168.1.10 50022 192.168.1.1 22');
    expect(paths(MACHINE, MACHINE, NAMES, { connection }).management).toBe(connection.stdout);
  });

  it('names the namespace among those of all machines, if it may', () => {
    const boot = said('5b2d6f0e-0000-4000-8000-000000000001\n');
    expect(paths(OWN, MACHINE, NAMES, { boot }).identity).toBe(
      '5b2d6f0e-0000-4000-8000-000000000001 4026532300',
    );
    expect(paths(OWN, MACHINE, NAMES)).not.toHaveProperty('identity');
    expect(paths(refused, refused, NAMES, { boot })).not.toHaveProperty('identity');
  });

  it('as much as may be looked at, without privilege', () => {
    expect(paths(OWN, refused, refused).stateDir).toBe('/run/sidetrack');
    expect(paths(OWN, refused, NAMES).stateDir).toBe('/run/sidetrack/netns/router.1');
    expect(paths(refused, refused, NAMES).stateDir).toBe('/run/sidetrack');
  });
});

it('asks this machine itself', async () => {
  const host = await connect({ kind: 'local' });
  expect(host.address).toBe('local');
  expect(host.wrap(['ip', 'rule'])).toEqual(['ip', 'rule']);
  const [{ stdout = '' } = {}] = await host.batch([{ argv: ['readlink', '/proc/self/ns/net'] }]);
  expect(stdout.trim()).toBe(readlinkSync('/proc/self/ns/net'));
});

it('says when there is no way, and that nothing but the way failed', async () => {
  // As root there is no such namespace, as anybody else no privilege to look for it.
  await expect(connect({ kind: 'netns', name: 'no-such-one' })).rejects.toMatchObject({
    code: expect.stringMatching(/^(netns-missing|privilege-missing)$/),
    message: expect.stringMatching(
      /^netns:\/\/no-such-one: no (such network|privilege for entering it)/,
    ),
  });
});

it('names a host as the configuration does', () => {
  expect(addressOf({ kind: 'netns', name: 'router' })).toBe('netns://router');
  expect(addressOf({ kind: 'ssh', user: 'root', host: '192.0.2.1', port: 2222 })).toBe(
    'ssh://root@192.0.2.1:2222',
  );
  expect(addressOf({ kind: 'ssh', user: 'root', host: 'fd00::1' })).toBe('ssh://root@[fd00::1]');
});
