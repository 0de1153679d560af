/** How many flows each client has in the flow table: `clients` of maps.h, as user space sees it. */
import { structSize } from './abi.js';
import { type Address, addressBytes } from './config.js';
import { type Flow, flowClock, readBatches, UNIT_SECONDS } from './flows.js';
import { lookupElement, updateElement } from './map.js';
import { isCallError } from './object.js';

/** A client that was over its share. */
export interface RefusedClient {
  source: Address;
  /** In the flow table now. */
  flows: number;
}

/** For how long a client that was over its share is shown; REFUSED_AGE of client.h. */
const SHOWN_SECONDS = 600;
/** Where struct client_key has the family. */
const FAMILY = 16;

function clientKey({ family, source }: Flow): Buffer {
  const key = Buffer.alloc(structSize.clientKey);
  addressBytes(source).copy(key);
  key.writeUInt32LE(family, FAMILY);
  return key;
}

/** Adds flows that were entered from user space; beside a program that counts, it may miss some of its. */
export function countFlowsOf(fd: number, flows: readonly Flow[]): void {
  const counts = new Map<string, number>();
  for (const flow of flows) {
    const key = clientKey(flow).toString('hex');
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const [hex, count] of counts) {
    const key = Buffer.from(hex, 'hex');
    const value = lookupElement(fd, key, structSize.client) ?? Buffer.alloc(structSize.client);
    value.writeInt32LE(value.readInt32LE(0) + count, 0);
    try {
      updateElement(fd, key, value);
    } catch (error) {
      // No room: a client without an entry has no limit.
      if (!isCallError(error, 'E2BIG')) throw error;
    }
  }
}

function sourceOf(key: Buffer): Address {
  if (key.readUInt32LE(FAMILY) === 4) return key.readUInt32BE(0);
  return (key.readBigUInt64BE(0) << 64n) | key.readBigUInt64BE(8);
}

/** Who was over its share lately. */
export function refusedClients(fd: number): RefusedClient[] {
  const refused: RefusedClient[] = [];
  const now = flowClock();
  const { clientKey: keySize, client: valueSize } = structSize;
  readBatches(fd, keySize, valueSize, (keys, values, count) => {
    for (let i = 0; i < count; i++) {
      const value = values.subarray(i * valueSize, (i + 1) * valueSize);
      const since = value.readUInt32LE(4);
      if (since === 0 || ((now - since) | 0) * UNIT_SECONDS > SHOWN_SECONDS) continue;
      const source = sourceOf(keys.subarray(i * keySize, (i + 1) * keySize));
      refused.push({ source, flows: Math.max(0, value.readInt32LE(0)) });
    }
  });
  return refused;
}
