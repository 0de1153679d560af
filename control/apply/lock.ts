/** One change at a time per host. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { SidetrackError } from '../error.js';
import { commandError, type Host, readFile, runChecked } from '../hosts/host.js';
import { lockPath } from '../plan/paths.js';

/** Who holds the lock: enough to tell a live owner from a dead one. */
interface Owner {
  machine: string;
  pid: number;
  /** Clock ticks after boot (proc(5), field 22): the same PID later is another process. */
  startTime: string;
}

/** Runs `work` while holding the host's lock. The lock of an owner that died is taken over. */
export async function withLock<T>(host: Host, work: () => Promise<T>): Promise<T> {
  await runChecked(host, ['mkdir', '-p', host.stateDir]);
  await acquire(host, true);
  try {
    return await work();
  } finally {
    await host.run(['rm', '-f', lockPath(host.stateDir)]);
    // After `down` the directory is empty and goes too; otherwise this fails, as it should.
    await host.run(['rmdir', host.stateDir]);
  }
}

async function acquire(host: Host, mayTakeOver: boolean): Promise<void> {
  const path = lockPath(host.stateDir);
  // noclobber makes the redirection fail when the file exists: an atomic test-and-set in any sh.
  const create = ['sh', '-c', 'set -C; cat > "$1"', 'sh', path];
  const result = await host.run(create, { stdin: JSON.stringify(ownIdentity()) });
  if (result.status === 0) return;
  const owner = await readOwner(host, path);
  if (owner === undefined) throw commandError(host, create, result);
  if (mayTakeOver && isDead(owner)) {
    await runChecked(host, ['rm', '-f', path]);
    return acquire(host, false);
  }
  throw new SidetrackError(
    `${host.address}: another sidetrack (process ${owner.pid} on ${owner.machine}) is changing this host`,
    { code: 'host-locked', source: 'host', hint: `wait for it; if it is gone: rm ${path}` },
  );
}

async function readOwner(host: Host, path: string): Promise<Owner | undefined> {
  const text = await readFile(host, path);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Owner;
  } catch {
    // Its writer died half-way through the few bytes.
    return { machine: hostname(), pid: 0, startTime: '' };
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
