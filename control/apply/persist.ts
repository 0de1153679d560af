/** What brings hosts back at boot: whether this run wants it, and the steps that come when the change is kept. */
import { SidetrackError } from '../error.js';
import { keepFiles } from '../keep/files.js';
import { bootFiles, FIREWALL_SCRIPT } from '../plan/boot-files.js';
import type { BootEntry, DesiredPersist, ObservedPersist } from '../plan/persist.js';
import { notStarted } from '../plan/persist-check.js';
import type { HostState, ObservedHost } from '../plan/state.js';
import type { Step } from '../plan/step.js';
import { keepState, stop } from '../resources/persist-script.js';
import { type ExecuteOptions, executeSteps } from './execute.js';
import type { Places } from './place.js';

/** With what brings the host back. @param wants as the command line says; what is there stays where it says nothing */
export function withPersist(
  desired: HostState,
  observed: ObservedHost,
  wants: boolean | undefined,
): HostState {
  const { persist: found } = observed;
  if (found === undefined || !(wants ?? found.isKept)) return desired;
  return { ...desired, persist: desiredPersist(desired, observed, found) };
}

function desiredPersist(
  desired: HostState,
  observed: ObservedHost,
  found: ObservedPersist,
): DesiredPersist {
  const { init, firewall } = found;
  const includes = init === 'procd' && firewall !== undefined;
  // The state of the host is copied there when the change is kept: what nft lists is not known before.
  const kept = keepFiles({ desired, observed });
  const entries: BootEntry[] = [
    ...kept,
    ...(includes ? [FIREWALL_SCRIPT] : []),
    ...bootFiles(found, desired.sysctls),
  ];
  return { init, entries, includes };
}

export const isForBoot = ({ afterConfirm }: Step): boolean => afterConfirm === true;

interface PersistedHost {
  name: string;
  steps: readonly Step[];
  desired: HostState;
  observed: ObservedHost;
}

/**
 * What was applied stands, whatever becomes of this.
 * @param hosts servers first
 * @param saved names of those whose state was written just now
 * @throws SidetrackError `not-persisted`, when the others are done
 */
export async function persistHosts(
  places: Places,
  hosts: readonly PersistedHost[],
  saved: ReadonlySet<string>,
  { onStep }: ExecuteOptions,
): Promise<void> {
  const failures: string[] = [];
  for (const host of hosts) {
    const steps = host.steps.filter(isForBoot);
    try {
      if (steps.length > 0) await executeSteps(places, steps, onStep ? { onStep } : {});
      else if (saved.has(host.name) && host.desired.persist) await keepStateOf(places, host);
    } catch (error) {
      failures.push(`${host.name}: ${reasonOf(error)}; ${await leftAlone(places, host)}`);
    }
  }
  if (failures.length === 0) return;
  throw new SidetrackError(`applied, but not persisted: ${failures.join('; ')}`, {
    code: 'not-persisted',
    source: 'host',
    outcome: 'not-persisted',
    hint: 'see that /etc there can be written and has room, then: sidetrack apply --persist',
  });
}

async function keepStateOf(places: Places, { name, observed }: PersistedHost): Promise<void> {
  const { session } = places.get(name)!;
  const [result] = await session.batch([keepState(observed.stateDir)]);
  if (result!.status !== 0) throw new Error(result!.stderr.trim());
}

/** Without what the roll-back adds to it. */
const reasonOf = (error: unknown): string => {
  const { cause, message } = error as Error;
  return cause instanceof Error ? cause.message : message;
};

/** A watcher with what was persisted before would take back what has just been applied. */
async function leftAlone(
  places: Places,
  { name, observed: { persist, stateDir } }: PersistedHost,
): Promise<string> {
  if (!persist?.isKept) return 'its next boot takes away what was applied';
  const { session } = places.get(name)!;
  const stopped = await session.batch([stop(persist.init, stateDir)]).catch(() => undefined);
  const watcher =
    stopped?.[0]?.status === 0 ? 'its watcher is stopped' : 'its watcher may be running';
  return `${watcher}, and its next boot brings back what was persisted before`;
}

/** Whether the next boot brings a host back as it was applied. */
export interface Persistence {
  persisted: boolean;
  /** Absent where it is. */
  why?: string;
}

/** Undefined for a namespace, which has no boot. @param steps undefined where the host cannot be planned */
export function persistence(
  { persist: found }: ObservedHost,
  steps: readonly Step[] | undefined,
): Persistence | undefined {
  if (found === undefined) return undefined;
  const no = (why: string): Persistence => ({ persisted: false, why });
  if (!found.isKept)
    return no(
      found.isSealed
        ? 'its /etc cannot be written'
        : 'nobody has asked for it: sidetrack apply --persist',
    );
  const unstarted = notStarted(found.init);
  if (unstarted !== undefined) return no(`${unstarted.message}; ${unstarted.hint}`);
  if (steps?.some(isForBoot))
    return no(
      `what is there is not what was applied: ${found.isSealed ? 'its /etc cannot be written' : 'sidetrack apply'}`,
    );
  return { persisted: true };
}
