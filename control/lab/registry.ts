/** Labs that outlive the command that started them, by name. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SidetrackError } from '../error.js';
import { holderAlive } from './holder.js';
import { Lab } from './lab.js';
import { ENTRY_VERSION, type LabEntry, parseLabEntry } from './lab-entry.js';
import { labTopology } from './topology.js';

export const DEFAULT_LAB = 'lab';

/** Starts a lab that lives until `stopLab`. @throws when one of that name runs already. */
export async function startNamedLab(name: string, servers = 1): Promise<Lab> {
  const topology = labTopology(servers);
  if (findHolder(name))
    throw new SidetrackError(`the lab "${name}" is already running`, {
      code: 'lab-exists',
      source: 'user',
      hint: `use it with \`sidetrack lab exec --name ${name} client -- …\`, or choose another --name`,
    });
  if (readEntry(name) !== undefined) throw strangerError(name);
  makeDirectory();
  const lab = await Lab.start(topology, 'detached');
  const pidNamespace = ownPidNamespace();
  writeEntry(name, { version: ENTRY_VERSION, ...lab.holder, servers, pidNamespace });
  return lab;
}

/** @throws when no lab of that name runs. */
export function enterNamedLab(name: string): Lab {
  const holder = findHolder(name);
  if (holder) return Lab.enter(holder, labTopology(holder.servers));
  if (readEntry(name) !== undefined) throw strangerError(name);
  throw new SidetrackError(`no lab "${name}" is running`, {
    code: 'lab-missing',
    source: 'user',
    hint: 'start it with `sidetrack lab up`',
  });
}

export function stopNamedLab(name: string): void {
  enterNamedLab(name).stop();
  rmSync(entryPath(name), { force: true });
}

export interface KnownLabs {
  running: string[];
  /** Of another PID namespace: whether they run cannot be seen from here. */
  elsewhere: string[];
}

/** Entries of labs that are dead for sure are removed on the way. */
export function listLabs(): KnownLabs {
  const names = entryNames();
  const running = names.filter((name) => findHolder(name) !== undefined);
  const others = names.filter((name) => !running.includes(name));
  return { running, elsewhere: others.filter((name) => readEntry(name) !== undefined) };
}

/** Afterwards an entry that is still there is not ours to judge. */
function findHolder(name: string): LabEntry | undefined {
  const entry = readEntry(name);
  if (entry === undefined || entry.pidNamespace !== ownPidNamespace()) return undefined;
  if (holderAlive(entry)) return entry;
  rmSync(entryPath(name), { force: true });
  return undefined;
}

function readEntry(name: string): LabEntry | undefined {
  const path = entryPath(name);
  return existsSync(path) ? parseLabEntry(path, readFileSync(path, 'utf8')) : undefined;
}

/** Nobody finds half of one. */
function writeEntry(name: string, entry: LabEntry): void {
  const path = entryPath(name);
  writeFileSync(`${path}.new`, JSON.stringify(entry), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** Like `pid:[4026531836]`. */
const ownPidNamespace = () => readlinkSync('/proc/self/ns/pid');

function strangerError(name: string): SidetrackError {
  return new SidetrackError(
    `a lab "${name}" was started in another PID namespace, and cannot be reached from here`,
    {
      code: 'lab-elsewhere',
      source: 'user',
      hint: `use it outside of this lab or container; or choose another --name; if it is long gone: rm ${entryPath(name)}`,
    },
  );
}

function entryPath(name: string): string {
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
  return join(base, `sidetrack-labs-${process.getuid?.() ?? 0}`);
}

/** What is there may be anybody's, as root inside of a lab is. @throws when it is not ours. */
function makeDirectory(): void {
  mkdirSync(directory(), { recursive: true, mode: 0o700 });
  if (statSync(directory()).uid === process.getuid?.()) return;
  throw new SidetrackError(`${directory()} belongs to another user`, {
    code: 'lab-directory',
    source: 'host',
    hint: 'name a directory of your own in XDG_RUNTIME_DIR, or remove that one',
  });
}

function entryNames(): string[] {
  try {
    const files = readdirSync(directory()).filter((file) => file.endsWith('.json'));
    return files.map((file) => file.slice(0, -'.json'.length));
  } catch {
    return [];
  }
}
