/** The probes of a host, as what has to work there for a change to be kept. */
import type { Config } from '../config/config.js';
import type { ObservedHost } from '../plan/state.js';
import type { Policy } from '../policy/rule.js';
import type { Trial } from './change.js';
import { demandedOf, demandProbes, measureProbes, type Probe, resultsOf } from './probes/probe.js';
import { probesOf } from './probes/probes.js';

/** Nothing where there is nothing to try. */
export function trialOf(
  config: Config,
  policy: Policy,
  name: string,
  observed: ObservedHost,
): Trial | undefined {
  const probes = probesOf(config, policy, name, observed);
  if (probes.length === 0) return undefined;
  const { probeSeconds } = config.confirm;
  let demanded: Probe[] = [];
  return {
    measure: measureProbes(probes, probeSeconds).commands[0]!,
    demand({ stdout }) {
      demanded = demandedOf(resultsOf(probes, stdout));
      return demanded.length === 0 ? undefined : demandProbes(demanded, probeSeconds);
    },
    failure({ stdout }) {
      const failed = resultsOf(demanded, stdout).filter(({ state }) => state === 'fails');
      return failed.map(({ probe }) => probe.fails).join(', ') || 'a probe failed';
    },
    undo: probes.flatMap(({ undo = [] }) => undo),
  };
}
