/** Whether a host reaches its gateways, by ping and by the neighbour table. */
import { defaultHops } from '../../plan/default-route.js';
import type { ObservedHost } from '../../plan/state.js';
import type { Probe } from './probe.js';

/** A default route without a gateway (PPPoE, a tunnel) has nothing on its link that could be asked. */
export function gatewayProbes(name: string, host: ObservedHost): Probe[] {
  return ([4, 6] as const).flatMap((family) => {
    const hops = defaultHops(host, family).flatMap(({ via, dev }) =>
      via === undefined || dev === undefined ? [] : [{ via, dev }],
    );
    return hops.flatMap(({ via, dev }) => [
      {
        name: `gateway-ping ${via}`,
        works: `${name} reaches its gateway ${via} (ping)`,
        fails: `${name} no longer reaches its gateway ${via} (ping)`,
        call: ['pings', String(family), via, dev],
      },
      {
        name: `gateway-neighbour ${via}`,
        works: `${name} reaches its gateway ${via} (neighbour table)`,
        fails: `${name} no longer reaches its gateway ${via} (neighbour table)`,
        call: ['neighbour', via, dev],
      },
    ]);
  });
}
