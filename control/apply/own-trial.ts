/** The connection of the machine that sidetrack runs on, tried before a change and demanded after it. */
import type { Config } from '../config/config.js';
import type { ObservedHost } from '../plan/state.js';
import type { Policy } from '../policy/rule.js';
import { ROUTER } from './macs.js';
import { managementOf } from './management.js';
import type { Places } from './place.js';
import { destinationText } from './probes/internet.js';
import { answersUs, ownConnection } from './probes/own-connection.js';
import type { ProbeReport, ProbeState } from './probes/trial.js';

/** Of a try; the kernel sends a lost SYN again after one second. */
const ANSWER_MS = 2500;
/** What takes longer before a change is not demanded after it. */
const MEASURE_MS = 1000;
const TRIES = 3;

export interface OwnTrial {
  /** @throws Error that says what does not work any more */
  demand(): Promise<void>;
}

/**
 * Tries at once, and lets the change begin meanwhile: what the router itself tries comes before its first step, too.
 * Nothing where we are no client of the router.
 */
export function ownTrialOf(
  { config, policy }: { config: Config; policy: Policy },
  places: Places,
  hosts: readonly { name: string; observed: ObservedHost }[],
  { onMeasured, signal }: Options,
): OwnTrial | undefined {
  const router = hosts.find(({ name }) => name === ROUTER)?.observed;
  const place = places.get(ROUTER);
  if (router === undefined || place === undefined) return undefined;
  const own = ownConnection(config, policy, router, managementOf(place.host, router));
  if (own === undefined) return undefined;
  const { destination, works, fails } = own;
  let after: ProbeState | undefined;
  const measured = answersUs(destination, MEASURE_MS).then((answered) => {
    const before = stateOf(answered);
    onMeasured?.(() => [
      {
        host: 'this machine',
        probe: `canary ${destinationText(destination)}`,
        text: after === 'fails' ? fails : works,
        before,
        demanded: answered,
        ...(after !== undefined && { after }),
      },
    ]);
    return answered;
  });
  return {
    async demand() {
      if (!(await measured)) return;
      for (let turn = 0; turn < TRIES; turn++) {
        signal?.throwIfAborted();
        after = stateOf(await answersUs(destination, ANSWER_MS));
        if (after === 'works') return;
      }
      throw new Error(fails);
    },
  };
}

interface Options {
  onMeasured?: ((reports: () => ProbeReport[]) => void) | undefined;
  signal?: AbortSignal | undefined;
}

const stateOf = (works: boolean): ProbeState => (works ? 'works' : 'fails');
