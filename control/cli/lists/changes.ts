/** Which lists are other than those that hosts were given, found without asking a host. */
import { ROUTER } from '../../apply/macs.js';
import type { Config } from '../../config/config.js';
import { parseConfig } from '../../config/load.js';
import { SidetrackError } from '../../error.js';
import { type Applied, type AppliedHost, type SetTexts, setTexts } from '../../lists/applied.js';

export interface SetChange {
  set: string;
  /** CIDRs. */
  before: number;
  after: number;
}

/** Hosts that were left alike, and what is new for them. */
export interface HostChange {
  /** Those that have any of the sets; the router is the last. */
  hosts: string[];
  /** Those that have none of them: they are as they are to be, too. */
  others: string[];
  changes: SetChange[];
  /** Of a set with a file that has become suspiciously short: it is not reloaded. */
  shrunken: SetChange[];
  /** The configuration as applied to them, with the lists of now. */
  next: Config;
  known: AppliedHost;
}

/** Of files nothing says how far they may shrink. */
const FILE_LIMIT = 50;

const linesIn = (text: string): number => text.split('\n').length - 1;

interface ChangeOptions {
  /** Name of the one host that is asked about. */
  only?: string | undefined;
  acceptShrunken?: boolean | undefined;
}

/**
 * @returns nothing for hosts that have what they are to have
 * @throws ConfigError where a file of a set is wrong now
 * @throws SidetrackError where a host with one of the sets was never applied to
 */
export async function findChanges(
  file: string,
  applied: Applied,
  { only, acceptShrunken = false }: ChangeOptions,
): Promise<HostChange[]> {
  const found: HostChange[] = [];
  for (const alike of leftAlike(applied)) {
    const change = await changeOf(file, applied, alike, acceptShrunken);
    const isMeant = (name: string) => only === undefined || name === only;
    const absent = change.hosts.find((name) => isMeant(name) && !applied.has(name));
    if (absent !== undefined) throw notApplied(file, absent);
    const hosts = change.hosts.filter((name) => isMeant(name) && alike.includes(name));
    if (hosts.length > 0 || (change.shrunken.length > 0 && alike.some(isMeant)))
      found.push({ ...change, hosts });
  }
  return found;
}

/** Names of hosts, together where all that is noted of them is the same. */
function leftAlike(applied: Applied): string[][] {
  const groups: { one: AppliedHost; names: string[] }[] = [];
  for (const [name, host] of applied) {
    const group = groups.find(({ one }) => isLeftAlike(one, host));
    if (group === undefined) groups.push({ one: host, names: [name] });
    else group.names.push(name);
  }
  return groups.map(({ names }) => names);
}

const isLeftAlike = (a: AppliedHost, b: AppliedHost): boolean =>
  a.text === b.text && isSame(a.sets, b.sets) && isSame(a.tried, b.tried);

function isSame(a: SetTexts | undefined, b: SetTexts | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

async function changeOf(
  file: string,
  applied: Applied,
  alike: readonly string[],
  acceptShrunken: boolean,
): Promise<HostChange> {
  const known = applied.get(alike[0]!)!;
  const now = await parseConfig(file, known.text);
  const differing = Object.entries(setTexts(now)).flatMap(([set, text]) => {
    const before = known.sets[set] ?? '';
    // A run that ended in the middle may have brought other lists than those of before and of now.
    const isThere = text === before && (known.tried === undefined || text === known.tried[set]);
    return isThere ? [] : [{ set, before: linesIn(before), after: linesIn(text) }];
  });
  const isShrunken = ({ set, before, after }: SetChange) =>
    !acceptShrunken && now.sets[set]?.list === undefined && 100 * after < FILE_LIMIT * before;
  const shrunken = differing.filter(isShrunken);
  const kept = shrunken.map(({ set }) => [set, known.sets[set] ?? ''] as const);
  const next =
    kept.length === 0
      ? now
      : await parseConfig(file, known.text, { instead: Object.fromEntries(kept) });
  const changes = differing.filter((one) => !isShrunken(one));
  const hosts = changes.length === 0 ? [] : hostsWith(next, changes);
  const others = alike.filter((name) => !hosts.includes(name));
  return { hosts, others, changes, shrunken, next, known };
}

/** The hosts that have any of the sets; the relay's own rules may name one. */
function hostsWith({ relay, servers }: Config, changes: readonly SetChange[]): string[] {
  const names = new Set(changes.map(({ set }) => set));
  const lists = [relay.deny, relay.allow, ...relay.routes.flatMap(({ to }) => (to ? [to] : []))];
  const isTold = lists.some(({ sets }) => sets.some((name) => names.has(name)));
  const told = servers.filter(({ program }) => isTold && program === 'relay');
  return [...told.map(({ name }) => name), ROUTER];
}

const notApplied = (file: string, host: string) =>
  new SidetrackError(`${host} was not brought to the state of ${file} from here`, {
    code: 'refresh-not-applied',
    source: 'host',
    hint: 'run `sidetrack apply` once; the lists are kept',
  });
