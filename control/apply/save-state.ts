/** Saves what an apply left on a host, so that the next one can tell "as we left it". */
import { removeFiles, writeFile } from '../command/command.js';
import { ask, type Host, runChecked } from '../hosts/host.js';
import type { HostState } from '../plan/state.js';
import { tableQuery } from '../resources/nft-query.js';
import { savedQuery, stateUpdate } from '../resources/saved-parts.js';

export async function saveState(host: Host, desired: HostState): Promise<void> {
  const { table, saved } = await ask(host, { table: tableQuery, saved: savedQuery(host) });
  const { added, state, stale } = stateUpdate(desired, {
    stateDir: host.stateDir,
    ...(table.listing && { listing: table.listing }),
    ...(saved && { saved }),
  });
  try {
    for (const { path, content } of added) await runChecked(host, writeFile(path, content));
    await runChecked(host, state);
  } catch (error) {
    if (added.length > 0) await host.run(removeFiles(added.map(({ path }) => path)));
    throw error;
  }
  if (stale.length > 0) await runChecked(host, removeFiles(stale));
}
