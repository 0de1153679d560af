/** Writes down what an apply left on a host, so that the next one can tell "as we left it". */

import { writeFile } from '../command/command.js';
import { ask, type Host, runChecked } from '../hosts/host.js';
import { listingDigests } from '../nft/listing.js';
import { savedSpecPath } from '../plan/paths.js';
import type { HostState, ObservedHost, SavedState } from '../plan/state.js';
import { asInput } from '../resources/classifier.js';
import { desiredDigests } from '../resources/diff.js';
import { writeState } from '../resources/steps.js';
import { tableQuery } from './nft-table.js';
import { savedQuery } from './observe.js';

export async function recordState(host: Host, desired: HostState): Promise<void> {
  const { table, saved } = await ask(host, { table: tableQuery, saved: savedQuery(host) });
  const { listing } = table;
  const listed = listing ? listingDigests(listing) : {};
  const objects = Object.entries(desiredDigests(desired.table)).map(([key, digest]) => [
    key,
    { desired: digest, listed: listed[key] ?? '' },
  ]);
  const wanted = new Set(desired.sysctls.map(({ key }) => key));
  const originals = Object.entries(saved?.sysctls ?? {}).filter(([key]) => wanted.has(key));
  const name = desired.classifier?.digest;
  const state: SavedState = {
    version: 1,
    sysctls: Object.fromEntries(originals),
    objects: Object.fromEntries(objects),
    ...(name !== undefined && { classifier: name }),
  };
  // The specification before the state that vouches for it, the old one after that.
  const file = (digest: string) => savedSpecPath(host.stateDir, digest);
  const isNew = name !== undefined && name !== saved?.classifier;
  try {
    if (isNew) await runChecked(host, writeFile(file(name), asInput(desired.classifier!.spec)));
    await runChecked(host, writeState(host.stateDir, state));
  } catch (error) {
    if (isNew) await host.run({ argv: ['rm', '-f', file(name)] });
    throw error;
  }
  if (saved?.classifier !== undefined && saved.classifier !== name)
    await runChecked(host, { argv: ['rm', '-f', file(saved.classifier)] });
}

/** Whether a host that needs no step is nevertheless not written down as it is: an apply was killed. */
export function isUnrecorded({ classifier }: HostState, { saved }: ObservedHost): boolean {
  return classifier?.digest !== saved?.classifier;
}
