/** Whether a saved plan still is what would be planned, and what has moved since. Pure. */
import type { Config } from '../config/config.js';
import { SidetrackError } from '../error.js';
import { type Difference, resourceKey } from './difference.js';
import { digestOf, type PlanContent, type SavedStep } from './saved-plan.js';
import type { ObservedHost } from './state.js';
import type { Step } from './step.js';

export interface Moved {
  /** Absent for a part of the configuration. */
  host?: string;
  /** A kind of resource, `configuration` or `step`. */
  kind: string;
  name: string;
  action: Difference['action'];
}

/** The plan is not what would be planned now. */
export class StalePlan extends SidetrackError {
  constructor(
    message: string,
    readonly moved: readonly Moved[],
  ) {
    super(message, {
      code: 'plan-stale',
      source: 'host',
      hint: 'look at what is to be done now, and make a new plan: sidetrack plan -o FILE',
    });
  }
}

/** One digest for each part of what the configuration says; comments and blanks are of no account. */
export function configParts(config: Config): Record<string, string> {
  const {
    file: _file,
    text: _text,
    warnings: _warnings,
    positionOf: _position,
    sets,
    ...rest
  } = config;
  const entries = Object.entries(sets).map(([name, set]) => [`set ${name}`, digestOf(set.entries)]);
  const parts = Object.entries(rest).map(([name, value]) => [name, digestOf(value)]);
  return Object.fromEntries([...parts, ...entries]);
}

/** What the plan found: all that is ours there, and what it changes. */
export function liveDigests(found: readonly Difference[]): Record<string, string> {
  return Object.fromEntries(
    found
      .filter(({ before }) => before !== undefined)
      .map((one) => [resourceKey(one), digestOf([one.before, one.elements?.removed.toSorted()])]),
  );
}

/** What becomes of each thing that the plan changes. */
export function wantedDigests(differences: readonly Difference[]): Record<string, string> {
  return Object.fromEntries(
    differences.map((one) => [
      resourceKey(one),
      digestOf([one.action, one.after, one.elements?.added]),
    ]),
  );
}

export function interfaceMacs({ interfaces }: ObservedHost): Record<string, string> {
  const real = interfaces.filter(({ mac }) => mac !== '' && mac !== '00:00:00:00:00:00');
  return Object.fromEntries(real.map(({ name, mac }) => [name, mac]));
}

/** What is planned now of one host of the plan. */
export interface PlannedNow {
  name: string;
  address: string;
  interfaces: Record<string, string>;
  live: Record<string, string>;
  wanted: Record<string, string>;
}

export interface Now {
  config: Record<string, string>;
  hosts: readonly PlannedNow[];
  steps: readonly Step[];
}

/** @throws SidetrackError `plan-stale`, `plan-applied`, `plan-other-host` */
export function assertFresh(file: string, plan: PlanContent, now: Now): void {
  const moved = moves(plan.config.parts, now.config).map(([name, action]) => ({
    kind: 'configuration',
    name,
    action,
  }));
  if (moved.length > 0)
    throw stale(`${plan.config.file} has changed since the plan was made`, moved);
  for (const host of plan.hosts) assertSameHost(file, host, now.hosts);
  if (now.steps.length === 0 && plan.steps.length > 0)
    throw new SidetrackError(`${file} was applied already: the hosts are as it leaves them`, {
      code: 'plan-applied',
      source: 'host',
      hint: 'look at what is to be done now: sidetrack plan',
    });
  const live = plan.hosts.flatMap((host) => hostMoves('live', host, now.hosts));
  if (live.length > 0) throw stale('the hosts have changed since the plan was made', live);
  const wanted = plan.hosts.flatMap((host) => hostMoves('wanted', host, now.hosts));
  if (wanted.length > 0) throw stale('something else is to be done than was planned', wanted);
  const steps = stepMoves(plan.steps, now.steps);
  if (steps.length > 0) throw stale('something else is to be done than was planned', steps);
}

type PlannedHost = PlanContent['hosts'][number];

function assertSameHost(file: string, host: PlannedHost, hosts: readonly PlannedNow[]): void {
  const { name, address, interfaces } = host;
  const found = hosts.find((one) => one.name === name);
  const known = Object.entries(interfaces);
  const same =
    found?.address === address &&
    (known.length === 0 || known.some(([device, mac]) => found.interfaces[device] === mac));
  if (same) return;
  const what =
    found === undefined || found.address !== address ? 'address' : 'MAC of any interface';
  throw new SidetrackError(
    `${file} is a plan for another host than ${name} (${found?.address ?? 'not configured'}): its ${what} is another`,
    {
      code: 'plan-other-host',
      source: 'host',
      hint: `it was made for ${address}; make one for this host: sidetrack plan -o FILE`,
    },
  );
}

function hostMoves(
  which: 'live' | 'wanted',
  { name: host, [which]: planned }: PlannedHost,
  hosts: readonly PlannedNow[],
): Moved[] {
  const found = hosts.find(({ name }) => name === host)?.[which] ?? {};
  return moves(planned, found).map(([key, action]) => {
    const [kind = '', ...name] = key.split(' ');
    return { host, kind, name: name.join(' '), action };
  });
}

function moves(
  before: Record<string, string>,
  after: Record<string, string>,
): [string, Difference['action']][] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key) => {
    if (before[key] === after[key]) return [];
    const action =
      before[key] === undefined ? 'added' : after[key] === undefined ? 'removed' : 'changed';
    return [[key, action] as [string, Difference['action']]];
  });
}

/** Undo holds counters as they were found, and so is another each time. */
function stepMoves(planned: readonly SavedStep[], now: readonly Step[]): Moved[] {
  const entries = (steps: readonly SavedStep[]) =>
    Object.fromEntries(
      steps.map(({ host, title, argv, stdin }, index) => [
        `${host} ${title}`,
        digestOf([index, argv, stdin]),
      ]),
    );
  return moves(
    entries(planned),
    entries(now.map(({ argv, undo, ...step }) => asSaved(step, argv))),
  ).map(([key, action]) => {
    const [host = '', ...title] = key.split(' ');
    return { host, kind: 'step', name: title.join(' '), action };
  });
}

function asSaved(
  { host, title, stdin }: Pick<Step, 'host' | 'title' | 'stdin'>,
  argv: readonly string[],
): SavedStep {
  return { host, title, argv: [...argv], ...(stdin !== undefined && { stdin }), undo: [] };
}

const MOST_NAMED = 8;

function stale(what: string, moved: readonly Moved[]): StalePlan {
  const names = moved.slice(0, MOST_NAMED).map(({ host, kind, name, action }) => {
    const where = host === undefined ? '' : `${host}: `;
    return `${where}${kind} ${name} ${action}`;
  });
  const rest = moved.length - names.length;
  return new StalePlan(
    `${what}: ${names.join('; ')}${rest > 0 ? `; and ${rest} more` : ''}`,
    moved,
  );
}
