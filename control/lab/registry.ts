/** Labs that outlive the command that started them, by name. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SidetrackError } from '../error.js';
import { type Holder, holderAlive } from './holder.js';
import { Lab } from './lab.js';

export const DEFAULT_LAB = 'lab';

/** Starts a lab that lives until `stopLab`. @throws when one of that name runs already. */
export async function startNamedLab(name: string): Promise<Lab> {
  if (findHolder(name))
    throw new SidetrackError(`the lab "${name}" is already running`, {
      code: 'lab-exists',
      source: 'user',
      hint: `use it with \`sidetrack lab exec --name ${name} client -- …\`, or choose another --name`,
    });
  const lab = await Lab.start(undefined, 'detached');
  writeFileSync(recordPath(name), JSON.stringify(lab.holder), { mode: 0o600 });
  return lab;
}

/** @throws when no lab of that name runs. */
export function enterNamedLab(name: string): Lab {
  const holder = findHolder(name);
  if (holder) return Lab.enter(holder);
  throw new SidetrackError(`no lab "${name}" is running`, {
    code: 'lab-missing',
    source: 'user',
    hint: 'start it with `sidetrack lab up`',
  });
}

export function stopNamedLab(name: string): void {
  enterNamedLab(name).stop();
  rmSync(recordPath(name), { force: true });
}

/** Names of the running labs; records of dead ones are removed on the way. */
export function listLabs(): string[] {
  const names = readdirSync(directory())
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length));
  return names.filter((name) => findHolder(name) !== undefined);
}

function findHolder(name: string): Holder | undefined {
  try {
    const holder = JSON.parse(readFileSync(recordPath(name), 'utf8')) as Holder;
    if (holderAlive(holder)) return holder;
    rmSync(recordPath(name), { force: true });
  } catch {
    // No such record.
  }
  return undefined;
}

function recordPath(name: string): string {
  if (!/^[\w-]{1,32}$/.test(name))
    throw new SidetrackError(`"${name}" is no name for a lab`, {
      code: 'lab-name',
      source: 'user',
      hint: 'use up to 32 letters, digits, - and _',
    });
  return join(directory(), `${name}.json`);
}

function directory(): string {
  const base = process.env.XDG_RUNTIME_DIR ?? tmpdir();
  const path = join(base, `sidetrack-labs-${process.getuid?.() ?? 0}`);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}
