/** What a person should look at, each with what to type next. Pure. */
import type { Outcome } from '../proxy/stats.js';
import { CONNECT_ERRORS } from './outcomes.js';
import type { Health, RelayState, State, UpstreamState } from './state.js';
import { FAULTS } from './upstream-faults.js';

/** A state without what this file adds to it. */
export type Judged = Omit<State, 'version' | 'health'>;

const ORDER: readonly Health['level'][] = ['critical', 'warning', 'ok'];

const NEARLY_FULL = 0.8;
const QUIET_SECONDS = 15 * 60;
/** Of a relay that has just been started nothing is to be expected. */
const NEW_SECONDS = 2 * 60;
const HALF_OPEN = 20;
const DAY = 86_400;
/** Lists are fetched once a week or more often. */
const LIST_DAYS = 8;
const ERRORS_LEAST = 20;
const ERROR_SHARE = 0.2;

const LOG = 'journalctl -u sidetrack-relay -n 30';

/**
 * @param others what another program found, such as the exporter of the router.
 * @returns the worst first; one line of `ok` when there is nothing.
 */
export function health(state: Judged, others: readonly Health[] = []): Health[] {
  const { relay, at } = state;
  const found = [
    ...(relay === undefined
      ? []
      : [
          ...relay.upstreams.flatMap((one) => ofUpstream(one, relay)),
          ...refusedFamilies(relay),
          ...quiet(relay, state),
          ...failing(relay),
          ...loops(relay),
          ...resources(relay),
          ...halfOpen(relay),
          ...reloads(relay),
        ]),
    ...staleLists(state, at),
    ...others,
  ];
  // That all is well is said once, by us.
  const told = found
    .filter(({ level, next }) => level !== 'ok' || next !== '')
    .toSorted((a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level));
  if (told.some(({ level }) => level !== 'ok')) return told;
  return [{ level: 'ok', host: 'relay', what: 'no problem found', next: '' }, ...told];
}

type Level = 'warning' | 'critical';
const line = (level: Level, host: string, what: string, next: string): Health => ({
  level,
  host,
  what,
  next,
});

/** Nothing works while all of them are down. */
function ofUpstream(upstream: UpstreamState, { upstreams }: RelayState): Health[] {
  const { name, up, reason, since, lacking, resolved } = upstream;
  if (up)
    return lacking.map((family) =>
      line('warning', 'relay', `upstream "${name}" does not carry ${FAMILY[family]} (probe)`, LOG),
    );
  const level = upstreams.some((one) => one.up) ? 'warning' : 'critical';
  const what = `upstream "${name}" is down since ${clock(since)}`;
  if (!resolved)
    return [line(level, 'relay', `${what}: its name has no address`, 'resolvectl status')];
  const words: Readonly<Record<string, string>> = FAULTS;
  const why = reason === undefined ? '' : `: ${words[reason] ?? reason}`;
  const next = reason === 'upstream_auth' ? 'sudo systemctl restart sidetrack-relay' : LOG;
  return [line(level, 'relay', `${what}${why}`, next)];
}

const FAMILY = { ipv4: 'IPv4', ipv6: 'IPv6' } as const;

const refusedFamilies = ({ refused }: RelayState) =>
  refused.map((family) =>
    line('warning', 'relay', `${FAMILY[family]} is refused: no upstream carries it (probe)`, LOG),
  );

/** The router's counters tell whether it hands over; without them silence may be the night. */
function quiet({ connections, since }: RelayState, { at, router }: Judged): Health[] {
  const { accepted, lastAccepted, active } = connections;
  if (active > 0 || at - since < NEW_SECONDS) return [];
  if (accepted.ipv4 + accepted.ipv6 === 0) {
    const steered = router !== undefined && router.steered.packets > 0;
    return [
      steered
        ? line(
            'critical',
            'relay',
            'the router hands over, and nothing arrives',
            'sidetrack status',
          )
        : line('warning', 'relay', 'no connection was handed over yet', 'sidetrack status'),
    ];
  }
  if (lastAccepted === undefined || at - lastAccepted < QUIET_SECONDS) return [];
  const what = `no connection was handed over since ${clock(lastAccepted)}`;
  return [line('warning', 'relay', what, 'sidetrack status')];
}

/** Of the last minute. */
function failing({ connections: { minute } }: RelayState): Health[] {
  if (minute === undefined || minute.accepted < ERRORS_LEAST) return [];
  const failed = OUR_ERRORS.map((reason) => [reason, minute.errors[reason] ?? 0] as const);
  const all = failed.reduce((sum, [, count]) => sum + count, 0);
  if (all < ERROR_SHARE * minute.accepted) return [];
  const [[worst] = ['other']] = failed.toSorted(([, a], [, b]) => b - a);
  const share = Math.round((100 * all) / minute.accepted);
  const what = `${share} % of the connections of the last minute came to nothing, most of them: ${worst}`;
  return [line('warning', 'relay', what, LOG)];
}

/** What the destination says of itself is no trouble of ours. */
const OUR_ERRORS: readonly Outcome[] = [
  ...CONNECT_ERRORS.filter((reason) => !reason.startsWith('destination_')),
  'no_upstream',
];

/** One that comes back is accepted again and again. */
function loops({ connections: { minute } }: RelayState): Health[] {
  const count = minute?.errors.loop ?? 0;
  if (count === 0) return [];
  const what = `the relay's own connections come back to it (${count} in the last minute)`;
  return [line('critical', 'relay', what, 'sidetrack status')];
}

const REMEDIES: Readonly<Record<string, string>> = {
  connections: 'sudo systemctl edit sidetrack-relay   # LimitNOFILE=, then relay.max_connections',
  descriptors: 'sudo systemctl edit sidetrack-relay   # LimitNOFILE=',
  pipe_pages: 'sudo sysctl -w fs.pipe-user-pages-soft=0',
  conntrack: 'sudo sysctl -w net.netfilter.nf_conntrack_max=262144',
};

/** Where a pipe cannot be had, bytes are copied: that is no trouble. */
const resources = ({ headroom }: RelayState): Health[] =>
  Object.entries(headroom).flatMap(([resource, { used, limit }]) => {
    const next = REMEDIES[resource];
    if (next === undefined || limit === undefined || used < NEARLY_FULL * limit) return [];
    const level = used >= limit ? 'critical' : 'warning';
    return [line(level, 'relay', `${resource.replace('_', ' ')}: ${used} of ${limit}`, next)];
  });

function halfOpen({ halfOpen = 0 }: RelayState): Health[] {
  if (halfOpen < HALF_OPEN) return [];
  const what = `${halfOpen} handshakes of clients stay half open: answers do not reach them, or it is a scan`;
  return [line('warning', 'relay', what, 'sidetrack status')];
}

function reloads({ reloads: { lastSucceeded, lastSuccess } }: RelayState): Health[] {
  if (lastSucceeded) return [];
  const what = `the last reload failed: the configuration in force is of ${clock(lastSuccess)}`;
  return [line('warning', 'relay', what, 'sidetrack check')];
}

const staleLists = ({ router }: Judged, at: number): Health[] => {
  const ages = new Map<string, number>();
  for (const { set, fileTime } of router?.sets ?? [])
    if (fileTime !== undefined && at - fileTime > LIST_DAYS * DAY) ages.set(set, at - fileTime);
  return [...ages].map(([set, age]) =>
    line(
      'warning',
      'router',
      `the list behind the set "${set}" is ${Math.floor(age / DAY)} days old`,
      'fetch it again, then: sidetrack apply',
    ),
  );
};

/** `2026-01-31 12:34:56 UTC` */
const clock = (time: number) =>
  `${new Date(1000 * time).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
