/** One change at a time per host. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { commandError } from '../command/answer.js';
import { fileQuery } from '../command/query.js';
import { SidetrackError } from '../error.js';
import { ask, type Host } from '../hosts/host.js';
import { lockPath, RUN } from '../plan/paths.js';

/** Who holds the lock: enough to tell a live owner from a dead one. */
interface Owner {
  machine: string;
  pid: number;
  /** Clock ticks after boot (proc(5), field 22): the same PID later is another process. */
  startTime: string;
}

/** Runs `work` while holding the host's lock. The lock of an owner that died is taken over. */
export async function withLock<T>(host: Host, work: () => Promise<T>): Promise<T> {
  await acquire(host, TRIES);
  try {
    return await work();
  } finally {
    await host.run({ argv: ['rm', '-f', lockPath(host.stateDir)] });
    // After `down` the directories are empty and go too; otherwise this fails, as it should.
    await host.run({ argv: ['rmdir', ...ownDirectories(host.stateDir)] });
  }
}

/** From the innermost on. */
function ownDirectories(stateDir: string): string[] {
  const parent = dirname(stateDir);
  return [stateDir, ...(parent.startsWith(`${RUN}/`) ? ownDirectories(parent) : [])];
}

/** How often the lock, or its directory, may vanish or change hands under our eyes. */
const TRIES = 8;

/**
 * link(2) fails when the name exists, and what it makes visible has its content already: nobody
 * finds an empty lock and takes its writer for dead. The draft also keeps the directory alive
 * while the former owner tries to remove it.
 */
const CREATE =
  'mkdir -p "${1%/*}" && cat > "$2" && ln "$2" "$1"; status=$?; rm -f "$2"; exit $status';
/** Only the dead owner's lock: another may have taken it over since we read it. */
const REMOVE = '[ "$(cat "$1")" != "$2" ] || rm -f "$1"';

async function acquire(host: Host, tries: number): Promise<void> {
  const path = lockPath(host.stateDir);
  const argv = ['sh', '-c', CREATE, 'sh', path, `${path}.${randomUUID()}`];
  const create = { argv, stdin: JSON.stringify(ownIdentity()), writes: path };
  const result = await host.run(create);
  if (result.status === 0) return;
  const owner = await readOwner(host, path);
  if (tries === 0 && owner === undefined) throw commandError(host, create, result);
  if (tries > 0 && (owner === undefined || isDead(owner))) {
    if (owner) await host.run({ argv: ['sh', '-c', REMOVE, 'sh', path, JSON.stringify(owner)] });
    return acquire(host, tries - 1);
  }
  throw new SidetrackError(
    `${host.address}: another sidetrack (process ${owner?.pid} on ${owner?.machine}) is changing this host`,
    { code: 'host-locked', source: 'host', hint: `wait for it; if it is gone: rm ${path}` },
  );
}

async function readOwner(host: Host, path: string): Promise<Owner | undefined> {
  const { text } = await ask(host, { text: fileQuery(path, (content) => content) });
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Owner;
  } catch {
    throw new SidetrackError(`${host.address}: ${path} is damaged`, {
      code: 'lock-damaged',
      source: 'host',
      hint: `remove it: rm ${path}`,
    });
  }
}

function ownIdentity(): Owner {
  return { machine: hostname(), pid: process.pid, startTime: startTimeOf(process.pid) ?? '' };
}

function isDead({ machine, pid, startTime }: Owner): boolean {
  return machine === hostname() && startTimeOf(pid) !== startTime;
}

function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The program's name may hold blanks; fields are counted after its closing parenthesis.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
