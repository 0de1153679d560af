/**
 * The process that owns a lab: its own mount, network and PID namespace (and user namespace when we
 * are not root), so the machine's interfaces, rules, sysctls, routes and /run are out of reach.
 * When its first process ends, the kernel kills everything inside and takes the namespaces away:
 * that is the whole clean-up, and it also happens when the owner crashes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { SidetrackError } from '../error.js';

/** Identifies a lab's first process; enough to enter it. */
export interface Holder {
  /** PID of the lab's init, as seen from here. */
  pid: number;
  /** True when the lab lives in a user namespace of its own. */
  userNamespace: boolean;
}

/** `attached`: ends with this process. `detached`: lives until `sidetrack lab down`. */
export type HolderMode = 'attached' | 'detached';

// A private /run, and a copy of the one directory of /etc that sidetrack writes to on a local host.
// A BPF file system where we may have one: not in a user namespace, which may not load programs either.
const PREPARE = [
  'mount -t tmpfs -o mode=755 tmpfs /run',
  'mkdir -p /run/netns /run/lock /run/iproute2',
  'if [ -d /etc/iproute2 ]; then cp -r /etc/iproute2/. /run/iproute2 && mount --bind /run/iproute2 /etc/iproute2; fi',
  '{ mount -t bpf bpf /sys/fs/bpf 2>/dev/null || :; }',
  'echo ready',
].join(' && ');

// The lab's init: prepare, then wait. `attached` waits for the end of its standard input,
// which the kernel delivers even when the owner is killed with -9. `wait` also reaps orphans.
const INIT: Readonly<Record<HolderMode, string>> = {
  attached: `${PREPARE} && exec 3<&0 && { cat <&3 >/dev/null & wait $!; }`,
  detached: `trap "exit 0" TERM; ${PREPARE} && while :; do sleep 3600 & wait $!; done`,
};

/** Starts the holder; resolves when its namespaces stand. */
export async function startHolder(mode: HolderMode): Promise<Holder> {
  const userNamespace = process.geteuid?.() !== 0;
  const args = [
    '--mount',
    '--net',
    '--ipc',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
    ...(userNamespace ? ['--user', '--map-root-user'] : []),
    'sh',
    '-c',
    INIT[mode],
  ];
  const child = spawn('unshare', args, {
    detached: mode === 'detached',
    stdio: [mode === 'attached' ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  });
  await waitUntilReady(child);
  const pid = firstChild(child.pid!);
  child.unref();
  child.stdout?.destroy();
  child.stderr?.destroy();
  // The pipe keeps the lab alive, but must not keep our event loop alive.
  (child.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  return { pid, userNamespace };
}

function waitUntilReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk;
    });
    child.stdout?.once('data', () => resolve());
    child.once('error', (cause) =>
      reject(holderError(String(cause), (cause as NodeJS.ErrnoException).code)),
    );
    child.once('close', () => reject(holderError(stderr.trim())));
  });
}

function holderError(said: string, code?: string): SidetrackError {
  return new SidetrackError(`cannot make the lab's namespaces: ${said || 'unshare failed'}`, {
    code: 'lab-namespaces',
    source: 'host',
    hint:
      code === 'ENOENT'
        ? 'install unshare (Debian: apt-get install util-linux)'
        : 'run it as root, or allow unprivileged user namespaces: sysctl -w kernel.unprivileged_userns_clone=1',
  });
}

/** PID of the only child of `pid`; unshare --fork has exactly one. */
function firstChild(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  return Number(children[0]);
}

/** True while the lab's first process lives and is still the one we started. */
export function holderAlive({ pid }: Holder): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(PREPARE);
  } catch {
    return false;
  }
}

/** Argument prefix that enters the lab's namespaces with working directory `cwd`. */
export function enterArgs(holder: Holder, cwd: string): string[] {
  return [
    'nsenter',
    `--target=${holder.pid}`,
    ...(holder.userNamespace ? ['--user', '--preserve-credentials'] : []),
    '--mount',
    '--net',
    '--ipc',
    '--pid',
    `--wd=${cwd}`,
    '--',
    // nsenter forks to enter the PID namespace; this makes its child end when it ends.
    'setpriv',
    '--pdeathsig=TERM',
    '--',
  ];
}
