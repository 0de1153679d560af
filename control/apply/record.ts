/** Writes down what an apply left on a host, so that the next one can tell "as we left it". */
import { type Host, runChecked } from '../hosts/host.js';
import { listingDigests } from '../nft/listing.js';
import { desiredDigests } from '../plan/diff.js';
import type { HostState, SavedState } from '../plan/state.js';
import { writeState } from '../plan/steps.js';
import { observeSaved, observeTable } from './observe.js';

export async function recordState(host: Host, desired: HostState): Promise<void> {
  const [listing, saved] = await Promise.all([observeTable(host), observeSaved(host)]);
  const listed = listing ? listingDigests(listing) : {};
  const objects = Object.entries(desiredDigests(desired.table)).map(([key, digest]) => [
    key,
    { desired: digest, listed: listed[key] ?? '' },
  ]);
  const wanted = new Set(desired.sysctls.map(({ key }) => key));
  const originals = Object.entries(saved?.sysctls ?? {}).filter(([key]) => wanted.has(key));
  const state: SavedState = {
    version: 1,
    sysctls: Object.fromEntries(originals),
    objects: Object.fromEntries(objects),
  };
  const { argv, stdin } = writeState(host.stateDir, state);
  await runChecked(host, argv, { stdin: stdin! });
}
