/** Kernel settings below /proc/sys. The values found before the first apply come back with `down`. */
import { type Command, readGlobs } from '../command/command.js';
import { type Query, query } from '../command/query.js';
import { shellWord, shellWords } from '../command/shell.js';
import type { ObservedHost, SavedState, Sysctl } from '../plan/state.js';
import type { ResourceKind } from './kind.js';

export interface SysctlChange extends Sysctl {
  /** The value found. */
  from: string;
  /** An earlier apply changed it, and nothing wants that any more. */
  restores?: true;
}

export const sysctl: ResourceKind<readonly Sysctl[], SysctlChange> = {
  name: 'sysctl',
  observe: () => sysctlsQuery,
  desired: ({ sysctls }) => sysctls,
  diff: (desired, observed) => [...changed(desired, observed), ...obsolete(desired, observed)],
  remove: (observed) => obsolete([], observed),
  clears: ({ restores = false }) => restores,
  resources: (desired, { sysctls }) =>
    desired
      .filter(({ key }) => sysctls[key] !== undefined)
      .map(({ key }) => ({ kind: 'sysctl', name: nameOf(key) })),
  differences: ({ key, value, from }) => [
    {
      kind: 'sysctl',
      name: nameOf(key),
      action: 'changed',
      before: from,
      after: value,
      destructive: false,
    },
  ],
  title({ key, value, from, restores }) {
    const name = nameOf(key);
    return restores ? `put ${name} back to ${value}` : `set ${name} to ${value} (was ${from})`;
  },
  apply: write,
  readBack: ({ key }) => [{ argv: ['cat', `/proc/sys/${key}`] }],
  undo: ({ key, from }) => [write({ key, value: from })],
  keep: (desired) =>
    desired.map(({ key, value }) => ({
      name: nameOf(key),
      looked: 'second',
      check: `check_sysctl ${shellWords([key, value])}`,
      repair: [`echo ${shellWord(value)} >${shellWord(`/proc/sys/${key}`)}`],
    })),
  saves: {
    before: originals,
    after: (desired, { saved }) => ({ sysctls: kept(saved?.sysctls ?? {}, keysOf(desired)) }),
  },
};

/** All that a plan may set or a check may ask for. */
const GLOBAL_SYSCTLS = [
  'net/ipv4/ip_forward',
  'net/ipv6/conf/all/forwarding',
  'net/ipv4/tcp_mtu_probing',
  'net/bridge/bridge-nf-call-iptables',
  'net/bridge/bridge-nf-call-ip6tables',
];

const PER_INTERFACE = ['send_redirects', 'rp_filter'];

/**
 * One process for all of them, those of every interface that there is; grep prints `path:value` and skips what does
 * not exist.
 */
const sysctlsQuery: Query<Pick<ObservedHost, 'sysctls'>> = query(
  readGlobs([
    ...GLOBAL_SYSCTLS.map((key) => `/proc/sys/${key}`),
    ...PER_INTERFACE.map((name) => `/proc/sys/net/ipv4/conf/*/${name}`),
  ]),
  ({ result }) => {
    const lines = result.stdout.trim().split('\n').filter(Boolean);
    return { sysctls: Object.fromEntries(lines.map(sysctlEntry)) };
  },
);

function sysctlEntry(line: string): [string, string] {
  const colon = line.lastIndexOf(':');
  return [line.slice('/proc/sys/'.length, colon), line.slice(colon + 1).trim()];
}

function changed(desired: readonly Sysctl[], { sysctls }: ObservedHost): SysctlChange[] {
  return desired.flatMap(({ key, value }) => {
    const from = sysctls[key];
    return from === undefined || from === value ? [] : [{ key, value, from }];
  });
}

/** Those that we changed earlier, are not in `desired` and do not have their original value. */
function obsolete(
  desired: readonly Sysctl[],
  { sysctls, saved }: Pick<ObservedHost, 'sysctls' | 'saved'>,
): SysctlChange[] {
  const wanted = keysOf(desired);
  return Object.entries(saved?.sysctls ?? {}).flatMap(([key, value]) => {
    const from = sysctls[key];
    if (wanted.has(key) || from === undefined || from === value) return [];
    return [{ key, value, from, restores: true as const }];
  });
}

function write({ key, value }: Sysctl): Command {
  return { argv: ['tee', `/proc/sys/${key}`], stdin: `${value}\n` };
}

/**
 * Written down before the first change, so that `down` finds them even when sidetrack or the machine's
 * power stops between two steps. Originals of an earlier apply win: the value found now is our own.
 */
function originals(
  desired: readonly Sysctl[],
  observed: ObservedHost,
): Partial<SavedState> | undefined {
  const known = observed.saved?.sysctls ?? {};
  const found = changed(desired, observed);
  if (found.every(({ key }) => known[key] !== undefined)) return undefined;
  const all = { ...Object.fromEntries(found.map(({ key, from }) => [key, from])), ...known };
  const restored = obsolete(desired, observed).map(({ key }) => key);
  return { sysctls: kept(all, new Set([...keysOf(desired), ...restored])) };
}

/** As sysctl(8) prints it; the names of interfaces may have dots, which it prints as slashes. */
function nameOf(key: string): string {
  return key.replace(/[./]/g, (separator) => (separator === '/' ? '.' : '/'));
}

const keysOf = (sysctls: readonly Sysctl[]) => new Set(sysctls.map(({ key }) => key));

function kept(values: Record<string, string>, keys: ReadonlySet<string>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter(([key]) => keys.has(key)));
}
