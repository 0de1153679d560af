/** Flows of the eBPF classifier as elements of the nftables classifier's sets, and back. */
import type { Flow } from '../../bpf/flows.js';
import { formatAddress, parseAddress } from '../config/address.js';
import { closingSet, flowsSet, parseFlowSet } from './flow-target.js';
import { ESTABLISHED_SECONDS, FAMILIES, TRANSITORY_SECONDS } from './flow-time.js';
import type { Command, Transaction } from './json.js';
import type { ListedSet } from './listing.js';
import { TABLE_NAME } from './router-table.js';

/** The sets of one target's flows. */
export const flowSetsOf = (number: number): string[] =>
  FAMILIES.flatMap((family) => [flowsSet(family, number), closingSet(family, number)]);

/** Whether a set holds flows, of any target. */
export const isFlowSet = (name: string): boolean => parseFlowSet(name) !== undefined;

interface FlowElement {
  elem: { val: { concat: (string | number)[] }; timeout?: number; expires?: number };
}

/** By hand: there may be a million. @throws RangeError when it is none: its flow would be lost unseen. */
function asFlowElement(value: unknown): FlowElement {
  const { val, timeout = 0, expires = 0 } = (value as Partial<FlowElement> | null)?.elem ?? {};
  if (val?.concat?.length === 4 && Number.isFinite(timeout) && Number.isFinite(expires))
    return value as FlowElement;
  throw new RangeError('an element is no flow');
}

/**
 * @param name the set's own, `flows4` and so on, which says the state. `closing` holds those that open,
 * too, and they look alike; as opening ones all go on with what their clients still send.
 */
export function flowsOfSet({ name, elements }: ListedSet): Flow[] {
  const set = parseFlowSet(name);
  if (set === undefined) return [];
  const usual = set.kind === 'closing' ? TRANSITORY_SECONDS : ESTABLISHED_SECONDS;
  return elements
    .map(asFlowElement)
    .flatMap(({ elem: { val, timeout = usual, expires = usual } }) => {
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
          target: set.number,
        },
      ];
    });
}

/** Enters flows; those that are too old are left out. */
export function addFlowElements(flows: readonly Flow[]): Transaction {
  const sets = new Map<string, FlowElement[]>();
  for (const flow of flows) {
    const name = setOf(flow);
    const elements = sets.get(name) ?? [];
    elements.push(...element(flow));
    sets.set(name, elements);
  }
  const commands = [...sets].flatMap(([name, elem]): Command[] =>
    elem.length === 0
      ? []
      : [{ add: { element: { family: 'inet', table: TABLE_NAME, name, elem } } }],
  );
  return { nftables: commands };
}

const setOf = ({ family, state, target }: Flow) =>
  state === 'established' ? flowsSet(family, target) : closingSet(family, target);

function element(flow: Flow): FlowElement[] {
  const { source, sourcePort, destination, destinationPort, state, silent } = flow;
  const timeout = state === 'established' ? ESTABLISHED_SECONDS : TRANSITORY_SECONDS;
  const expires = timeout - silent;
  const concat = [formatAddress(source), sourcePort, formatAddress(destination), destinationPort];
  return expires <= 0 ? [] : [{ elem: { val: { concat }, timeout, expires } }];
}
