/** What a host is asked: about itself, its ports, its addresses, and how busy it was. Nothing of it changes anything. */
import type { Answer, Query } from '../command/query.js';
import type { Machine } from './document.js';
import type { Family } from './plan.js';
import { INTERPRETER_SCRIPT, INTERPRETERS, type Interpreter } from './prober.js';

export interface HostFacts extends Omit<Machine, 'name' | 'address'> {
  interpreters: Interpreter[];
}

const FACTS = `PATH=$PATH:/usr/local/bin:/opt/bin:/usr/sbin:/sbin
echo "kernel=$(uname -sr) $(uname -m)"
echo "cpu=$(sed -n 's/^\\(model name\\|cpu model\\|Model\\|system type\\)[^:]*: *//p' /proc/cpuinfo | head -n 1)"
echo "cores=$(grep -c '^processor' /proc/cpuinfo)"
echo "iperf3=$(iperf3 --version 2>/dev/null | sed -n 's/^iperf \\([^ ]*\\).*/\\1/p' | head -n 1)"
echo "congestion=$(cat /proc/sys/net/ipv4/tcp_congestion_control 2>/dev/null)"
echo "boot=$(cat /proc/sys/kernel/random/boot_id)"
to=$1 dev=
[ -z "$to" ] || dev=$(ip route get "$to" 2>/dev/null | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p' | head -n 1)
[ -n "$dev" ] || dev=$(ip route 2>/dev/null | sed -n 's/^default.* dev \\([^ ]*\\).*/\\1/p' | head -n 1)
if [ -n "$dev" ]; then
  echo "device=$dev"
  echo "mtu=$(ip link show dev "$dev" 2>/dev/null | sed -n 's/.* mtu \\([0-9]*\\).*/\\1/p')"
  echo "offloads=$(ethtool -k "$dev" 2>/dev/null | sed -n 's/^\\(tcp-segmentation-offload\\|generic-segmentation-offload\\|generic-receive-offload\\|large-receive-offload\\): on.*/\\1/p' | tr '\\n' ' ')"
fi
:`;

/** @param towards an address in whose direction the interface is looked at */
export const factsQuery = (towards: string): Query<HostFacts> => ({
  commands: [
    { argv: ['sh', '-c', FACTS, 'sh', towards], purpose: 'asking what machine it is' },
    { argv: ['sh', '-c', INTERPRETER_SCRIPT], purpose: 'looking for interpreters' },
  ],
  parse: (facts, interpreters) => {
    const values = new Map(
      facts.result.stdout.split('\n').flatMap((line) => {
        const [, key, value] = /^([a-z0-9]+)=(.+)$/.exec(line) ?? [];
        return key === undefined || value === undefined ? [] : [[key, value.trim()] as const];
      }),
    );
    const text = (key: string) =>
      values.get(key) ? { [key]: values.get(key)!.slice(0, 200) } : {};
    const number = (key: string) =>
      Number(values.get(key)) > 0 ? { [key]: Number(values.get(key)) } : {};
    const offloads = values.get('offloads')?.split(' ').filter(Boolean);
    const names = interpreters.result.stdout.split('\n');
    return {
      ...text('kernel'),
      ...text('cpu'),
      ...number('cores'),
      ...text('iperf3'),
      ...text('congestion'),
      ...text('boot'),
      ...text('device'),
      ...number('mtu'),
      ...(offloads && { offloads }),
      interpreters: INTERPRETERS.filter((name) => names.includes(name)),
    };
  },
});

/** Ports of the machine on which something listens. */
export const listeningQuery: Query<Set<number>> = {
  commands: [{ argv: ['sh', '-c', 'cat /proc/net/tcp /proc/net/tcp6 2>/dev/null; :'] }],
  parse: ({ result }) =>
    new Set(
      [...result.stdout.matchAll(/^ *\d+: [0-9A-F]+:([0-9A-F]{4}) \S+ 0A /gm)].map(([, port]) =>
        Number.parseInt(port!, 16),
      ),
    ),
};

/** Addresses by which others may reach the machine; the first of each family. */
export const addressesQuery: Query<Partial<Record<Family, string>>> = {
  commands: [
    { argv: ['ip', '-o', 'address', 'show', 'scope', 'global'], purpose: 'reading its addresses' },
  ],
  parse: ({ result }) => {
    const lines = result.stdout
      .split('\n')
      .filter((line) => !/ (deprecated|temporary) /.test(line));
    const first = (family: string) =>
      lines.map((line) => new RegExp(` ${family} ([^/ ]+)`).exec(line)?.[1]).find(Boolean);
    const [v4, v6] = [first('inet'), first('inet6')];
    return { ...(v4 && { 4: v4 }), ...(v6 && { 6: v6 }) };
  },
};

/** Since some moment, in seconds. */
export interface Busy {
  /** All processors together were not idle. */
  machine: number;
  /** Processes that are a relay of ours used. */
  relay: number;
}

const TICKS_PER_SECOND = 100; // USER_HZ, part of the kernel's ABI

/** Relays have a socket with their process number: monitoring/control-socket.ts. */
const RELAYS = `for s in /run/sidetrack/relay-*.sock /run/sidetrack-relay/relay-*.sock; do
  p=\${s##*/relay-}; cat "/proc/\${p%.sock}/stat" 2>/dev/null
done
:`;

export const busyQuery: Query<Busy> = {
  commands: [{ argv: ['head', '-n', '1', '/proc/stat'] }, { argv: ['sh', '-c', RELAYS] }],
  parse: (stat, relays) => ({ machine: machineSeconds(stat), relay: relaySeconds(relays) }),
};

/** Idle, waiting for a disk, or stolen by a hypervisor is not busy; a guest's time is in user's already. */
function machineSeconds({ result }: Answer): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = result.stdout
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq) / TICKS_PER_SECOND;
}

/** The name in parentheses may hold anything: fields are counted from behind it, proc(5). */
function relaySeconds({ result }: Answer): number {
  const ticks = result.stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => line.slice(line.lastIndexOf(')') + 2).split(' '))
    .map((fields) => Number(fields[11]) + Number(fields[12]));
  return ticks.reduce((sum, one) => sum + one, 0) / TICKS_PER_SECOND;
}
