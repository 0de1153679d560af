/** What is in force now: programs, where they sit, flows, metadata. Only looks. */
import { existsSync } from 'node:fs';
import { type RefusedClient, refusedClients } from './clients.js';
import { countFlows, countLiveFlows, FLOW_MAPS, type Flow, readFlows } from './flows.js';
import { findInterface } from './interface.js';
import { mapInfo } from './map.js';
import { PinDirectory } from './pin.js';
import { fileDigest } from './pin-metadata.js';
import { hear, portsOf } from './port.js';
import type { SharedMap } from './program-set.js';
import { attachedProgram, programId } from './tc.js';
import { attachedXdp, type XdpMode } from './xdp.js';

export interface ClassifierState {
  /** Id of the program set in force. */
  program: number | undefined;
  interfaces: {
    name: string;
    /** `other`: another program is attached than that of the program set in force. */
    filter: 'attached' | 'missing' | 'other';
  }[];
  /** Devices with the XDP program, or that should have it; absent if redirect goes without it. */
  xdp?: { name: string; mode: XdpMode | 'missing' | 'other' }[];
  /** The port to which XDP sends, and the one on which the bridge heard the server instead. */
  serverMoved?: { from: string; to: string };
  /** Room for flows. */
  flowTable: { v4: number; v6: number } | undefined;
  /** Flows in it, those that are too old among them. */
  flows: { v4: number; v6: number };
  /** Those that are not. */
  liveFlows: { v4: number; v6: number };
  /** Clients that were over their share lately. */
  overShare: RefusedClient[];
  /** As `attachClassifier` got it; nothing where an attach ended half-way. */
  digest: string | undefined;
  /** Whether the program is another than the one that `attachClassifier` would load now. */
  outdated: boolean;
}

/** Every flow of both tables. */
export function classifierFlows(directory: string): Flow[] {
  const pins = new PinDirectory(directory);
  return FLOW_MAPS.flatMap(({ map, family }) => pins.use(map, (fd) => readFlows(fd, family)) ?? []);
}

/** What the bridge says now, if that is another port than XDP sends to; of the first server that moved. */
function serverMoved(pins: PinDirectory): ClassifierState['serverMoved'] {
  const moved = pins.readMetadata('way').flatMap((way) => {
    const [bridge, mac, from] = way.split('=');
    if (bridge === undefined || mac === undefined || from === undefined) return [];
    const to = findInterface(bridge) === undefined ? undefined : hear(bridge, [mac])?.port;
    return to === undefined || to === from ? [] : [{ from, to }];
  });
  return moved[0];
}

/** Devices that have the XDP program, and ports that joined a bridge since. */
function xdpDevices(pins: PinDirectory): string[] {
  const marked = pins.devices();
  if (marked.length === 0) return [];
  const present = pins.interfaces().filter((name) => findInterface(name) !== undefined);
  const ports = present.flatMap(portsOf).map(({ name }) => name);
  return [...new Set([...marked, ...ports])].sort();
}

/**
 * What is in force now; nothing where the classifier is not attached.
 * @param object the program's object file, to compare with what is loaded.
 */
export function showClassifier(directory: string, object?: string): ClassifierState | undefined {
  const pins = new PinDirectory(directory);
  if (!pins.exists) return undefined;
  const program = pins.use('program', programId);
  const v4 = pins.use('flows_v4', (fd) => mapInfo(fd).maxEntries);
  const v6 = pins.use('flows_v6', (fd) => mapInfo(fd).maxEntries);
  const count = (map: SharedMap, family: 4 | 6) =>
    pins.use(map, (fd) => countFlows(fd, family)) ?? 0;
  const live = (map: SharedMap, family: 4 | 6) =>
    pins.use(map, (fd) => countLiveFlows(fd, family)) ?? 0;
  const [digest, loaded] = pins.readMetadata('policy')[0]?.split('-') ?? [];
  const stateOf = (name: string) => {
    const ifindex = findInterface(name);
    const id = ifindex === undefined ? undefined : attachedProgram(ifindex);
    if (id === undefined) return 'missing';
    return id === program ? 'attached' : 'other';
  };
  const devices = xdpDevices(pins);
  const moved = serverMoved(pins);
  const xdpProgram = pins.use('xdp_program', programId);
  const modeOf = (name: string) => {
    const ifindex = findInterface(name);
    const present = ifindex === undefined ? undefined : attachedXdp(ifindex);
    if (present === undefined) return 'missing';
    return present.id === xdpProgram ? present.mode : 'other';
  };
  return {
    ...(devices.length > 0 && { xdp: devices.map((name) => ({ name, mode: modeOf(name) })) }),
    ...(moved && { serverMoved: moved }),
    program,
    interfaces: pins.interfaces().map((name) => ({ name, filter: stateOf(name) })),
    flowTable: v4 === undefined || v6 === undefined ? undefined : { v4, v6 },
    flows: { v4: count('flows_v4', 4), v6: count('flows_v6', 6) },
    liveFlows: { v4: live('flows_v4', 4), v6: live('flows_v6', 6) },
    overShare: pins.use('clients', refusedClients) ?? [],
    digest,
    outdated: object !== undefined && existsSync(object) && loaded !== fileDigest(object),
  };
}
