/** Routes as the engine takes them: `struct sidetrack_relay_route` and its destinations, engine/abi.h. */
import { endianness } from 'node:os';
import { ROUTE_PORTS, ROUTE_PORTS_OFFSET, ROUTE_SIZE, routeOffset } from './abi.js';

export interface Route {
  /** What metrics call it. */
  name: string;
  /** Names of upstreams; at least one. */
  upstreams: readonly string[];
  /** Matches every destination, without the table. */
  anyDestination: boolean;
  /** Inclusive, sorted, disjoint; every port when absent. */
  ports?: readonly { first: number; last: number }[];
}

/**
 * Which routes name which addresses: from each start to the next the same routes do, as bits in the
 * order of the routes. Starts ascend; below the first nothing matches.
 */
export interface DestinationTable {
  v4Starts: Uint32Array;
  v4Routes: Uint32Array;
  v6Starts: readonly bigint[];
  v6Routes: Uint32Array;
}

/** The first route that matches counts; what none matches may use every upstream. */
export interface Routing {
  routes: readonly Route[];
  destinations: DestinationTable;
}

export const NO_ROUTES: Routing = {
  routes: [],
  destinations: {
    v4Starts: new Uint32Array(),
    v4Routes: new Uint32Array(),
    v6Starts: [],
    v6Routes: new Uint32Array(),
  },
};

/** What connections are counted under that no route matches. */
export const NO_ROUTE = 'default';

/** @param upstreams names in the order in which the engine gets them. */
export function encodeRoute(route: Route, slot: number, upstreams: readonly string[]): Buffer {
  const ports = route.ports ?? [];
  if (ports.length > ROUTE_PORTS)
    throw new RangeError(`route "${route.name}" has more than ${ROUTE_PORTS} port ranges`);
  const buffer = Buffer.alloc(ROUTE_SIZE);
  const values: Record<keyof typeof routeOffset, number> = {
    slot,
    upstreams: bitsOf(route, upstreams),
    any_destination: route.anyDestination ? 1 : 0,
    port_ranges: ports.length,
  };
  for (const [name, offset] of Object.entries(routeOffset))
    buffer.writeUInt32LE(values[name as keyof typeof routeOffset], offset);
  ports.forEach(({ first, last }, i) => {
    buffer.writeUInt32LE(first, ROUTE_PORTS_OFFSET + 8 * i);
    buffer.writeUInt32LE(last, ROUTE_PORTS_OFFSET + 8 * i + 4);
  });
  return buffer;
}

function bitsOf(route: Route, upstreams: readonly string[]): number {
  return route.upstreams.reduce((bits, name) => {
    const number = upstreams.indexOf(name);
    if (number < 0) throw new RangeError(`route "${route.name}": no upstream "${name}"`);
    return (bits | (1 << number)) >>> 0;
  }, 0);
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint32Array) =>
  Buffer.from(buffer, byteOffset, byteLength);

/** One buffer, however many there are. */
export function encodeDestinations(table: DestinationTable): Buffer {
  if (endianness() !== 'LE') throw new Error('the engine and its tables are little-endian');
  const { v4Starts, v4Routes, v6Starts, v6Routes } = table;
  const starts6 = Buffer.alloc(16 * v6Starts.length);
  v6Starts.forEach((start, i) => {
    starts6.writeBigUInt64BE(start >> 64n, 16 * i);
    starts6.writeBigUInt64BE(start & 0xffffffffffffffffn, 16 * i + 8);
  });
  const header = bytesOf(Uint32Array.of(v4Starts.length, v6Starts.length));
  return Buffer.concat([header, bytesOf(v4Starts), bytesOf(v4Routes), starts6, bytesOf(v6Routes)]);
}
