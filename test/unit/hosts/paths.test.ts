/** What a host says of the way to it, in a real shell. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { pathsQuery } from '../../../control/hosts/paths.js';

const CONNECTION = '192.0.2.1 50000 192.0.2.2 22';

/** Below a shell that has `outside` in its environment, as sudo and sidetrack are below a login's. */
function connection(outside: object, inside: string): string {
  const { argv } = pathsQuery.commands[3]!;
  const script = `unset SSH_CONNECTION; ${inside}\n"$@"; exit`;
  return spawnSync('sh', ['-c', script, 'sh', ...argv], {
    env: { PATH: process.env.PATH, ...outside },
    encoding: 'utf8',
  }).stdout;
}

it('finds the connection of the login also below sudo, which drops it', () => {
  const outside = { SSH_CONNECTION: CONNECTION };
  expect(connection(outside, 'SUDO_USER=alice; export SUDO_USER')).toBe(CONNECTION);
});

it('takes that of the environment first, and asks no parent without sudo', () => {
  const outside = { SSH_CONNECTION: '192.0.2.9 1 192.0.2.8 2' };
  expect(connection(outside, `export SSH_CONNECTION='${CONNECTION}' SUDO_USER=alice`)).toBe(
    CONNECTION,
  );
  expect(connection(outside, '')).toBe('');
});
