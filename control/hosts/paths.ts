/**
 * Where sidetrack keeps things on a host. Network namespaces of one machine mostly share its /run, /etc
 * and BPF file system, and each must find what is its own.
 */
import type { Answer, Query } from '../command/query.js';

/** What of a `Host` depends on the machine, and on the network namespace of it. */
export interface HostPaths {
  /** Directory for sidetrack's run-time state. On /run, because a reboot forgets sysctls and rules too. */
  readonly stateDir: string;
  /** False where /etc is not ours alone (a network namespace shares it with its host). */
  readonly ownsEtc: boolean;
  /** Where the eBPF classifier pins what it made; in a BPF file system. */
  readonly bpfDirectory: string;
  /** What sshd said of the connection that we came by (SSH_CONNECTION); absent where there is none. */
  readonly management?: string;
  /** Names the network namespace among those of all machines; absent where we may not look. */
  readonly identity?: string;
}

const MACHINE: HostPaths = {
  stateDir: '/run/sidetrack',
  ownsEtc: true,
  bpfDirectory: '/sys/fs/bpf/sidetrack',
};

/** Of a namespace with a name (ip-netns(8)), or a number in place of one. */
function pathsOf(name: string): HostPaths {
  return {
    stateDir: `/run/sidetrack/netns/${name}`,
    ownsEtc: false,
    // The BPF file system reserves dots.
    bpfDirectory: `/sys/fs/bpf/sidetrack-netns-${name.replaceAll('%', '%25').replaceAll('.', '%2e')}`,
  };
}

const purpose = 'entering it';

/** sudo drops the variable; those who have started it still have it. */
const CONNECTION = `
found=$SSH_CONNECTION
process=$PPID
while [ -z "$found" ] && [ -n "$SUDO_USER" ] && [ "\${process:-0}" -gt 1 ]; do
  found=$(tr '\\0' '\\n' <"/proc/$process/environ" | sed -n 's/^SSH_CONNECTION=//p')
  process=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$process/status")
done 2>/dev/null
printf %s "$found"`;

/** Asked first of all of every host; which of the answers there are depends on privilege. */
export const pathsQuery: Query<HostPaths> = {
  commands: [
    { argv: ['readlink', '/proc/self/ns/net'], purpose },
    { argv: ['readlink', '/proc/1/ns/net'], purpose },
    // Names that lead nowhere are passed over: namespaces go at any time.
    { argv: ['ls', '-Li', '/run/netns'], purpose },
    { argv: ['sh', '-c', CONNECTION], purpose },
    { argv: ['cat', '/proc/sys/kernel/random/boot_id'], purpose },
  ],
  parse: (own, first, names, connection, boot) => ({
    ...pathsIn(namespaceOf(own), namespaceOf(first), namesIn(names)),
    ...(connection.result.stdout && { management: connection.result.stdout }),
    ...identityOf(namespaceOf(own), boot),
  }),
};

/** The kernel's number of this boot is random; that of the namespace is one of this kernel's. */
function identityOf(own: string | undefined, { result }: Answer): Pick<HostPaths, 'identity'> {
  const boot = result.stdout.trim();
  return own === undefined || result.status !== 0 ? {} : { identity: `${boot} ${own}` };
}

/**
 * @param own number of the network namespace, `first` that of the first process, `names` of named ones, by number.
 *
 * A namespace is the machine's if the first process is in it, as in a container; else it goes by its name,
 * or by the number of its inode.
 */
export function pathsIn(
  own: string | undefined,
  first: string | undefined,
  names: ReadonlyMap<string, string>,
): HostPaths {
  if (own === undefined || own === first) return MACHINE;
  const name = names.get(own);
  if (name === undefined && first === undefined) return MACHINE;
  return pathsOf(name ?? own);
}

/** The number in `net:[4026531840]`; undefined where we may not look. */
function namespaceOf({ result }: Answer): string | undefined {
  return /^net:\[(\d+)\]/.exec(result.stdout)?.[1];
}

/** By inode; of several names the first. */
function namesIn({ result }: Answer): Map<string, string> {
  const entries = [...result.stdout.matchAll(/^ *(\d+) (.+)$/gm)];
  return new Map(entries.reverse().map(([, inode, name]) => [inode!, name!]));
}
