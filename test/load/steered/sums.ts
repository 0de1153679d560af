/** What has to add up after a load: each check says what was compared. Pure. */
import type { MetricKey } from '../../../monitoring/metrics.js';
import type { RouterCounters } from './counters.js';

export interface Check {
  name: string;
  ok: boolean;
  /** The numbers. */
  detail: string;
}

/** What a load did, as those know it that made it. */
export interface Done {
  /** Connections opened, each of which was to succeed. */
  connections: number;
  /** Payload: at least what receivers have read, at most what senders have written, with all that is said around it. */
  upload: { least: number; most: number };
  download: { least: number; most: number };
}

export interface Counted {
  /** Of the relay's page, by how much it has grown. */
  grown: (key: MetricKey, labels?: Readonly<Record<string, string>>) => number;
  /** Of gauges, now. */
  now: (key: MetricKey) => number;
  router: RouterCounters;
}

/** Bytes: without options, and with more of them than Linux sends. */
const HEADERS = { least: 40, most: 100 } as const;
/** What TCP may send again in a lab with full queues, of what it sends. */
const SENT_AGAIN = 0.1;
/** SYNs and the like. */
const LITTLE = 65_536;

const DIRECTIONS = ['upload', 'download'] as const;

export function checkSums(done: Done, counted: Counted): Check[] {
  return [
    ...DIRECTIONS.flatMap((direction) => checkDirection(direction, done, counted)),
    ...checkModes(counted),
    ...checkConnections(done, counted),
    ...checkRouter(done, counted),
  ];
}

const equal = (name: string, values: Readonly<Record<string, number>>): Check => ({
  name,
  ok: new Set(Object.values(values)).size === 1,
  detail: Object.entries(values)
    .map(([what, value]) => `${what} ${value}`)
    .join(', '),
});

const within = (name: string, value: number, least: number, most: number): Check => ({
  name,
  ok: least <= value && value <= most,
  detail: `${Math.round(least)} ≤ ${Math.round(value)} ≤ ${Math.round(most)}`,
});

function checkDirection(
  direction: (typeof DIRECTIONS)[number],
  done: Done,
  { grown }: Counted,
): Check[] {
  const labels = { direction };
  const total = grown('relayBytes', labels);
  const { least, most } = done[direction];
  return [
    equal(`${direction}: bytes of routes, of upstreams and in all`, {
      all: total,
      routes: grown('relayRouteBytes', labels),
      upstreams: grown('relayUpstreamBytes', labels),
    }),
    within(
      `${direction}: what was received ≤ what the relay counts ≤ what was sent`,
      total,
      least,
      most,
    ),
  ];
}

function checkModes({ grown }: Counted): Check[] {
  const values = { all: grown('relayBytes'), modes: grown('relayTransferredBytes') };
  return [equal('bytes of modes and in all', values)];
}

function checkConnections({ connections }: Done, { grown, now }: Counted): Check[] {
  return [
    equal('connections that were opened, accepted, of routes, of upstreams, closed', {
      opened: connections,
      accepted: grown('relayConnections'),
      routes: grown('relayRouteConnections'),
      upstreams: grown('relayUpstreamConnections'),
      closed: grown('relayClosed'),
    }),
    equal('no connection failed, none was rejected, none is left', {
      failed: grown('relayConnectErrors'),
      rejected: grown('relayRejected'),
      active: now('relayConnectionsActive'),
      'active of upstreams': now('relayUpstreamActive'),
      none: 0,
    }),
  ];
}

/** Clients' packets pass the router; what comes back reaches clients of the server's subnet without it. */
function checkRouter({ connections, upload }: Done, { grown, router }: Counted): Check[] {
  const { packets, bytes } = router.steered;
  const relayed = grown('relayBytes', { direction: 'upload' });
  const opened = Object.values(router.rules).reduce((sum, one) => sum + one, 0);
  return [
    within(
      'steered bytes, without their headers, hold what the relay received and little more',
      relayed,
      bytes -
        HEADERS.most * packets -
        (upload.most * SENT_AGAIN + LITTLE) -
        (upload.most - upload.least),
      bytes - HEADERS.least * packets,
    ),
    // A SYN that is sent again is judged again.
    within('packets that opened flows', opened, connections, connections * 1.5 + 10),
    equal('no flow was left to on_failure', { left: router.refused, none: 0 }),
  ];
}
