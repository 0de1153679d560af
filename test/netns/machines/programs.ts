/** Programs that machines are made of; `make deps` unpacks them below build/rivals where the machine has none. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireAll } from '../rivals/installed.js';

/** Of the package busybox: the shell of busybox-static runs applets also where no link names them. */
const BUSYBOX = fileURLToPath(new URL('../../../build/rivals/bin/busybox', import.meta.url));

export function findProgram(name: string): string | undefined {
  if (name === 'busybox') return existsSync(BUSYBOX) ? BUSYBOX : undefined;
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return directories.map((directory) => join(directory, name)).find(existsSync);
}

export function program(name: string): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`there is no ${name}; test/tools/deps.sh test brings it`);
  return path;
}

const NEEDED = ['ssh', 'ssh-keygen', 'sshd', 'dropbear', 'dropbearkey', 'sudo', 'busybox', 'flock'];

/** Users and their groups, which a machine has of its own, need more than the one of a user namespace. */
export const canMakeMachines =
  requireAll || (process.getuid!() === 0 && NEEDED.every((name) => findProgram(name)));
