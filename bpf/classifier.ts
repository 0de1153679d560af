/**
 * The eBPF classifier as others change it: attach, try, detach. state.ts and stats.ts look at it.
 *
 * To attach is to bring a new program set into force: everything is loaded and written first, then
 * each interface's filter is replaced in one step, so every packet meets either the old policy or
 * the new one. The flow table is shared, and live flows do not notice. If a step fails, the old
 * program set stays; what a crash leaves is repaired by the next call.
 */
import { events, outcomes, structSize, TARGETS_MAX } from './abi.js';
import { type AttachOptions, type AttachTarget, knownServers, listens } from './attach-options.js';
import { countFlowsOf } from './clients.js';
import type { Steering } from './config.js';
import { ClassifierError } from './error.js';
import { requireFeatures } from './feature.js';
import { closeDescriptor } from './ffi.js';
import { addFlows, FLOW_MAPS, type Flow, readFlows } from './flows.js';
import { beginServers, forgetServers } from './health.js';
import { findInterface, listInterfaces, requireEthernet } from './interface.js';
import { mapInfo } from './map.js';
import type { BpfObject } from './object.js';
import { PinDirectory } from './pin.js';
import { policyMetadata, serverMetadata, wayMetadata } from './pin-metadata.js';
import { findXdpWay, type XdpWay } from './port.js';
import {
  HEARTBEAT_PROGRAM,
  loadProgramSet,
  PROGRAM,
  SHARED_MAPS,
  type SharedMap,
} from './program-set.js';
import { compileTables } from './tables.js';
import {
  attachedProgram,
  attachFilter,
  detachFilter,
  ensureQdisc,
  holdsOurs,
  programId,
  removeUnusedQdisc,
  requireFreePriority,
  requireOwnFilter,
} from './tc.js';
import { attachXdp, detachXdp, requireFreeXdp, XDP_PROGRAM } from './xdp.js';

interface Device {
  name: string;
  ifindex: number;
}

/** Pins of a program set; `program` comes last, so that it vouches for the others. */
const PROGRAM_PINS = ['rule_counters', 'rule_names', 'program'] as const;

/** By which our filters are known. */
const PROGRAMS = [PROGRAM, HEARTBEAT_PROGRAM] as const;

const SHARED_SIZES: Readonly<Record<SharedMap, [key: number, value: number]>> = {
  flows_v4: [structSize.flowKeyV4, structSize.flow],
  flows_v6: [structSize.flowKeyV6, structSize.flow],
  clients: [structSize.clientKey, structSize.client],
  counters: [4, structSize.counter],
  servers: [4, structSize.server],
  moved: [4, 8],
};

const isFlowMap = (map: SharedMap) => FLOW_MAPS.some((flows) => flows.map === map);

/** BPF_MAP_TYPE_HASH of linux/bpf.h. */
const HASH = 1;

/** The pinned map, unless an older version of the program left it in another shape. */
function openShared(pins: PinDirectory, map: SharedMap): number | undefined {
  const fd = pins.open(map);
  if (fd === undefined) return undefined;
  const { type, keySize, valueSize, maxEntries } = mapInfo(fd);
  const [key, value] = SHARED_SIZES[map];
  const isHash = isFlowMap(map) || map === 'clients';
  const fits = map !== 'counters' || maxEntries === outcomes.length + events.length;
  if (keySize === key && valueSize === value && fits && isHash === (type === HASH)) return fd;
  closeDescriptor(fd);
  return undefined;
}

function indicesOf({ v4: name4, v6: name6 }: AttachTarget['routeInterface'] = {}) {
  const index = (name: string | undefined) =>
    name === undefined ? undefined : findInterface(name);
  const [v4, v6] = [index(name4), index(name6)];
  return { ...(v4 !== undefined && { v4 }), ...(v6 !== undefined && { v6 }) };
}

function fullSteering({ steering }: AttachOptions, xdp: XdpWay | undefined): Steering {
  const targets = steering.targets.map(({ redirectInterface, routeInterface, ...rest }, place) => {
    const target = { ...rest, routeIfindex: indicesOf(routeInterface) };
    if (redirectInterface === undefined) return target;
    const xdpIfindex = xdp?.exits[place]?.ifindex;
    return {
      ...target,
      redirectIfindex: requireEthernet(redirectInterface),
      ...(xdpIfindex !== undefined && { xdpIfindex }),
    };
  });
  return { ...steering, targets, ...(xdp && { xdpPorts: xdp.ports }) };
}

function findXdp({ xdp, interfaces, steering }: AttachOptions) {
  if (xdp !== true) return undefined;
  const targets = steering.targets.map(({ redirectInterface, macs }) => {
    if (redirectInterface !== undefined) return { redirectInterface, macs };
    throw new ClassifierError('XDP can redirect packets, but not mark them', {
      code: 'xdp-needs-redirect',
      source: 'user',
      hint: 'name the interface to the server',
    });
  });
  return findXdpWay(interfaces, targets);
}

/**
 * The maps that the next program set goes on with: those of the size that it wants. In a flow table of
 * another size not every flow may find room, so its clients are counted anew.
 */
function openKept(pins: PinDirectory, flowTableSize: number): Partial<Record<SharedMap, number>> {
  const kept: Partial<Record<SharedMap, number>> = {};
  for (const map of SHARED_MAPS) {
    const fd = openShared(pins, map);
    if (fd === undefined) continue;
    const fits =
      map === 'clients'
        ? FLOW_MAPS.every((flows) => kept[flows.map] !== undefined)
        : !isFlowMap(map) || mapInfo(fd).maxEntries === flowTableSize;
    if (fits) kept[map] = fd;
    else closeDescriptor(fd);
  }
  return kept;
}

/** A program set that is loaded and not in force yet. */
interface NextProgramSet {
  object: BpfObject;
  /** Shared maps that begin with it. */
  made: SharedMap[];
}

function loadNext(
  options: AttachOptions,
  pins: PinDirectory,
  xdp: XdpWay | undefined,
): NextProgramSet {
  const shared = openKept(pins, options.flowTableSize);
  try {
    const object = loadProgramSet({
      object: options.object,
      tables: compileTables(options.policy),
      steering: fullSteering(options, xdp),
      flowTableSize: options.flowTableSize,
      shared,
      listensOnly: listens(options),
    });
    return { object, made: SHARED_MAPS.filter((map) => shared[map] === undefined) };
  } finally {
    for (const fd of Object.values(shared)) closeDescriptor(fd);
  }
}

/** Tells a new flow table what the old one, or another classifier, knows, and counts those flows in `clients`. */
function fillFlows(pins: PinDirectory, { object, made }: NextProgramSet, others: readonly Flow[]) {
  const clients = object.mapDescriptor('clients');
  for (const { map, family } of FLOW_MAPS) {
    const fd = object.mapDescriptor(map);
    const old = made.includes(map) ? openShared(pins, map) : undefined;
    if (old !== undefined) {
      countFlowsOf(clients, addFlows(fd, family, readFlows(old, family)));
      closeDescriptor(old);
    }
    countFlowsOf(clients, addFlows(fd, family, others));
  }
}

/** A new table of clients beside a flow table that goes on: an older version did not count. */
function countKeptFlows({ object, made }: NextProgramSet): void {
  if (!made.includes('clients')) return;
  for (const { map, family } of FLOW_MAPS)
    if (!made.includes(map))
      countFlowsOf(object.mapDescriptor('clients'), readFlows(object.mapDescriptor(map), family));
}

function attachTo(pins: PinDirectory, name: string, ifindex: number, program: number): void {
  pins.addInterface(name);
  const wasMade = pins.hasQdisc(name);
  // Before it is made: a crash in between must not leave one that is not pinned.
  pins.addQdisc(name);
  if (!ensureQdisc(ifindex) && !wasMade) pins.removeQdisc(name);
  attachFilter(name, ifindex, program, PROGRAMS);
}

function detachFrom(pins: PinDirectory, name: string): void {
  const ifindex = findInterface(name);
  if (ifindex !== undefined) {
    detachFilter(ifindex, PROGRAMS);
    if (pins.hasQdisc(name)) removeUnusedQdisc(name, ifindex);
  }
  // An interface that vanished took its filters with it.
  pins.removeInterface(name);
}

/** Pins may have been removed by hand; programs stay where they are attached. */
function detachUnpinned(name: string, ifindex: number): void {
  detachXdp(ifindex);
  if (!holdsOurs(ifindex, PROGRAMS)) return;
  detachFilter(ifindex, PROGRAMS);
  removeUnusedQdisc(name, ifindex);
}

function attachXdpTo(pins: PinDirectory, { name, ifindex }: Device, program: number): void {
  pins.addDevice(name);
  attachXdp(name, ifindex, program);
}

function detachXdpFrom(pins: PinDirectory, name: string): void {
  const ifindex = findInterface(name);
  if (ifindex !== undefined) detachXdp(ifindex);
  pins.removeDevice(name);
}

/** Puts XDP of the program set in force back where it was, and takes it away elsewhere. */
function revertXdp(
  pins: PinDirectory,
  touched: readonly string[],
  before: readonly string[],
): void {
  const old = pins.open('xdp_program');
  for (const name of touched) {
    const ifindex = findInterface(name);
    if (ifindex !== undefined && old !== undefined && before.includes(name)) {
      attachXdp(name, ifindex, old);
    } else {
      detachXdpFrom(pins, name);
    }
  }
  if (old !== undefined) closeDescriptor(old);
}

/** Comes after the filters: what XDP passes must be judged by the same program set or a later one. */
function replaceXdp(pins: PinDirectory, devices: readonly Device[], program: number): string[] {
  const before = pins.devices();
  const touched: string[] = [];
  try {
    for (const device of devices) {
      touched.push(device.name);
      attachXdpTo(pins, device, program);
    }
    return touched;
  } catch (error) {
    revertXdp(pins, touched, before);
    throw error;
  }
}

/** What was at an interface before: the id of its program. */
type Before = ReadonlyMap<string, number | undefined>;

/** Puts the program set in force back where another one was already. */
function revert(pins: PinDirectory, touched: readonly string[], before: Before): void {
  const old = ['program', 'hear_program'].flatMap((pin) => {
    const fd = pins.open(pin);
    return fd === undefined ? [] : [{ fd, id: programId(fd) }];
  });
  for (const name of touched) {
    const ifindex = findInterface(name);
    const program = old.find(({ id }) => id === before.get(name)) ?? old[0];
    if (ifindex !== undefined && program !== undefined && before.has(name)) {
      attachFilter(name, ifindex, program.fd, PROGRAMS);
    } else {
      detachFrom(pins, name);
    }
  }
  for (const { fd } of old) closeDescriptor(fd);
}

function attachedBefore(pins: PinDirectory): Before {
  return new Map(
    pins.interfaces().map((name) => {
      const ifindex = findInterface(name);
      return [name, ifindex === undefined ? undefined : attachedProgram(ifindex)];
    }),
  );
}

/** Replaces the filters, then does `next`; if either fails, the old filters are put back. */
async function replaceFilters(
  pins: PinDirectory,
  interfaces: ReadonlyMap<string, Place>,
  object: BpfObject,
  next: () => Promise<void>,
): Promise<void> {
  const before = attachedBefore(pins);
  const touched: string[] = [];
  try {
    for (const [name, { ifindex, program }] of interfaces) {
      touched.push(name);
      attachTo(pins, name, ifindex, object.programDescriptor(program));
    }
    await next();
  } catch (error) {
    revert(pins, touched, before);
    throw error;
  }
}

function descriptorOf(object: BpfObject, pin: string): number {
  if (pin === 'program') return object.programDescriptor();
  if (pin === 'hear_program') return object.programDescriptor(HEARTBEAT_PROGRAM);
  return pin === 'xdp_program' ? object.programDescriptor(XDP_PROGRAM) : object.mapDescriptor(pin);
}

/** Where a filter goes, and which. */
interface Place {
  ifindex: number;
  program: (typeof PROGRAMS)[number];
}

function requireInterfaces({ interfaces, listening = [] }: AttachOptions) {
  const places = new Map<string, Place>();
  for (const name of listening)
    places.set(name, { ifindex: requireEthernet(name), program: HEARTBEAT_PROGRAM });
  for (const name of interfaces)
    places.set(name, { ifindex: requireEthernet(name), program: PROGRAM });
  for (const [name, { ifindex }] of places) {
    requireOwnFilter(name, ifindex, PROGRAMS);
    requireFreePriority(name);
  }
  return places;
}

/**
 * Whether `attachClassifier` would succeed, as far as one can know without a change: everything is
 * loaded, so the verifier has had its say, and thrown away.
 */
export function tryClassifier(options: AttachOptions): void {
  requireFeatures();
  const pins = new PinDirectory(options.directory);
  pins.requireFileSystem();
  requireInterfaces(options);
  const xdp = findXdp(options);
  for (const { name, ifindex } of xdp?.ports ?? []) requireFreeXdp(name, ifindex);
  loadNext(options, pins, xdp).object.close();
}

/** Brings `options.policy` into force on `options.interfaces`, and nowhere else. */
export async function attachClassifier(options: AttachOptions): Promise<void> {
  requireFeatures();
  const pins = new PinDirectory(options.directory);
  const interfaces = requireInterfaces(options);
  const xdp = findXdp(options);
  for (const { name, ifindex } of xdp?.ports ?? []) requireFreeXdp(name, ifindex);
  pins.requireFileSystem();
  const next = loadNext(options, pins, xdp);
  const { object } = next;
  const extra = [
    ...(xdp ? (['xdp_program'] as const) : []),
    ...(listens(options) ? (['hear_program'] as const) : []),
  ];
  const pinned = [...next.made, ...extra, ...PROGRAM_PINS];
  const before = pins.readMetadata('policy');
  const servers = knownServers(options);
  let forgetAgain = () => {};
  let isInForce = false;
  try {
    pins.create();
    pins.discardAllNext();
    pins.writeMetadata('policy', []);
    for (const pin of pinned) pins.pinNext(pin, descriptorOf(object, pin));
    countKeptFlows(next);
    fillFlows(pins, next, (await options.takeOver?.()) ?? []);
    forgetAgain = beginServers(object.mapDescriptor('servers'), servers);
    let others: readonly Flow[] = [];
    await replaceFilters(pins, interfaces, object, async () => {
      // What was admitted in between; asked while the old filters can still be put back.
      others = (await options.takeOver?.()) ?? [];
      if (xdp) replaceXdp(pins, xdp.ports, object.programDescriptor(XDP_PROGRAM));
    });
    isInForce = true;
    fillFlows(pins, next, others);
    for (const pin of pinned) pins.commitNext(pin);
    const devices = new Set(xdp?.ports.map(({ name }) => name));
    for (const name of pins.devices()) if (!devices.has(name)) detachXdpFrom(pins, name);
    if (!xdp) pins.discard('xdp_program');
    if (!listens(options)) pins.discard('hear_program');
    for (const name of pins.interfaces()) if (!interfaces.has(name)) detachFrom(pins, name);
    const heard = xdp?.exits.flatMap((exit) => exit?.heard ?? []) ?? [];
    pins.writeMetadata('way', heard.map(wayMetadata));
    pins.writeMetadata('targets', servers.map(serverMetadata));
    pins.writeMetadata('listening', options.listening ?? []);
    forgetServers(object.mapDescriptor('servers'), servers, TARGETS_MAX);
    pins.writeMetadata('policy', policyMetadata(options.digest, options.object));
  } catch (error) {
    // Once the new program set judges there is no way back: it is taken for neither, and the next attach makes it whole.
    if (!isInForce) forgetAgain();
    for (const pin of pinned) pins.discardNext(pin);
    if (pins.has('program')) {
      if (!isInForce) pins.writeMetadata('policy', before);
    } else {
      detachPinned(pins);
      pins.remove();
    }
    throw error;
  } finally {
    object.close();
  }
}

/** From where the pins say that we are. */
function detachPinned(pins: PinDirectory): void {
  for (const name of pins.devices()) detachXdpFrom(pins, name);
  for (const name of pins.interfaces()) detachFrom(pins, name);
}

/**
 * Takes everything away that `attachClassifier` made, wherever it sits, also when the pins are gone;
 * safe to call when there is nothing.
 * @param handOver called while no filter steers any more and the flow table can still be read.
 */
export function detachClassifier(directory: string, handOver: () => void = () => {}): void {
  const pins = new PinDirectory(directory);
  detachPinned(pins);
  for (const { name, ifindex } of listInterfaces()) detachUnpinned(name, ifindex);
  if (pins.exists) handOver();
  pins.remove();
}
