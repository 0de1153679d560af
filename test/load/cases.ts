/** What is measured and what must come of it: data only. */
import { BEFORE, type Congestion, type ContestantName } from './contestants.js';

/** What puts the relay under load. */
export type Load =
  | { kind: 'iperf'; flows: number; reverse: boolean }
  /** Requests for a body of so many bytes, with keep-alive or each on a connection of its own. */
  | { kind: 'requests'; bytes: number; connections: number; close?: true }
  /** Connect, exchange 64 bytes, close. */
  | { kind: 'connect'; connections: number }
  /** 64-byte round trips; `half`: half of what tuned HAProxy can do, at even distances. */
  | { kind: 'ping'; connections: number; rate: 0 | 'half' }
  /** 64-byte round trips one by one, or each on a connection of its own, 500 a second, beside bulk. */
  | { kind: 'beside'; each: 'ping' | 'connection'; flows: number; reverse: boolean }
  /** Connections that do nothing. */
  | { kind: 'hold'; connections: number };

/** A number that is read off a sample. */
export type Figure =
  | 'gigabits per CPU second'
  | 'gigabits per second'
  | 'thousands per CPU second'
  | 'thousands per second'
  | 'p50'
  | 'p99'
  | 'longest'
  | 'bytes each';

export interface Target {
  rival: ContestantName;
  /** Bound on ours divided by the rival's: at least, or at most where less is better. */
  ratio: number;
  /** The one that it holds for; absent: the first of the case, or all of them when `everyFigure`. */
  figure?: Figure;
}

export interface Case {
  name: string;
  load: Load;
  /** False: every packet has at most 1500 bytes from end to end. */
  offload: boolean;
  /** Of server1; absent: CUBIC, or Reno where a namespace may not choose that. */
  congestion?: Congestion;
  ours: ContestantName;
  rivals: readonly ContestantName[];
  figures: readonly Figure[];
  /** Hold for the first of `figures`; for all of them when `everyFigure`. */
  targets: readonly Target[];
  everyFigure?: true;
  /** Most that the first figure, or `limited`, may be, whatever the rivals do. */
  limit?: number;
  limited?: Figure;
}

export const LESS_IS_BETTER: readonly Figure[] = ['p50', 'p99', 'longest', 'bytes each'];

const DIRECT_RIVALS = [
  'haproxy-default',
  'haproxy-tuned',
  'naive-copy',
  'naive-splice',
  'forwarding',
] as const;
const BULK = ['gigabits per CPU second', 'gigabits per second'] as const;
const COUNT = ['thousands per CPU second', 'thousands per second'] as const;

const BULK_TARGETS: readonly Target[] = [
  { rival: 'haproxy-tuned', ratio: 1.15 },
  { rival: 'haproxy-default', ratio: 3 },
  { rival: 'naive-splice', ratio: 1 },
];
const DIRECTIONS = [
  { word: 'download', reverse: true },
  { word: 'upload', reverse: false },
] as const;

const direct = { offload: true, ours: 'sidetrack', rivals: DIRECT_RIVALS } as const;

const bulk: readonly Case[] = [1, 100].flatMap((flows) =>
  DIRECTIONS.map(({ word, reverse }) => ({
    ...direct,
    name: `bulk ${word}, ${flows === 1 ? '1 flow' : `${flows} flows`}`,
    load: { kind: 'iperf', flows, reverse },
    figures: BULK,
    targets: BULK_TARGETS,
  })),
);

const requests: readonly Case[] = [64, 1024, 4096].map((bytes) => ({
  ...direct,
  name: `keep-alive requests, ${bytes} B`,
  load: { kind: 'requests', bytes, connections: 64 },
  figures: COUNT,
  targets: [
    { rival: 'haproxy-default', ratio: 1.2 },
    { rival: 'haproxy-tuned', ratio: 1.2 },
    { rival: 'naive-copy', ratio: 0.95 },
  ],
}));

const CONNECTION_TARGETS: readonly Target[] = [
  { rival: 'haproxy-default', ratio: 1.3 },
  { rival: 'haproxy-tuned', ratio: 1.3 },
];

/** Pacing by timers is for long ways; the one to the LAN is short. */
const withBbr = DIRECTIONS.map(
  ({ word, reverse }): Case => ({
    name: `server1 with BBR, bulk ${word}, 1 flow`,
    load: { kind: 'iperf', flows: 1, reverse },
    offload: true,
    congestion: 'bbr',
    ours: 'sidetrack-bbr',
    rivals: ['haproxy-tuned', 'naive-splice'],
    figures: BULK,
    // Uploads leave by the upstream's leg, which has BBR here as there.
    targets: reverse ? [{ rival: 'haproxy-tuned', ratio: 2 }] : [],
  }),
);

const connections: Case = {
  ...direct,
  name: 'new connections, 64 B exchange',
  rivals: [...DIRECT_RIVALS, 'sidetrack-tproxy'],
  load: { kind: 'connect', connections: 64 },
  figures: COUNT,
  targets: CONNECTION_TARGETS,
};

/** Here the server is the first to close. */
const singleRequests: Case = {
  ...direct,
  name: 'new connections, one request of 64 B',
  load: { kind: 'requests', bytes: 64, connections: 64, close: true },
  figures: COUNT,
  targets: CONNECTION_TARGETS,
};

const latency: readonly Case[] = [
  { name: 'round trip, 64 B, idle', connections: 1, rate: 0 as const },
  { name: 'round trip, 64 B, half load', connections: 32, rate: 'half' as const },
].map(({ name, ...load }) => ({
  ...direct,
  name,
  load: { kind: 'ping', ...load },
  figures: ['p50', 'p99'],
  targets: [
    { rival: 'haproxy-default', ratio: 1 },
    { rival: 'haproxy-tuned', ratio: 1 },
  ],
  everyFigure: true,
}));

/** Nobody waits behind the bulk of others: microseconds. */
const LONGEST_BESIDE_BULK = 10_000;
const besideBulk = (['ping', 'connection'] as const).flatMap((each) =>
  [20, 100].flatMap((flows) =>
    DIRECTIONS.map(
      ({ word, reverse }): Case => ({
        offload: true,
        ours: 'sidetrack',
        rivals: ['haproxy-tuned', 'forwarding'],
        name: `${each === 'ping' ? 'round trip' : 'new connection'}, 64 B, beside ${flows} ${word}s`,
        load: { kind: 'beside', each, flows, reverse },
        figures: ['p50', 'p99', 'longest'],
        targets: [
          { rival: 'haproxy-tuned', ratio: 0.8, figure: 'p50' },
          { rival: 'haproxy-tuned', ratio: 0.8, figure: 'p99' },
          { rival: 'haproxy-tuned', ratio: 0.7, figure: 'longest' },
        ],
        limit: LONGEST_BESIDE_BULK,
        limited: 'longest',
      }),
    ),
  ),
);

const idle: Case = {
  offload: true,
  ours: 'sidetrack',
  rivals: ['haproxy-default', 'naive-copy'],
  name: 'idle connections, 9000',
  load: { kind: 'hold', connections: 9000 },
  figures: ['bytes each'],
  targets: [],
  limit: 1024,
};

/** The same beside redsocks: bounds as beside HAProxy. */
function throughSocks({ name, targets, ...one }: Case): Case {
  const [{ ratio } = { ratio: 1 }] = targets;
  return {
    ...one,
    name: `SOCKS5, ${name}`,
    ours: 'sidetrack-socks',
    rivals: ['redsocks'],
    targets: [{ rival: 'redsocks', ratio }],
  };
}

/** What looking at everything costs; of short connections, which it costs most, it is only shown. */
const observation = [bulk[0]!, requests[1]!, connections].map(
  (one): Case => ({
    ...one,
    name: `observation, ${one.name}`,
    ours: 'sidetrack-observed',
    rivals: ['sidetrack-unobserved'],
    targets: one === connections ? [] : [{ rival: 'sidetrack-unobserved', ratio: 0.98 }],
  }),
);

const withoutOffload: readonly Case[] = DIRECTIONS.map(({ word, reverse }) => ({
  ...direct,
  offload: false,
  name: `bulk ${word}, 1 flow, no offloads`,
  load: { kind: 'iperf', flows: 1, reverse },
  figures: BULK,
  targets: [{ rival: 'haproxy-tuned', ratio: 1.05 }],
}));

const ALL_CASES: readonly Case[] = [
  ...bulk,
  ...withoutOffload,
  ...withBbr,
  ...requests,
  connections,
  singleRequests,
  ...latency,
  ...besideBulk,
  idle,
  ...observation,
  ...[...bulk, ...requests, connections, ...latency].map(throughSocks),
];

/** A change may cost no more than this. */
const KEPT = 0.98;

/** The direct cases beside an earlier state of ourselves, and nobody else. */
const BESIDE_BEFORE = ALL_CASES.filter(({ ours }) => ours === 'sidetrack').map(
  ({ limit: _, limited: __, ...one }): Case => ({
    ...one,
    rivals: ['sidetrack-before'],
    targets: [{ rival: 'sidetrack-before', ratio: boundOf(one) }],
  }),
);

function boundOf({ figures }: Pick<Case, 'figures'>): number {
  return LESS_IS_BETTER.includes(figures[0]!) ? 1 / KEPT : KEPT;
}

export const CASES = BEFORE === undefined ? ALL_CASES : BESIDE_BEFORE;
