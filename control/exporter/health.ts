/** What a person should look at, as far as the hosts say it. Pure. */
import type { HostReading } from '../../monitoring/exporter-reading.js';
import type { Health, ListReading, RouterState } from '../../monitoring/state.js';
import type { HostWarning } from './comparison.js';
import { serverProblems } from './server-problems.js';

export interface Judged {
  hosts: readonly HostReading[];
  router: RouterState | undefined;
  /** Where the router waits for heartbeats. */
  heartbeatPort: number;
  /** Those that are fetched, and the time. */
  lists: readonly ListReading[];
  at: number;
  /** Of the last comparison. */
  warnings: readonly HostWarning[];
}

const ORDER: readonly Health['level'][] = ['critical', 'warning', 'ok'];
const NEARLY_FULL = 0.8;

/** The worst first; one line of `ok` where there is nothing. */
export function healthOf(judged: Judged): Health[] {
  const { hosts, router, heartbeatPort, warnings, lists, at } = judged;
  const found = [
    ...hosts.flatMap(ofHost),
    ...hosts.flatMap(ofWatcher),
    ...(router
      ? [...hopProblems(router), ...serverProblems(router, heartbeatPort), ...flowProblems(router)]
      : []),
    ...lists.flatMap((list) => listProblems(list, at)),
    ...warnings.map(({ host, message, hint }) =>
      warning(host, message, hint ?? 'sidetrack status'),
    ),
  ];
  if (found.every(({ level }) => level === 'ok'))
    return [
      { level: 'ok', host: 'router', what: 'all hosts are as configured', next: '' },
      ...found,
    ];
  return found.toSorted((a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level));
}

const warning = (host: string, what: string, next: string): Health => ({
  level: 'warning',
  host,
  what,
  next,
});

const critical = (host: string, what: string, next: string): Health => ({
  level: 'critical',
  host,
  what,
  next,
});

/** How often in a row a list may be missed. */
const MISSED = 3;

/** One that did not come once comes the next time, mostly. */
function listProblems({ set, reason, checked, refreshSeconds }: ListReading, at: number): Health[] {
  const isOld = checked === undefined || at - checked > MISSED * refreshSeconds;
  if (!isOld && (reason === undefined || PASSING.has(reason))) return [];
  const why = reason === undefined ? 'nothing fetches it' : reason.replace('_', ' ');
  const what = `the list of the set "${set}" ${isOld ? 'is old' : 'was refused'}: ${why}`;
  return [warning('router', what, 'sidetrack refresh --status')];
}

const PASSING: ReadonlySet<string> = new Set(['unreachable', 'timeout', 'http_status']);

function ofHost({ name, up, reason, state, differences, problems }: HostReading): Health[] {
  if (!up) return [critical(name, `does not answer (${reason ?? 'not yet'})`, 'sidetrack status')];
  if (state === 'absent') return [warning(name, 'nothing is applied', 'sidetrack apply')];
  const unfit = problems.map((one) => critical(name, one, 'sidetrack status'));
  if (state !== 'drifted' || differences.length === 0) return unfit;
  const [first, ...more] = differences;
  const rest = more.length > 0 ? ` and ${more.length} more` : '';
  const what = `differs from the configuration; apply would ${first}${rest}`;
  return [...unfit, warning(name, what, 'sidetrack plan')];
}

function ofWatcher({ name, up, keep }: HostReading): Health[] {
  if (!up || keep === undefined) return [];
  const { runs, alarms, open } = keep;
  return [
    ...(runs ? [] : [warning(name, 'its watcher has stopped', 'sidetrack status')]),
    ...alarms.map((one) =>
      warning(name, `another program changes it again and again: ${one}`, 'sidetrack status'),
    ),
    ...open.map((one) => warning(name, `not repaired yet: ${one}`, 'sidetrack status')),
  ];
}

/** It is worse when there is no other server to hand flows to. */
function hopProblems({ nextHops }: RouterState): Health[] {
  const isGood = ({ reachable, route }: RouterState['nextHops'][number]) =>
    route && reachable !== false;
  return nextHops.flatMap((hop) => {
    const { server, family, reachable, route } = hop;
    const others = nextHops.filter((one) => one.server !== server && one.family === family);
    const line = others.some(isGood) ? warning : critical;
    return [
      ...(route ? [] : [line('router', `no route to ${server} (${family})`, 'sidetrack apply')]),
      ...(reachable === false
        ? [line('router', `${server} does not answer for its MAC (${family})`, 'sidetrack status')]
        : []),
    ];
  });
}

function flowProblems({ flows: { parts, limit, clientsOverShare = 0 } }: RouterState): Health[] {
  const each = limit / Math.max(1, Object.keys(parts).length);
  const fullest = Math.max(0, ...Object.values(parts));
  return [
    ...(fullest >= NEARLY_FULL * each
      ? [
          warning(
            'router',
            `the flow table is nearly full: ${fullest} of ${each}`,
            'sidetrack status',
          ),
        ]
      : []),
    ...(clientsOverShare > 0
      ? [
          warning(
            'router',
            `clients over their share of the flow table: ${clientsOverShare}`,
            'sidetrack status',
          ),
        ]
      : []),
  ];
}
