/**
 * Brings changed lists to the hosts, and nothing else: the configuration is the one that was applied, and each host has to be
 * as it was left. So whatever `apply` does for live flows holds here, too.
 */
import type { ApplyOptions } from '../../apply/carry-out.js';
import {
  applyDeployment,
  type Deployment,
  openDeployment,
  planDeployment,
} from '../../apply/deployment.js';
import { ROUTER } from '../../apply/macs.js';
import type { Config } from '../../config/config.js';
import { parseConfig } from '../../config/load.js';
import { SidetrackError } from '../../error.js';
import { type Applied, rememberApplied, setTexts } from '../../lists/applied.js';
import type { Step } from '../../plan/step.js';
import { compilePolicy } from '../../policy/compile.js';

export interface SetChange {
  set: string;
  /** CIDRs. */
  before: number;
  after: number;
}

export interface Reload {
  changes: SetChange[];
  /** Of a set with a file that has become suspiciously short: it is not reloaded. */
  shrunken: SetChange[];
  /** The configuration as applied, with the lists of now. */
  next: Config;
  applied: Applied;
}

/** Of files nothing says how far they may shrink. */
const FILE_LIMIT = 50;

const linesIn = (text: string): number => text.split('\n').length - 1;

/** Without asking a host. @throws ConfigError where a file of a set is wrong now */
export async function findChanges(
  file: string,
  applied: Applied,
  acceptShrunken: boolean,
): Promise<Reload> {
  const now = await parseConfig(file, applied.text);
  const texts = setTexts(now);
  const differing = Object.entries(texts).flatMap(([set, text]) => {
    const before = applied.sets[set] ?? '';
    return text === before ? [] : [{ set, before: linesIn(before), after: linesIn(text) }];
  });
  const isShrunken = ({ set, before, after }: SetChange) =>
    !acceptShrunken && now.sets[set]?.list === undefined && 100 * after < FILE_LIMIT * before;
  const shrunken = differing.filter(isShrunken);
  const kept = shrunken.map(({ set }) => [set, applied.sets[set] ?? ''] as const);
  const next =
    kept.length === 0
      ? now
      : await parseConfig(file, applied.text, { instead: Object.fromEntries(kept) });
  return { changes: differing.filter((one) => !isShrunken(one)), shrunken, next, applied };
}

/** The hosts that have any of the sets; the relay's own rules may name one. */
function hostsWith({ relay, servers }: Config, changes: readonly SetChange[]): string[] {
  const names = new Set(changes.map(({ set }) => set));
  const lists = [relay.deny, relay.allow, ...relay.routes.flatMap(({ to }) => (to ? [to] : []))];
  const isTold = lists.some(({ sets }) => sets.some((name) => names.has(name)));
  const told = servers.filter(({ program }) => isTold && program === 'relay');
  return [...told.map(({ name }) => name), ROUTER];
}

/** @throws SidetrackError where a host is not as it was left, and what `applyDeployment` throws */
export async function reloadSets(
  { next, applied, changes }: Reload,
  { only, ...options }: ApplyOptions & { only?: string | undefined },
): Promise<Step[]> {
  const wanted = hostsWith(next, changes).filter((name) => only === undefined || name === only);
  const absent = wanted.find((name) => !applied.hosts.includes(name));
  if (absent !== undefined) throw notApplied(next.file, absent);
  const before = await parseConfig(next.file, applied.text, { instead: applied.sets });
  const steps: Step[] = [];
  const done: string[] = [];
  const all = wanted.length === next.servers.length + 1;
  for (const name of all ? [undefined] : wanted) {
    const deployment = await openDeployment(before, compilePolicy(before), { only: name });
    await assertAsLeft(deployment);
    const reloaded = { ...deployment, config: next, policy: compilePolicy(next) };
    const { hosts } = await applyDeployment(reloaded, options);
    steps.push(...hosts.flatMap((host) => host.steps));
    done.push(...hosts.map((host) => host.name));
  }
  // Those that have none of the sets are as they are to be, too.
  const others = applied.hosts.filter((name) => !hostsWith(next, changes).includes(name));
  await rememberApplied({ ...next, text: applied.text }, [...others, ...done]);
  return steps;
}

const isNeeded = ({ optional }: Step) => !optional;

async function assertAsLeft(deployment: Deployment): Promise<void> {
  const { hosts } = await planDeployment(deployment);
  const pending = hosts.flatMap(({ steps }) => steps).filter(isNeeded);
  const [first] = pending;
  if (first === undefined) return;
  const more = pending.length > 1 ? ', …' : '';
  throw new SidetrackError(
    `${first.host} is not as it was applied (${first.title}${more}): the new lists are kept and not loaded`,
    {
      code: 'refresh-pending',
      source: 'host',
      hint: 'sidetrack plan shows what is to be done; sidetrack apply does it, with the new lists',
    },
  );
}

const notApplied = (file: string, host: string) =>
  new SidetrackError(`${host} was not brought to the state of ${file} from here`, {
    code: 'refresh-not-applied',
    source: 'host',
    hint: 'run `sidetrack apply` once; the lists are kept',
  });
