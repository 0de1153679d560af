/** Programs that machines are made of; `make deps` unpacks them below build/rivals where the machine has none. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireAll } from '../rivals/installed.js';

/** Unpacked in any case. Of busybox only this one will do: the shell of busybox-static runs applets that no link names. */
const UNPACKED = fileURLToPath(new URL('../../../build/rivals/bin', import.meta.url));

export function findProgram(name: string): string | undefined {
  const path = (process.env.PATH ?? '').split(delimiter);
  const directories = [UNPACKED, ...path, '/usr/sbin', '/sbin'];
  return directories.map((directory) => join(directory, name)).find(existsSync);
}

export function program(name: string): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`there is no ${name}; test/tools/deps.sh test brings it`);
  return path;
}

const NEEDED = [
  'ssh',
  'ssh-keygen',
  'sshd',
  'dropbear',
  'dropbearkey',
  'sudo',
  'busybox',
  'flock',
  'tcsh',
];

/** Users and their groups, which a machine has of its own, need more than the one of a user namespace. */
export const canMakeMachines =
  requireAll || (process.getuid!() === 0 && NEEDED.every((name) => findProgram(name)));
