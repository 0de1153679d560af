/** Flows of the eBPF classifier as elements of the nftables classifier's sets, and back. */
import type { Flow } from '../../bpf/flows.js';
import { formatAddress, parseAddress } from '../config/address.js';
import { ESTABLISHED_SECONDS, FAMILIES, TRANSITORY_SECONDS } from './flow-time.js';
import type { Command, Transaction } from './json.js';
import type { ListedSet } from './listing.js';
import { TABLE_NAME } from './router-table.js';

/** Names of the sets that hold flows. */
export const FLOW_SETS = FAMILIES.flatMap((family) => [`flows${family}`, `closing${family}`]);

interface FlowElement {
  elem: { val: { concat: (string | number)[] }; timeout?: number; expires?: number };
}

/**
 * @param name the set's own, `flows4` and so on, which says the state. `closing` holds those that open,
 * too, and they look alike; as opening ones all go on with what their clients still send.
 */
export function flowsOfSet({ name, elements }: ListedSet): Flow[] {
  const usual = name.startsWith('closing') ? TRANSITORY_SECONDS : ESTABLISHED_SECONDS;
  return (elements as FlowElement[]).flatMap(
    ({ elem: { val, timeout = usual, expires = usual } }) => {
      const [source, sourcePort, destination, destinationPort] = val.concat;
      const addresses = [source, destination].map((text) => parseAddress(String(text)));
      if (addresses[0] === undefined || addresses[1] === undefined) return [];
      return [
        {
          family: typeof addresses[0] === 'number' ? (4 as const) : (6 as const),
          source: addresses[0],
          destination: addresses[1],
          sourcePort: Number(sourcePort),
          destinationPort: Number(destinationPort),
          state: timeout <= TRANSITORY_SECONDS ? ('opening' as const) : ('established' as const),
          silent: Math.max(0, timeout - expires),
        },
      ];
    },
  );
}

/** Enters flows; those that are too old are left out. */
export function addFlowElements(flows: readonly Flow[]): Transaction {
  const commands = FLOW_SETS.flatMap((name): Command[] => {
    const elem = flows.filter((flow) => setOf(flow) === name).flatMap(element);
    return elem.length === 0
      ? []
      : [{ add: { element: { family: 'inet', table: TABLE_NAME, name, elem } } }];
  });
  return { nftables: commands };
}

const setOf = ({ family, state }: Flow) =>
  `${state === 'established' ? 'flows' : 'closing'}${family}`;

function element(flow: Flow) {
  const { source, sourcePort, destination, destinationPort, state, silent } = flow;
  const timeout = state === 'established' ? ESTABLISHED_SECONDS : TRANSITORY_SECONDS;
  const expires = timeout - silent;
  const concat = [formatAddress(source), sourcePort, formatAddress(destination), destinationPort];
  return expires <= 0 ? [] : [{ elem: { val: { concat }, timeout, expires } }];
}
