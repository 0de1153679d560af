/** A change whose session is gone: the lock is ours, so it is not under way any more. */
import { back, forget } from '../command/change.js';
import type { NftSet } from '../nft/json.js';
import { isUnfinished, ownerText } from '../plan/change-check.js';
import type { ObservedHost } from '../plan/state.js';
import { observeHost } from './observe.js';
import type { Place, Places } from './place.js';

/** For undoing and reading back. */
const REVERT_MS = 120_000;

/** @returns the host as it is then; `change` says what became of it */
export async function recovered(
  place: Place,
  observed: ObservedHost,
  wantedSets?: readonly NftSet[],
): Promise<ObservedHost> {
  const { change, stateDir } = observed;
  if (change === undefined || !isUnfinished(change)) return observed;
  const reason = `the apply${ownerText(change)} has ended before it was confirmed`;
  // What the kernel knew of it is gone, and a file of ours is no different from any other drift.
  const command = change.rebooted ? forget(stateDir) : back(stateDir, reason);
  await place.session.batch([command], { timeoutMs: REVERT_MS });
  return observeHost(place.host, wantedSets);
}

/** What became of the last change has been told; of one that is kept, nothing is left. */
export async function forgetChanges(
  places: Places,
  hosts: readonly { name: string; observed: ObservedHost }[],
): Promise<void> {
  for (const { name, observed } of hosts)
    if (observed.change) await places.get(name)!.session.batch([forget(observed.stateDir)]);
}
