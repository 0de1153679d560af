/** Everything about a host that sidetrack could have touched, as text to compare. */
import type { Lab } from '../../control/lab/lab.js';

const COMMANDS: readonly (readonly string[])[] = [
  ['nft', '-s', 'list', 'ruleset'],
  ['ip', '-4', 'rule'],
  ['ip', '-6', 'rule'],
  ['ip', '-4', 'route', 'show', 'table', 'all'],
  ['ip', '-6', 'route', 'show', 'table', 'all'],
  ['ip', '-br', 'address'],
  // Of the eBPF classifier: qdiscs and filters, XDP programs, pins.
  [
    'sh',
    '-c',
    'tc qdisc show; ip -o link | cut -d: -f2 | cut -d@ -f1 | while read i; do tc filter show dev $i ingress; tc filter show dev $i egress; done; ip -o link | grep -o ".*xdp[^ ]*" | cut -d: -f2; find /sys/fs/bpf -path "*sidetrack*" | sort',
  ],
  // Readable by root in a namespace; the excluded ones change by themselves.
  [
    'sh',
    '-c',
    'grep -rHs "" /proc/sys/net | grep -vE "stable_secret|random|fastopen_key|/neigh/|conntrack_count|flush" | sort',
  ],
];

export async function snapshot(lab: Lab, node: string): Promise<Record<string, string>> {
  const entries = await Promise.all(
    COMMANDS.map(async (argv) => {
      const { stdout } = await lab.run(node, argv);
      const text = withoutIds(stdout);
      return [argv.join(' '), argv[0] === 'ip' ? sorted(text) : text] as const;
    }),
  );
  return Object.fromEntries(entries);
}

/** What sidetrack left below /run, but for a relay's socket; the lab has a /run of its own. */
export async function leftovers(lab: Lab): Promise<string> {
  const find = 'find /run/sidetrack -mindepth 1 ! -type s 2>/dev/null';
  return (await lab.run(undefined, ['sh', '-c', find])).stdout;
}

/** What tells one program set of the same program from another. */
const withoutIds = (text: string) => text.replace(/sidetrack_tc:\[\d+\]| (id|tag) \S+/g, '');

/** The kernel lists routes and rules of one priority in the order in which they were made. */
const sorted = (text: string) => text.split('\n').sort().join('\n');
