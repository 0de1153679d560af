/** What a reload replaces, on its way into the engine: upstreams, routes and the guard; and their slots. */
import {
  FORBIDDEN_PORTS,
  ROUTE_SLOTS,
  STATUS_FORBIDDEN_PORTS_OFFSET,
  STATUS_SIZE,
  statusOffset,
  UPSTREAM_SLOTS,
} from './abi.js';
import * as ffi from './ffi.js';
import type { GenerationOptions } from './options.js';
import { encodeDestinations, encodeRoute, NO_ROUTE, NO_ROUTES } from './routes.js';
import { Slots } from './slots.js';
import { DIRECT, encodeUpstream, FAMILIES, type Family, type Upstream } from './upstreams.js';

/** The slots of one relay, by name. */
export interface Names {
  upstreams: Slots;
  routes: Slots;
  /** How many each upstream has, by its name; of `direct`, which has none, there is nothing. */
  addresses: Map<string, number>;
}

export const newNames = (): Names => ({
  upstreams: new Slots(UPSTREAM_SLOTS),
  routes: new Slots(ROUTE_SLOTS, [NO_ROUTE]),
  addresses: new Map(),
});

/** Slots that a proposed generation takes once it is committed. */
export interface Proposal {
  upstreams: { names: string[]; slots: number[]; addresses: (number | undefined)[] };
  routes: { names: string[]; slots: number[] };
}

export interface EngineStatus {
  value(name: keyof typeof statusOffset): number;
  isBusyUpstream(slot: number): boolean;
  isBusyRoute(slot: number): boolean;
  isFailing(slot: number): boolean;
  /** It has failed so lately that it is not tried. */
  isResting(slot: number): boolean;
  /** It hangs up without a byte. */
  isSilent(slot: number): boolean;
  /** Probes found out that it does not carry this family. */
  isLacking(slot: number, family: Family): boolean;
  /** Newcomers of this family are accepted. */
  isListening(family: Family): boolean;
  /** They are not, for probes know that no upstream carries it. */
  isRefused(family: Family): boolean;
  /** Where it would not connect to. */
  forbiddenPorts(slot: number): number[];
  /** No address is known for its name. */
  isUnresolved(slot: number): boolean;
}

export function readStatus(handle: ffi.Handle): EngineStatus {
  const status = Buffer.alloc(STATUS_SIZE);
  ffi.readStatus(handle, status);
  const hasBit = (offset: number, bit: number) =>
    ((status.readUInt32LE(offset + 4 * Math.floor(bit / 32)) >>> (bit % 32)) & 1) === 1;
  return {
    value: (name) => status.readUInt32LE(statusOffset[name]),
    isBusyUpstream: (slot) => hasBit(statusOffset.busy_upstreams, slot),
    isBusyRoute: (slot) => hasBit(statusOffset.busy_routes, slot),
    isSilent: (slot) => hasBit(statusOffset.silent_upstreams, slot),
    isLacking: (slot, family) => hasBit(statusOffset[`lacking_${family}`], slot),
    isListening: (family) => hasBit(statusOffset.listening_families, FAMILIES.indexOf(family)),
    isRefused: (family) => hasBit(statusOffset.refused_families, FAMILIES.indexOf(family)),
    forbiddenPorts: (slot) => {
      const start = STATUS_FORBIDDEN_PORTS_OFFSET + 2 * FORBIDDEN_PORTS * slot;
      const ports = Array.from({ length: FORBIDDEN_PORTS }, (_, i) =>
        status.readUInt16LE(start + 2 * i),
      );
      return ports.filter((port) => port !== 0);
    },
    isUnresolved: (slot) => hasBit(statusOffset.unresolved_upstreams, slot),
    isResting: (slot) => hasBit(statusOffset.resting_upstreams, slot),
    isFailing: (slot) => hasBit(statusOffset.failing_upstreams, slot),
  };
}

/** Finds every name its slot. @throws RelayError when there are too many. */
export function propose(
  names: Names,
  { upstreams = [DIRECT], routing = NO_ROUTES }: GenerationOptions,
  status: EngineStatus,
): Proposal {
  const upstreamNames = upstreams.map(({ name }) => name);
  const routeNames = routing.routes.map(({ name }) => name);
  return {
    upstreams: {
      names: upstreamNames,
      slots: names.upstreams.propose(upstreamNames, status.isBusyUpstream),
      addresses: upstreams.map(countAddresses),
    },
    routes: {
      names: routeNames,
      slots: names.routes.propose(routeNames, status.isBusyRoute),
    },
  };
}

/** Slots that another name has had before. */
export const reusedSlots = (names: Names, { upstreams, routes }: Proposal) => ({
  upstreams: names.upstreams.reused(upstreams.names, upstreams.slots),
  routes: names.routes.reused(routes.names, routes.slots),
});

export function commitNames(names: Names, { upstreams, routes }: Proposal): void {
  names.upstreams.commit(upstreams.names, upstreams.slots);
  names.routes.commit(routes.names, routes.slots);
  upstreams.names.forEach((name, i) => {
    const count = upstreams.addresses[i];
    if (count === undefined) names.addresses.delete(name);
    else names.addresses.set(name, count);
  });
}

const countAddresses = ({ kind, address, moreAddresses = [] }: Upstream): number | undefined =>
  kind === 'direct' ? undefined : Number(address !== undefined) + moreAddresses.length;

/** Into the generation that has been begun. Returns 0 or the -errno of what the engine refuses. */
export function fillGeneration(
  handle: ffi.Handle,
  { upstreams = [DIRECT], routing = NO_ROUTES, guard }: GenerationOptions,
  proposal: Proposal,
): number {
  for (const [i, upstream] of upstreams.entries()) {
    const buffer = encodeUpstream(upstream, proposal.upstreams.slots[i]!);
    const result = ffi.addUpstream(handle, buffer);
    buffer.fill(0);
    if (result !== 0) return result;
  }
  const refusal = guard ? ffi.setGuard(handle, encodeDestinations(guard)) : 0;
  if (refusal !== 0) return refusal;
  if (routing.routes.length === 0) return 0;
  const result = ffi.setDestinations(handle, encodeDestinations(routing.destinations));
  if (result !== 0) return result;
  for (const [i, route] of routing.routes.entries()) {
    const buffer = encodeRoute(route, proposal.routes.slots[i]!, proposal.upstreams.names);
    const refused = ffi.addRoute(handle, buffer);
    if (refused !== 0) return refused;
  }
  return 0;
}
