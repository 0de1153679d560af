/** How the servers are, in words: for the page, the terminal, `top` and `status`. Pure. */
import type { ServerHealthState, ServerStanding, State } from '../state.js';
import { formatAge, formatCount, oneLine, UNKNOWN } from './format.js';
import type { Level, Standing } from './place.js';

const FAMILIES = { ipv4: 'IPv4', ipv6: 'IPv6' } as const;
type Family = keyof typeof FAMILIES;

const LEVELS: Readonly<Record<string, Level>> = {
  alive: 'ok',
  held: 'warning',
  rising: 'warning',
  unfit: 'critical',
  silent: 'critical',
};
const ORDER: readonly Level[] = ['critical', 'warning', 'unknown', 'ok'];

/** In its order, those that the server has an address of. */
export const familiesOf = ({
  families,
}: ServerHealthState): readonly (readonly [Family, ServerStanding])[] =>
  (['ipv4', 'ipv6'] as const).flatMap((family) => {
    const standing = families[family];
    return standing === undefined ? [] : [[family, standing] as const];
  });

/** New flows of some family go to it, or would if it were asked. */
export const isAlive = (server: ServerHealthState): boolean =>
  familiesOf(server).some(([, { state }]) => state === 'alive' || state === 'held');

/** What the router takes the server for: `alive`, `silent`, `IPv4 alive, IPv6 unfit`, `drained`. */
export function serverStanding(server: ServerHealthState): Standing {
  const all = familiesOf(server);
  const states = new Set(all.map(([, { state }]) => state));
  const [first = 'unknown'] = states;
  const apart = all.map(([family, { state }]) => `${FAMILIES[family]} ${oneLine(state, 20)}`);
  const word = states.size <= 1 ? oneLine(first, 20) : apart.join(', ');
  // It is so because somebody wants it.
  if (server.drained)
    return { level: 'unknown', word: first === 'alive' ? 'drained' : `drained, ${word}` };
  const levels = [...states].map((state) => levelOf(state, server, states.size > 1));
  const level = ORDER.find((one) => levels.includes(one)) ?? 'unknown';
  return { level, word };
}

/** Who says that it leaves, and who has one family of two, is no failure. */
function levelOf(state: string, { reason }: ServerHealthState, isPart: boolean): Level {
  const level = LEVELS[state] ?? 'unknown';
  const isWanted = state === 'unfit' && (reason === 'leaving' || reason === 'starting');
  return level === 'critical' && (isWanted || isPart) ? 'warning' : level;
}

/** When it last came into a state, as far as that is known: Unix time. */
export function sinceOf(server: ServerHealthState): number | undefined {
  const times = familiesOf(server).flatMap(([, { since }]) => since ?? []);
  return times.length === 0 ? undefined : Math.max(...times);
}

/** `2 min`, or that nobody knows. */
export function sinceText(server: ServerHealthState, at: number): string {
  const since = sinceOf(server);
  return since === undefined ? UNKNOWN : formatAge(at - since);
}

/** `0 s ago`, `never` where heartbeats are waited for. */
export function heardText({ health, lastHeard }: ServerHealthState, at: number): string {
  if (health !== 'heartbeat') return UNKNOWN;
  return lastHeard === undefined ? 'never' : `${formatAge(at - lastHeard)} ago`;
}

/** Why it is as it is: what its heartbeat says, or by what else it is judged. */
export function reasonText({ health, reason, drained }: ServerHealthState): string {
  const said = reason === undefined || reason === 'ok' ? [] : [oneLine(reason, 20)];
  const by = health === 'heartbeat' ? [] : [`by ${oneLine(health, 20)}`];
  return [...(drained ? ['drained'] : []), ...said, ...by].join(', ') || UNKNOWN;
}

/** Of all the packets to the port of heartbeats that were not believed. */
export const ignoredOf = ({ ignored }: ServerHealthState): number =>
  Object.values(ignored).reduce((sum, count) => sum + count, 0);

/** `2`, `backup`, `backup 2`; a backup of the usual weight has no number. */
export function weightText({ weight, backup }: ServerHealthState): string {
  if (backup !== true) return formatCount(weight);
  return weight === undefined || weight === 1 ? 'backup' : `backup ${formatCount(weight)}`;
}

/** A rule's action, with the servers that it names: `proxy s1, s2`. */
export const actionText = ({
  action,
  servers = [],
}: {
  action: string;
  servers?: readonly string[];
}): string => [action, servers.map((one) => oneLine(one, 30)).join(', ')].filter(Boolean).join(' ');

/** The server whose relay this is, where the state says it or there is no doubt. */
export function ownServer({ relay, hosts }: State): string | undefined {
  if (relay?.server !== undefined) return relay.server;
  const servers = (hosts ?? []).filter(({ name }) => name !== 'router');
  const here =
    servers.length === 1 ? servers : servers.filter(({ address }) => address === 'local');
  return here.length === 1 ? here[0]?.name : undefined;
}
