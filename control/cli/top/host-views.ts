/** Views of `sidetrack top` that the exporter's half of the state feeds: hosts, and servers as the router judges them. Pure. */
import type { HostState, ServerHealthState, State } from '../../../monitoring/state.js';
import { UNKNOWN } from '../../../monitoring/web/format.js';
import {
  ignoredOf,
  reasonText,
  serverStanding,
  sinceOf,
  weightText,
} from '../../../monitoring/web/servers.js';
import { formatAge, formatBytes } from '../relay/connection-list.js';
import type { Picture } from './picture.js';
import { NO_EXPORTER, NO_STATE, rateOf } from './state-views.js';
import { defineView } from './view.js';

interface HostRow extends HostState {
  age: number | undefined;
  /** What it does: flows of a router, packets that a server captured. */
  work: string;
  why: string;
}

function hostRows({ now: { state } }: Picture): HostRow[] {
  return (state?.hosts ?? []).map((one) => ({
    ...one,
    age: one.lastRead === undefined ? undefined : Math.max((state?.at ?? 0) - one.lastRead, 0),
    work: workOf(one.name, state),
    why: one.error ?? one.problems[0] ?? one.differences[0] ?? '',
  }));
}

function workOf(name: string, state: State | undefined): string {
  const flows = state?.router?.flows;
  if (name === 'router')
    return flows?.entries === undefined ? '-' : `${flows.entries} of ${flows.limit} flows`;
  const captured = state?.servers?.find((one) => one.name === name)?.captured;
  return captured === undefined ? '-' : `${formatBytes(captured)} packets`;
}

const hostWords = ({ up, state }: HostState) => (up ? (state ?? '-') : 'UNREACHABLE');

export const hostsView = defineView<HostRow>({
  name: 'hosts',
  columns: [
    { title: 'host', key: 'h', cell: (one) => one.name, by: (one) => one.name },
    { title: 'state', key: 's', cell: hostWords, by: hostWords },
    {
      ...{ title: 'differences', key: 'd' },
      cell: (one) => `${one.differences.length}`,
      by: (one) => one.differences.length,
    },
    {
      ...{ title: 'problems', key: 'm' },
      cell: (one) => `${one.problems.length}`,
      by: (one) => one.problems.length,
    },
    { title: 'steers', key: 'e', cell: (one) => one.work, by: (one) => one.work },
    {
      ...{ title: 'read', key: 'r' },
      cell: ({ age }) => (age === undefined ? 'never' : `${formatAge(age)} ago`),
      by: ({ age = Number.POSITIVE_INFINITY }) => age,
    },
    { title: 'address', key: 'a', cell: (one) => one.address, by: (one) => one.address },
    { title: 'why', key: 'w', cell: (one) => one.why || '-', by: (one) => one.why },
    { title: 'order', key: 'o', cell: () => '', by: () => 0, hidden: true },
  ],
  importance: ['host', 'state', 'why', 'steers', 'differences', 'problems', 'read', 'address'],
  sortedBy: 'order',
  rows: hostRows,
  id: ({ name }) => name,
  text: (one) => `${one.name} ${one.address} ${hostWords(one)} ${one.why}`,
  note: ({ now: { state } }) => {
    if (state === undefined) return NO_STATE;
    return state.hosts === undefined ? NO_EXPORTER : undefined;
  },
});

/** The page's sign for what is not known is no ASCII. */
const dashed = (text: string) => (text === UNKNOWN ? '-' : text);

const ageWords = (since: number | undefined, at: number) =>
  since === undefined ? '-' : formatAge(Math.max(at - since, 0));

interface ServerRow extends ServerHealthState {
  at: number;
  /** Packets a second. */
  rate: number;
}

const serverRows = (picture: Picture): ServerRow[] =>
  (picture.now.state?.router?.servers ?? []).map((one) => {
    const same = ({ router }: State) =>
      router?.servers?.find(({ server }) => server === one.server);
    return {
      ...one,
      at: picture.now.state?.at ?? 0,
      rate: rateOf(picture, (state) => same(state)?.steered?.packets),
    };
  });

const heardWords = ({ health, lastHeard, at }: ServerRow) => {
  if (health !== 'heartbeat') return '-';
  return lastHeard === undefined ? 'never' : `${ageWords(lastHeard, at)} ago`;
};

const ageBy = (since: number | undefined, at: number) =>
  since === undefined ? Number.POSITIVE_INFINITY : at - since;

const counted = (number: number | undefined) => (number === undefined ? '-' : formatBytes(number));

export const serversView = defineView<ServerRow>({
  name: 'servers',
  columns: [
    { title: 'server', key: 's', cell: (one) => one.server, by: (one) => one.server },
    {
      ...{ title: 'state', key: 't' },
      cell: (one) => serverStanding(one).word,
      by: (one) => serverStanding(one).word,
    },
    {
      ...{ title: 'since', key: 'i' },
      cell: (one) => ageWords(sinceOf(one), one.at),
      by: (one) => ageBy(sinceOf(one), one.at),
    },
    { title: 'why', key: 'w', cell: (one) => dashed(reasonText(one)), by: reasonText },
    {
      ...{ title: 'heard', key: 'h' },
      cell: heardWords,
      by: (one) => ageBy(one.lastHeard, one.at),
    },
    {
      ...{ title: 'weight', key: 'g' },
      cell: (one) => dashed(weightText(one)),
      by: (one) => one.weight ?? -1,
    },
    { title: 'flows', key: 'f', cell: (one) => counted(one.flows), by: (one) => one.flows ?? -1 },
    {
      ...{ title: 'packets/s', key: 'k' },
      cell: (one) => formatBytes(one.rate),
      by: (one) => one.rate,
    },
    { title: 'ignored', key: 'n', cell: (one) => counted(ignoredOf(one)), by: ignoredOf },
    {
      ...{ title: 'resets', key: 'r' },
      cell: (one) => counted(one.resets),
      by: (one) => one.resets ?? -1,
    },
    {
      ...{ title: 'returns', key: 'b' },
      cell: (one) => counted(one.returns),
      by: (one) => one.returns ?? -1,
    },
    { title: 'order', key: 'o', cell: () => '', by: () => 0, hidden: true },
  ],
  importance: [
    ...['server', 'state', 'why', 'since', 'flows', 'packets/s', 'heard', 'weight'],
    ...['ignored', 'resets', 'returns'],
  ],
  sortedBy: 'order',
  rows: serverRows,
  id: ({ server }) => server,
  text: (one) => `${one.server} ${serverStanding(one).word} ${reasonText(one)}`,
  note: ({ now: { state } }) => {
    if (state === undefined) return NO_STATE;
    return state.router === undefined ? NO_EXPORTER : undefined;
  },
});
