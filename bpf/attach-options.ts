/** What a classifier is attached with, as far as no machine is needed to know it. */
import { numberOf, type Steering, type SteeringTarget } from './config.js';
import type { Flow } from './flows.js';
import { type KnownServer, ownerOf } from './health.js';
import type { ClassifierPolicy } from './policy.js';
import type { HealthMode } from './server-health.js';

export interface AttachTarget
  extends Omit<SteeringTarget, 'redirectIfindex' | 'xdpIfindex' | 'routeIfindex'> {
  /** For those who look later; absent: unnamed, judged by its route. */
  name?: string;
  health?: HealthMode;
  drained?: boolean;
  /** Straight to the server through this interface; absent, packets are marked and routed. */
  redirectInterface?: string;
  /** Interfaces that the policy route must use when a flow begins; absent, or not there, any will do. */
  routeInterface?: { v4?: string; v6?: string };
}

export interface AttachOptions {
  /** Pins go here: a directory in a BPF file system. */
  directory: string;
  /** The program's object file. */
  object: string;
  /** Where client packets come in. */
  interfaces: readonly string[];
  /** Where servers' heartbeats come in, and no client packets. */
  listening?: readonly string[];
  policy: ClassifierPolicy;
  steering: Omit<Steering, 'targets' | 'xdpPorts'> & { targets: readonly AttachTarget[] };
  /** Beside redirect: also in XDP, on these interfaces or, of bridges, on their ports. */
  xdp?: boolean;
  /** Flows for each family. In a table of another size all live flows find themselves again. */
  flowTableSize: number;
  /** Names what the options say, so that `showClassifier` can tell whether it is still in force. */
  digest?: string;
  /** Flows that another classifier steers until now. Asked before the first filter and after the last. */
  takeOver?: () => Promise<readonly Flow[]>;
}

/** Whether there are interfaces where heartbeats are all that is heard. */
export const listens = ({ listening = [] }: Pick<AttachOptions, 'listening'>): boolean =>
  listening.length > 0;

/** The servers as the pins name them. */
export function knownServers({ steering }: Pick<AttachOptions, 'steering'>): KnownServer[] {
  return steering.targets.map((target, place) => {
    const { name = '', health = 'route', drained = false, nextHop, heartbeat } = target;
    const families = [nextHop.v4 === undefined ? [] : 4, nextHop.v6 === undefined ? [] : 6];
    return {
      number: numberOf(target, place),
      name,
      health,
      drained,
      families: families.flat() as (4 | 6)[],
      ...(heartbeat && { owner: ownerOf(heartbeat.siphashKey) }),
    };
  });
}
