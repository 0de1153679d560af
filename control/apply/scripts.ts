/** The plan of a host as scripts to be run there. */

import { OWNER_ONLY, writeFileWithMode } from '../command/command.js';
import { directoriesBelow } from '../command/lock.js';
import type { Host } from '../hosts/host.js';
import { RUN } from '../plan/paths.js';
import { downScript, type ScriptPlan, upScript } from '../plan/script.js';
import { appliedTableQuery } from '../resources/nft-query.js';
import { scriptedState, stateText } from '../resources/saved-parts.js';
import { scriptRemoval } from '../resources/script-parts.js';
import type { HostPlan } from './deployment.js';

export interface HostScripts {
  up: string;
  down: string;
}

/** @param program version of this one */
export function hostScripts(host: Host, plan: HostPlan, program: string): HostScripts {
  const { desired, observed, steps } = plan;
  const { savedText = '', address, stateDir } = observed;
  const { state, added, stale } = scriptedState(desired, observed);
  const scripts: ScriptPlan = {
    ...{ name: plan.name, address, stateDir, program, steps },
    enter: host.remote ? [] : host.wrap([]),
    found: { state: savedText, table: observed.listing !== undefined },
    saved: {
      state: stateText(state),
      writes: added.map(({ path, content }) => writeFileWithMode(path, content, OWNER_ONLY)),
      stale,
    },
    listing: appliedTableQuery({ stateDir, wantedSets: desired.table.sets }).commands[0]!,
    removal: scriptRemoval(desired, observed, state),
    directories: directoriesBelow(RUN, stateDir),
  };
  return { up: upScript(scripts), down: downScript(scripts) };
}
