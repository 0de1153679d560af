/** What a person should look at of the servers, each line with what to type next. Pure. */
import { HEARTBEAT_REASONS, type HeartbeatReason } from '../../bpf/server-health.js';
import type { Health, RouterState, ServerHealthState } from '../../monitoring/state.js';
import { familiesOf, isAlive } from '../../monitoring/web/servers.js';

const FAMILIES = { ipv4: 'IPv4', ipv6: 'IPv6' } as const;
/** Fewer within a minute are strays. */
const IGNORED_LEAST = 10;

const NEXT: Readonly<Partial<Record<HeartbeatReason, string>>> = {
  upstreams: 'journalctl -u sidetrack-relay -g backoff -n 10',
  listener: 'sudo systemctl restart sidetrack-relay',
  threads: 'sudo systemctl restart sidetrack-relay',
  descriptors: 'sudo systemctl edit sidetrack-relay; add LimitNOFILE=',
  memory: 'free -m',
};
const USUAL_NEXT = 'systemctl status sidetrack-relay';

/** @param port where the router waits for heartbeats. */
export function serverProblems({ servers = [] }: RouterState, port: number): Health[] {
  const taken = servers.filter((one) => isAlive(one) && !one.drained);
  const judged = servers.filter(({ health }) => health === 'heartbeat');
  const none: Health[] =
    judged.length > 0 && taken.length === 0
      ? [
          {
            ...{ level: 'critical', host: 'router', next: 'sidetrack status' },
            what: 'no server is alive: new flows go the way of on_failure',
          },
        ]
      : [];
  return [
    ...none,
    ...judged.flatMap((one) => [
      ...(one.drained ? [] : ofServer(one, taken.length > 0)),
      ...ignoredProblem(one, port),
    ]),
    ...servers.filter(({ drained }) => drained).map(drainedLine),
  ];
}

function ofServer(server: ServerHealthState, hasOther: boolean): Health[] {
  const all = familiesOf(server);
  const lost = all.filter(([, { state }]) => !['alive', 'held', 'rising'].includes(state));
  const held = all.filter(([, { state }]) => state === 'held');
  const level = hasOther ? 'warning' : 'critical';
  const about = (what: string, next: string, on = ` # on ${server.server}`): Health => ({
    level,
    host: server.server,
    what,
    next: `${next}${on}`,
  });
  if (lost.length === 0)
    return held.length === 0
      ? []
      : [
          about(
            'was lost and came back several times, so it is held for a while',
            'sidetrack status',
            '',
          ),
        ];
  const known: Readonly<Record<string, string>> = HEARTBEAT_REASONS;
  const nexts: Readonly<Record<string, string>> = NEXT;
  const { reason = 'ok', lastHeard } = server;
  const states = new Set(lost.map(([, { state }]) => state));
  if (states.has('silent')) return [about(`sends no heartbeat${clock(lastHeard)}`, USUAL_NEXT)];
  if (states.has('unknown')) return [about('has sent no heartbeat so far', USUAL_NEXT)];
  const families = lost.map(([family]) => FAMILIES[family]).join(' and ');
  const why = reason === 'ok' ? 'its upstreams do not carry it' : (known[reason] ?? reason);
  const next = nexts[reason] ?? (reason === 'ok' ? NEXT.upstreams! : USUAL_NEXT);
  return [about(`gets no new ${families} flows: ${why}`, next)];
}

/** ` since 2026-01-31 12:34:56 UTC` */
const clock = (time: number | undefined) =>
  time === undefined
    ? ''
    : ` since ${new Date(1000 * time).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

function ignoredProblem({ server, ignoredLately = {} }: ServerHealthState, port: number): Health[] {
  const counts = Object.entries(ignoredLately).toSorted(([, a], [, b]) => b - a);
  const sum = counts.reduce((total, [, count]) => total + count, 0);
  if (sum < IGNORED_LEAST) return [];
  const reasons = counts.map(([reason]) => reason).join(', ');
  return [
    {
      ...{ level: 'warning', host: server },
      what: `heartbeats in its name were ignored: ${sum} in the last minute (${reasons})`,
      next: `sudo tcpdump -eni any -c 4 udp port ${port} # on the router`,
    },
  ];
}

/** It is so because somebody wants it. */
const drainedLine = ({ server, flows }: ServerHealthState): Health => ({
  level: 'ok',
  host: server,
  what: `drained: new flows go elsewhere${flows === undefined ? '' : `, ${flows} are left`}`,
  next: `sidetrack undrain ${server}`,
});
