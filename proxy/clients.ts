/** What the engine has counted for each client, over all threads: see engine/base/client-table.h. */
import { CLIENT_ADDRESS_OFFSET, CLIENT_SIZE, CLIENTS, clientOffset } from './abi.js';
import { formatAddress } from './address.js';
import * as ffi from './ffi.js';

/** Stands for all clients that have no entry of their own, or not any more. */
export const OTHER_CLIENTS = 'other';

/** Sums since the start of the relay, or since the client came back after it was forgotten. */
export interface ClientStats {
  /** A whole address, IPv6 too; or `other`. */
  address: string;
  /** Connections open now. */
  active: number;
  connections: number;
  uploadBytes: number;
  downloadBytes: number;
  /** When a connection of it began or ended. */
  lastSeen: Date;
}

/** The tables of one relay's threads. */
export class ClientTables {
  /** A thread's entries as of the last time that it could be read. */
  readonly #entries: Buffer[];
  readonly #buffer = Buffer.alloc(CLIENTS * CLIENT_SIZE);

  constructor(
    private readonly handle: ffi.Handle,
    threads: number,
  ) {
    this.#entries = Array.from({ length: threads }, () => Buffer.alloc(0));
  }

  /** In no order; `other` is the last, if there is anything that it stands for. */
  read(): ClientStats[] {
    this.#entries.forEach((_, thread) => {
      const count = ffi.readClients(this.handle, thread, this.#buffer);
      // Clients may come and go so fast that the engine gives up.
      if (count > 0)
        this.#entries[thread] = Buffer.from(this.#buffer.subarray(0, count * CLIENT_SIZE));
    });
    return sumClients(this.#entries);
  }
}

/** @param threads entries of each; the first of each is of those clients that have none. */
export function sumClients(threads: readonly Buffer[]): ClientStats[] {
  const sums = new Map<string, ClientStats>();
  const other = { ...NOTHING, address: OTHER_CLIENTS, lastSeen: new Date(0) };
  for (const entries of threads)
    for (let at = 0; at < entries.length; at += CLIENT_SIZE) {
      const start = at + CLIENT_ADDRESS_OFFSET;
      const address = entries.toString('latin1', start, start + 16);
      const sum = at === 0 ? other : (sums.get(address) ?? newcomer(address));
      if (at > 0) sums.set(address, sum);
      addEntry(sum, entries, at);
    }
  return [...sums.values(), ...(other.connections > 0 ? [other] : [])];
}

const NOTHING = { active: 0, connections: 0, uploadBytes: 0, downloadBytes: 0 };

const newcomer = (bytes: string): ClientStats => ({
  ...NOTHING,
  address: formatAddress(Buffer.from(bytes, 'latin1')),
  lastSeen: new Date(0),
});

/** Exact below 2^53, as all counters here; much faster than a BigInt. */
function readCount(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

function addEntry(sum: ClientStats, entries: Buffer, at: number): void {
  sum.active += readCount(entries, at + clientOffset.active);
  sum.connections += readCount(entries, at + clientOffset.connections);
  sum.uploadBytes += readCount(entries, at + clientOffset.upload_bytes);
  sum.downloadBytes += readCount(entries, at + clientOffset.download_bytes);
  const seen = readCount(entries, at + clientOffset.seen_ms);
  if (seen > sum.lastSeen.getTime()) sum.lastSeen = new Date(seen);
}
