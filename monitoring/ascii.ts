/** The live page for a terminal: `curl http://127.0.0.1:9150/`. ASCII, 80 columns at most, one screen or two. Pure. */
import type { Quantiles, State } from './state.js';
import { nameOf } from './web/devices.js';
import {
  formatAge,
  formatBytes,
  formatCount,
  formatFrequency,
  formatRate,
  formatSeconds,
  formatShare,
  oneLine,
  plural,
  UNKNOWN,
} from './web/format.js';
import { hostStanding } from './web/place.js';
import { type Rates, ratesOf, sumOf } from './web/rates.js';
import { resourcesOf } from './web/resources.js';
import { actionText, reasonText, serverStanding, sinceText, weightText } from './web/servers.js';
import { topologyOf, upstreamStanding } from './web/topology.js';

const COLUMNS = 80;
/** Devices, rules and upstreams that are listed; the page has all. */
const LINES_MOST = 15;

/** What moves now, where it is known: bytes and connections a second. */
export interface Current {
  upload: number | null;
  download: number | null;
  opened: number | null;
  errors: number | null;
}

/** @param current of the last second; rates of everything else need two states. */
export function asciiState(state: State, current?: Current): string {
  const rates = ratesOf(state, undefined);
  const parts = [
    headOf(state),
    healthOf(state),
    wayOf(state, rates),
    trafficOf(state, current),
    serversOf(state),
    upstreamsOf(state),
    devicesOf(state),
    rulesOf(state),
    hostsOf(state),
    resourcesTable(state),
  ];
  return `${parts
    .filter((part) => part.length > 0)
    .map((part) => part.map((line) => ascii(line).trimEnd()).join('\n'))
    .join('\n\n')}\n`;
}

const REPLACED: Readonly<Record<string, string>> = {
  [UNKNOWN]: '-',
  µ: 'u',
  '\u2019': "'",
  '…': '~',
  '\u{a0}': ' ',
};

/** Letters lose their accents; what is not ASCII then is a question mark. */
function ascii(text: string): string {
  return [...text.replaceAll('µ', 'u').normalize('NFKD').replace(/\p{M}/gu, '')]
    .map((letter) => REPLACED[letter] ?? (/^[ -~]$/.test(letter) ? letter : '?'))
    .join('');
}

const cut = (text: string, width: number) => {
  const letters = [...text];
  return letters.length <= width ? text : `${letters.slice(0, width - 1).join('')}~`;
};

/** Lines no longer than the terminal, indented; those that follow are so by two more. */
function wrapped(text: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const room = COLUMNS - (lines.length === 0 ? 2 : 4);
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((one, i) => cut(`${i === 0 ? '  ' : '    '}${one}`, COLUMNS));
}

type Cell = string;

/** The first column is cut when there is too little room; numbers stand at the right. */
function table(title: string, head: readonly Cell[], rows: readonly (readonly Cell[])[]): string[] {
  if (rows.length === 0) return [];
  const shown = rows.slice(0, LINES_MOST);
  const widths = head.map((name, i) =>
    Math.max([...name].length, ...shown.map((row) => [...(row[i] ?? '')].length)),
  );
  const others = widths.slice(1).reduce((sum, width) => sum + width + 2, 0);
  widths[0] = Math.max(Math.min(widths[0]!, COLUMNS - 2 - others), 8);
  const line = (cells: readonly Cell[]) =>
    cut(
      `  ${cells
        .map((cell, i) =>
          i === 0 ? cut(cell, widths[i]!).padEnd(widths[i]!) : cell.padStart(widths[i]!),
        )
        .join('  ')}`,
      COLUMNS,
    );
  const more = rows.length - shown.length;
  return [title, line(head), ...shown.map(line), ...(more > 0 ? [`  and ${more} more`] : [])];
}

function headOf({ relay, at }: State): string[] {
  if (relay === undefined) return ['sidetrack'];
  return [
    `sidetrack ${oneLine(relay.release, 30)}: relay on port ${relay.port}, up for ${formatAge(at - relay.since)}, process ${relay.pid}`,
  ];
}

function healthOf({ health }: State): string[] {
  const lines = health.slice(0, LINES_MOST).flatMap(({ level, host, what, next }) => [
    ...wrapped(
      `${level === 'ok' ? 'ok' : level.toUpperCase()}  ${oneLine(host, 30)}: ${oneLine(what)}`,
    ),
    // A command is typed as it is, so it is not broken.
    ...(next === '' ? [] : [`    $ ${oneLine(next)}`]),
  ]);
  return ['HEALTH', ...lines];
}

function wayOf(state: State, rates: Rates): string[] {
  const groups = topologyOf(state, rates).groups.map(({ places }) =>
    places.map(({ title, word }) => `${title} (${word})`).join(', '),
  );
  return ['PATH', ...wrapped(`${groups.join(' -> ')}`)];
}

function trafficOf({ relay }: State, current: Current | undefined): string[] {
  if (relay === undefined) return [];
  const now = current && [
    `  now      ${formatRate(current.download)} down, ${formatRate(current.upload)} up, ${formatFrequency(current.opened)} new, ${formatFrequency(current.errors)} failed`,
  ];
  const { accepted, active, errors } = relay.connections;
  return [
    'TRAFFIC',
    ...(now ?? []),
    `  total    ${formatBytes(relay.bytes.download)} down, ${formatBytes(relay.bytes.upload)} up`,
    `  open     ${plural(active, 'connection')}, ${formatCount(accepted.ipv4 + accepted.ipv6)} since the start, ${formatCount(sumOf(errors))} failed`,
    ...latencyOf('connect', relay.quantiles.connect),
    ...latencyOf('in relay', relay.quantiles.residencyDownload),
  ].map((line) => cut(line, COLUMNS));
}

const latencyOf = (name: string, quantiles: Quantiles | undefined) =>
  quantiles === undefined
    ? []
    : [
        `  ${name.padEnd(8)} half within ${formatSeconds(quantiles.p50)}, 90 of 100 within ${formatSeconds(quantiles.p90)}, 99 within ${formatSeconds(quantiles.p99)}`,
      ];

function serversOf({ router, at }: State): string[] {
  const rows = (router?.servers ?? []).map((one) => [
    oneLine(one.server, 30),
    serverStanding(one).word,
    sinceText(one, at),
    reasonText(one),
    weightText(one),
    formatCount(one.flows),
  ]);
  const head = ['name', 'state', 'for', 'why', 'weight', 'flows'];
  return table('SERVERS', head, rows);
}

function upstreamsOf({ relay, at }: State): string[] {
  const rows = (relay?.upstreams ?? []).map((one) => [
    oneLine(one.name, 40),
    upstreamStanding(one).word,
    formatAge(at - one.since),
    formatCount(one.active),
    formatBytes(one.bytes.download),
    formatBytes(one.bytes.upload),
    `${formatCount(sumOf(one.errors))}${one.reason === undefined ? '' : ` (${oneLine(one.reason, 16)})`}`,
  ]);
  return table('UPSTREAMS', ['name', 'state', 'since', 'open', 'down', 'up', 'errors'], rows);
}

function devicesOf({ clients }: State): string[] {
  const rows = (clients ?? []).map((client) => [
    client.name === undefined ? nameOf(client) : `${nameOf(client)} ${client.address}`,
    formatCount(client.active),
    formatCount(client.connections),
    formatBytes(client.bytes.download),
    formatBytes(client.bytes.upload),
  ]);
  return table('DEVICES', ['name', 'open', 'since start', 'down', 'up'], rows);
}

function rulesOf({ router }: State): string[] {
  const total = router?.rules.reduce((sum, { packets }) => sum + packets, 0) ?? 0;
  const rows = (router?.rules ?? []).map((one) => [
    oneLine(one.rule, 60),
    oneLine(actionText(one), 24),
    formatCount(one.packets),
    formatShare(one.packets, total),
  ]);
  return table('RULES', ['rule', 'action', 'packets', 'share'], rows);
}

function hostsOf({ hosts, at }: State): string[] {
  const rows = (hosts ?? []).map((host) => [
    `${oneLine(host.name, 30)} ${oneLine(host.address, 40)}`,
    hostStanding(host).word,
    String(host.differences.length),
    String(host.problems.length),
    host.lastRead === undefined ? UNKNOWN : `${formatAge(at - host.lastRead)} ago`,
  ]);
  return table('HOSTS', ['host', 'state', 'differences', 'problems', 'read'], rows);
}

function resourcesTable(state: State): string[] {
  const rows = resourcesOf(state).map(({ name, used, limit }) => [
    name,
    formatCount(used),
    formatCount(limit),
    formatShare(used, limit),
  ]);
  return table('HEAD-ROOM', ['of', 'used', 'limit', 'share'], rows);
}
