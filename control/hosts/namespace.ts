/**
 * Where sidetrack keeps things for the network namespace it works in. Namespaces of one machine
 * mostly share its /run, /etc and BPF file system, and each must find what is its own.
 */
import { readdirSync, readlinkSync, statSync } from 'node:fs';

const NAMED = '/run/netns';

/** What of a `Host` depends on the network namespace. */
export interface HostPaths {
  /** Directory for sidetrack's run-time state. On /run, because a reboot forgets sysctls and rules too. */
  readonly stateDir: string;
  /** False where /etc belongs to somebody else (a network namespace shares it with its host). */
  readonly ownsEtc: boolean;
  /** Where the eBPF classifier pins what it made; in a BPF file system. */
  readonly bpfDirectory: string;
}

const MACHINE: HostPaths = {
  stateDir: '/run/sidetrack',
  ownsEtc: true,
  bpfDirectory: '/sys/fs/bpf/sidetrack',
};

/** Of a namespace with a name (ip-netns(8)), or a number in place of one. */
export function pathsOf(name: string): HostPaths {
  return {
    stateDir: `/run/sidetrack/netns/${name}`,
    ownsEtc: false,
    // The BPF file system reserves dots.
    bpfDirectory: `/sys/fs/bpf/sidetrack-netns-${name.replaceAll('%', '%25').replaceAll('.', '%2e')}`,
  };
}

/** Like `net:[4026531840]`; undefined where we may not look. */
function namespaceOf(process: string): string | undefined {
  try {
    return readlinkSync(`/proc/${process}/ns/net`);
  } catch {
    return undefined;
  }
}

function nameOf(inode: number): string | undefined {
  try {
    return readdirSync(NAMED).find((name) => inodeOf(`${NAMED}/${name}`) === inode);
  } catch {
    return undefined;
  }
}

/** A name that leads nowhere is none: namespaces go at any time, and so does what links point to. */
function inodeOf(path: string): number | undefined {
  try {
    return statSync(path).ino;
  } catch {
    return undefined;
  }
}

/**
 * Of the namespace that we are in. It is the machine's if the first process is in it, as in a
 * container; else it goes by its name, as `netns://name` would, or by the number of its inode.
 */
export function ownPaths(): HostPaths {
  const own = namespaceOf('self');
  const first = namespaceOf('1');
  if (own === undefined || own === first) return MACHINE;
  const inode = own.replace(/\D/g, '');
  const name = nameOf(Number(inode));
  if (name === undefined && first === undefined) return MACHINE;
  return pathsOf(name ?? inode);
}
