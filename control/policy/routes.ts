/**
 * The relay's routes → what its engine searches: the address space, cut wherever the answer to
 * "which routes name this address?" changes, so that one binary search answers for all of them.
 */
import type { DestinationTable, Route, Routing } from '../../proxy/routes.js';
import type { Config } from '../config/config.js';
import { type Addresses, addressResolver, mergePorts } from './compile.js';
import type { PrefixSet } from './prefix-set.js';

/** A border as one number: its address, then the route's number, then whether the route begins. */
const ROUTES = 32;
const V4_END = 2 ** 32;

/** Every border of every set, in order of address. An end is the first address behind it. */
function bordersOfV4(sets: readonly (PrefixSet | undefined)[]): Float64Array {
  const intervals = sets.map((set) => set?.v4Intervals());
  const count = intervals.reduce((sum, set) => sum + 2 * (set?.starts.length ?? 0), 0);
  const borders = new Float64Array(count);
  let at = 0;
  intervals.forEach((set, route) => {
    set?.starts.forEach((start, i) => {
      borders[at++] = (start * ROUTES + route) * 2 + 1;
      borders[at++] = ((set.ends[i]! + 1) * ROUTES + route) * 2;
    });
  });
  return borders.sort();
}

function cutV4(sets: readonly (PrefixSet | undefined)[]): {
  starts: Uint32Array;
  routes: Uint32Array;
} {
  const borders = bordersOfV4(sets);
  const starts = new Uint32Array(borders.length);
  const routes = new Uint32Array(borders.length);
  let count = 0;
  let bits = 0;
  for (let i = 0; i < borders.length; ) {
    const address = Math.floor(borders[i]! / (2 * ROUTES));
    const before = bits;
    for (; i < borders.length && Math.floor(borders[i]! / (2 * ROUTES)) === address; i++)
      bits = toggled(bits, borders[i]! % (2 * ROUTES));
    if (bits === before || address === V4_END) continue;
    starts[count] = address;
    routes[count++] = bits;
  }
  return { starts: starts.slice(0, count), routes: routes.slice(0, count) };
}

/** The intervals of a set neither overlap nor touch, so a border always changes its route's bit. */
function toggled(bits: number, border: number): number {
  return (bits ^ (1 << (border >> 1))) >>> 0;
}

interface BorderV6 {
  address: bigint;
  route: number;
}

function cutV6(sets: readonly (PrefixSet | undefined)[]): {
  starts: bigint[];
  routes: Uint32Array;
} {
  const borders: BorderV6[] = [];
  sets.forEach((set, route) => {
    const intervals = set?.v6Intervals();
    intervals?.starts.forEach((start, i) => {
      borders.push({ address: start, route }, { address: intervals.ends[i]! + 1n, route });
    });
  });
  borders.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  const starts: bigint[] = [];
  const routes: number[] = [];
  let bits = 0;
  for (let i = 0; i < borders.length; ) {
    const { address } = borders[i]!;
    const before = bits;
    for (; i < borders.length && borders[i]!.address === address; i++)
      bits = toggled(bits, borders[i]!.route << 1);
    if (bits === before || address === 1n << 128n) continue;
    starts.push(address);
    routes.push(bits);
  }
  return { starts, routes: Uint32Array.from(routes) };
}

/** @param sets what each route names, in order; undefined where it names every address. */
export function destinationTable(sets: readonly (PrefixSet | undefined)[]): DestinationTable {
  if (sets.length > ROUTES) throw new RangeError(`more than ${ROUTES} routes`);
  const v4 = cutV4(sets);
  const v6 = cutV6(sets);
  return { v4Starts: v4.starts, v4Routes: v4.routes, v6Starts: v6.starts, v6Routes: v6.routes };
}

/** A route whose `to` comes to nothing stays: it never matches, and keeps its place in the metrics. */
export function compileRoutes(config: Config): Routing {
  const addresses: Addresses = addressResolver(config);
  const sets = config.relay.routes.map(({ to }) => to && addresses(to));
  const routes = config.relay.routes.map(
    ({ name, upstreams, ports, to }): Route => ({
      name,
      upstreams: [...new Set(upstreams)],
      anyDestination: to === undefined,
      ...(ports !== undefined && { ports: mergePorts(ports) }),
    }),
  );
  return { routes, destinations: destinationTable(sets) };
}
