/**
 * NAPI threads: with one for each interface (`/sys/class/net/NAME/threaded`) everything that a node
 * does with what comes in there is processor time of that thread, to be put on a core and read
 * exactly.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Shell commands that give an interface a thread. A veth has NAPI only with GRO. */
export const threaded = (name: string) => `
ethtool -K ${name} gro on
unshare --mount sh -ec 'mount -t sysfs sysfs /sys; echo 1 > /sys/class/net/${name}/threaded'`;

/** The threads of all interfaces with this name, whichever node's they are. */
export function threadsOf(name: string): string[] {
  return readdirSync('/proc').filter((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      return readFileSync(`/proc/${entry}/comm`, 'utf8').startsWith(`napi/${name}-`);
    } catch {
      return false; // It has just ended.
    }
  });
}

/** Runs `start` and puts the thread that an interface `name` has got by it on `core`. */
export async function startThread(
  name: string,
  core: number,
  start: () => Promise<unknown>,
): Promise<string> {
  const before = threadsOf(name);
  await start();
  const [pid, ...more] = threadsOf(name).filter((one) => !before.includes(one));
  if (pid === undefined || more.length > 0) throw new Error(`which NAPI thread is ${name}'s?`);
  spawnSync('taskset', ['-cp', `${core}`, pid]);
  return pid;
}

/** Of some threads together, exactly, whoever else is on their core. */
export const busyNanoseconds = (threads: readonly string[]) =>
  threads
    .map((pid) => Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]))
    .reduce((sum, one) => sum + one, 0);
