/** What takes everything away behind the steps of a plan, made before they have run. Pure. */
import type { DesiredPersist, FoundEntry, ObservedPersist } from '../plan/persist.js';
import type { HostState, ObservedHost, SavedState } from '../plan/state.js';
import type { Step } from '../plan/step.js';
import { observedRoute, route } from './route.js';
import { observedRule, rule } from './rule.js';
import { removalSteps } from './steps.js';

/**
 * Of all that is there now and of all that the steps make: they may have stopped anywhere in the middle.
 * @param saved what will be written down
 */
export function scriptRemoval(
  desired: HostState,
  observed: ObservedHost,
  saved: SavedState,
): Step[] {
  const newRules = rule.diff(desired.ipRules, observed).filter((change) => !rule.clears(change));
  const newRoutes = route.diff(desired.routes, observed).filter((change) => !route.clears(change));
  return removalSteps(desired.name, {
    ...observed,
    listing: observed.listing ?? { sets: [], chains: [], raw: [] },
    ipRules: [...observed.ipRules, ...newRules.map((change) => observedRule(change.rule))],
    routes: [...observed.routes, ...newRoutes.map((change) => observedRoute(change.route))],
    sysctls: {
      ...observed.sysctls,
      ...Object.fromEntries(desired.sysctls.map(({ key, value }) => [key, value])),
    },
    files: {
      ...observed.files,
      ...Object.fromEntries(desired.files.map((one) => [one.path, one])),
    },
    ...(desired.persist &&
      observed.persist && { persist: persisted(desired.persist, observed.persist) }),
    saved: { ...saved, sysctls: { ...observed.saved?.sysctls, ...saved.sysctls } },
  });
}

/** All of it in its place. */
function persisted(desired: DesiredPersist, found: ObservedPersist): ObservedPersist {
  const entries = desired.entries.map((entry): [string, FoundEntry] => [
    entry.path,
    'link' in entry
      ? { kind: 'link', target: entry.link }
      : { kind: 'file', mode: entry.mode, bytes: 0, digest: '', isOurs: true },
  ]);
  return {
    ...found,
    ...{ isKept: true, isActive: true },
    ...(desired.includes && { firewall: 'included' as const }),
    found: { ...found.found, ...Object.fromEntries(entries) },
  };
}
