/** Brings hosts, whose locks are held, into their desired states. */
import { parseAnswers } from '../command/query.js';
import type { Config } from '../config/config.js';
import type { HostState, ObservedHost } from '../plan/state.js';
import type { Step } from '../plan/step.js';
import type { Policy } from '../policy/rule.js';
import { Change, type ChangeOptions, type HostChange, type Trial } from './change.js';
import { type ExecuteOptions, executeSteps, type Method } from './execute.js';
import { ownTrialOf } from './own-trial.js';
import type { Places } from './place.js';
import { type ProbeReport, trialOf } from './probes/trial.js';
import {
  type Around,
  type Left,
  leftQueries,
  NOTHING_AROUND,
  readLeft,
  saveState,
} from './save-state.js';

/** Who says that a change is kept: this program, once a new connection works, or a person. */
export const CONFIRMS = ['auto', 'manual'] as const;
export type Confirm = (typeof CONFIRMS)[number];

export interface ApplyOptions extends ExecuteOptions {
  /** `auto` for hosts that are reached over a network; without, hosts of this machine take nothing back by themselves. */
  confirm?: Confirm | undefined;
  /** Until a change that is not confirmed is reverted; as configured when absent. */
  confirmSeconds?: number | undefined;
  onWait?: ChangeOptions['onWait'];
  /** What works before the change of a host has been tried. @param reports what is known by then */
  onMeasured?: ((reports: () => ProbeReport[]) => void) | undefined;
}

interface ChangedHost {
  name: string;
  steps: readonly Step[];
  desired: HostState;
  observed: ObservedHost;
}

/** @param hosts those that differ, in the order in which they are changed */
export async function carryOut(
  { config, policy }: { config: Config; policy: Policy },
  places: Places,
  hosts: readonly ChangedHost[],
  options: ApplyOptions,
): Promise<void> {
  const change = changeOf(places, hosts, {
    ...options,
    confirmSeconds: options.confirmSeconds ?? config.confirm.timeoutSeconds,
    trialOf: ({ name, observed }) => trialOf(config, policy, name, observed, options.onMeasured),
  });
  const method = change ?? new Plain(places, hosts);
  const steps = hosts.flatMap((host) => host.steps);
  const own = change && ownTrialOf({ config, policy }, places, hosts, options);
  const finish = async () => {
    for (const { name, desired } of hosts) {
      const place = places.get(name)!;
      const left = method.left.get(name) ?? (await readLeft(place, desired));
      await saveState(place, desired, left, method.aroundState(name));
    }
    await own?.demand();
    await (options.confirm === 'manual' ? change?.keepWhenConfirmed() : change?.keep());
  };
  await executeSteps(places, steps, options, finish, method);
}

interface ArmingOptions extends ApplyOptions {
  confirmSeconds: number;
  trialOf(host: ChangedHost): Trial | undefined;
}

/** Nothing where the hosts take nothing back by themselves. A far host takes those beside it along. */
function changeOf(
  places: Places,
  hosts: readonly ChangedHost[],
  { confirm, confirmSeconds: seconds, trialOf: trial, signal, onWait }: ArmingOptions,
): Change | undefined {
  const isFar = hosts.some(({ name }) => places.get(name)!.host.remote);
  if (!isFar && confirm === undefined) return undefined;
  const changed = hosts.filter(({ steps }) => steps.length > 0);
  if (changed.length === 0) return undefined;
  const of = (one: ChangedHost): HostChange => ({
    ...one,
    place: places.get(one.name)!,
    trial: trial(one),
  });
  return new Change(changed.map(of), { seconds, signal, onWait });
}

/** The way of hosts that take nothing back by themselves. */
class Plain implements Method {
  readonly left = new Map<string, Left>();

  constructor(
    private readonly places: Places,
    private readonly hosts: readonly ChangedHost[],
  ) {}

  scriptOf(name: string) {
    const { host } = this.places.get(name)!;
    const { desired } = this.hosts.find((one) => one.name === name)!;
    const queries = leftQueries(host, desired);
    return {
      before: [],
      after: Object.values(queries).flatMap(({ commands }) => [...commands]),
      onAfter: (answers: Parameters<typeof parseAnswers>[2]) =>
        void this.left.set(name, parseAnswers(host, queries, answers)),
    };
  }

  aroundState(): Around {
    return NOTHING_AROUND;
  }
}
