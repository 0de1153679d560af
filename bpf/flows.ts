/**
 * The flow table as user space sees it: read, counted, and filled with flows that another classifier
 * or a table of another size has steered until now.
 */
import { FLOW_CLOCK_SHIFT, flowState, structSize } from './abi.js';
import { type Address, addressBytes } from './config.js';
import { addressOf, CallError, call, check, errnoName } from './ffi.js';
import { isCallError } from './object.js';

export type FlowStateName = 'opening' | 'established' | 'closing';

/** One steered flow, as its client sends it. */
export interface Flow {
  family: 4 | 6;
  source: Address;
  sourcePort: number;
  destination: Address;
  destinationPort: number;
  state: FlowStateName;
  /** Seconds since its last packet. */
  silent: number;
  /** Number of the target that it is steered to. */
  target: number;
}

export const FLOW_MAPS = [
  { map: 'flows_v4', family: 4 },
  { map: 'flows_v6', family: 6 },
] as const;

const KEY_SIZE = { 4: structSize.flowKeyV4, 6: structSize.flowKeyV6 } as const;
const ADDRESS_SIZE = { 4: 4, 6: 16 } as const;
const STATES: readonly FlowStateName[] = ['opening', 'established', 'closing'];
const STATE_NUMBER: Readonly<Record<FlowStateName, number>> = {
  opening: flowState.OPENING,
  established: flowState.ESTABLISHED,
  closing: flowState.CLOSING,
};

/** Where struct flow has its state and target. */
const STATE = 4;
const TARGET = 6;

/** Entries read in one call: few calls, and more than any bucket of a hash table holds. */
const BATCH = 16_384;
export const UNIT_SECONDS = 2 ** FLOW_CLOCK_SHIFT / 1e9;
const NOEXIST = 1n;

/** The clock of `flow_clock()` in flow.h. */
export function flowClock(): number {
  return Number((process.hrtime.bigint() >> BigInt(FLOW_CLOCK_SHIFT)) & 0xffffffffn);
}

/** Calls `visit` with all keys and values of a hash table, a batch at a time. */
export function readBatches(
  fd: number,
  keySize: number,
  valueSize: number,
  visit: (keys: Buffer, values: Buffer, count: number) => void,
): void {
  const keys = Buffer.alloc(BATCH * keySize);
  const values = Buffer.alloc(BATCH * valueSize);
  const position = Buffer.alloc(8);
  const count = Buffer.alloc(4);
  for (let start = 0n, done = false; !done; start = addressOf(position)) {
    count.writeUInt32LE(BATCH);
    const result = call(
      'bpf_map_lookup_batch',
      fd,
      start,
      addressOf(position),
      keys,
      values,
      count,
      0n,
    );
    done = result < 0;
    if (done && errnoName(-result) !== 'ENOENT')
      throw new CallError('bpf_map_lookup_batch', -result);
    visit(keys, values, count.readUInt32LE());
  }
}

export function countFlows(fd: number, family: 4 | 6): number {
  let sum = 0;
  readBatches(fd, KEY_SIZE[family], structSize.flow, (_keys, _values, count) => {
    sum += count;
  });
  return sum;
}

const AGE_UNITS: Readonly<Record<FlowStateName, number>> = {
  opening: Math.floor(240 / UNIT_SECONDS),
  established: Math.floor(7440 / UNIT_SECONDS),
  closing: Math.floor(240 / UNIT_SECONDS),
};

/** Flows that are not too old; the others stay until a new flow needs the room. */
export function countLiveFlows(fd: number, family: 4 | 6): number {
  return [...liveFlowsByTarget(fd, family).values()].reduce((sum, one) => sum + one, 0);
}

/** The same by number of the target; none that has no flow. */
export function liveFlowsByTarget(fd: number, family: 4 | 6): Map<number, number> {
  const counts = new Map<number, number>();
  const now = flowClock();
  readBatches(fd, KEY_SIZE[family], structSize.flow, (_keys, values, count) => {
    for (let offset = 0; offset < count * structSize.flow; offset += structSize.flow) {
      const state = STATES[values.readUInt16LE(offset + STATE)] ?? 'established';
      if (((now - values.readUInt32LE(offset)) | 0) > AGE_UNITS[state]) continue;
      const target = values.readUInt16LE(offset + TARGET);
      counts.set(target, (counts.get(target) ?? 0) + 1);
    }
  });
  return counts;
}

function parseAddress(bytes: Buffer, family: 4 | 6): Address {
  return family === 4 ? bytes.readUInt32BE() : BigInt(`0x${bytes.toString('hex')}`);
}

function parseFlow(key: Buffer, value: Buffer, family: 4 | 6, now: number): Flow {
  const size = ADDRESS_SIZE[family];
  const age = (now - value.readUInt32LE(0)) | 0;
  return {
    family,
    source: parseAddress(key.subarray(0, size), family),
    destination: parseAddress(key.subarray(size, 2 * size), family),
    sourcePort: key.readUInt16BE(2 * size),
    destinationPort: key.readUInt16BE(2 * size + 2),
    state: STATES[value.readUInt16LE(STATE)] ?? 'established',
    silent: Math.max(0, Math.floor(age * UNIT_SECONDS)),
    target: value.readUInt16LE(TARGET),
  };
}

/** All flows, the too old ones among them. */
export function readFlows(fd: number, family: 4 | 6): Flow[] {
  const flows: Flow[] = [];
  const now = flowClock();
  const keySize = KEY_SIZE[family];
  readBatches(fd, keySize, structSize.flow, (keys, values, count) => {
    for (let i = 0; i < count; i++) {
      const key = keys.subarray(i * keySize, (i + 1) * keySize);
      const value = values.subarray(i * structSize.flow, (i + 1) * structSize.flow);
      flows.push(parseFlow(key, value, family, now));
    }
  });
  return flows;
}

function flowKey({ source, destination, sourcePort, destinationPort }: Flow): Buffer {
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(sourcePort, 0);
  ports.writeUInt16BE(destinationPort, 2);
  return Buffer.concat([addressBytes(source), addressBytes(destination), ports]);
}

/**
 * Enters the flows of the table's family that it does not know; what finds no room is left out.
 * @returns those that were entered.
 */
export function addFlows(fd: number, family: 4 | 6, flows: readonly Flow[]): Flow[] {
  const now = flowClock();
  return flows.filter((flow) => {
    if (flow.family !== family) return false;
    const value = Buffer.alloc(structSize.flow);
    value.writeUInt32LE((now - Math.round(flow.silent / UNIT_SECONDS)) >>> 0, 0);
    value.writeUInt16LE(STATE_NUMBER[flow.state], STATE);
    value.writeUInt16LE(flow.target, TARGET);
    try {
      check('bpf_map_update_elem', fd, flowKey(flow), value, NOEXIST);
      return true;
    } catch (error) {
      if (!isCallError(error, 'EEXIST', 'E2BIG')) throw error;
      return false;
    }
  });
}
