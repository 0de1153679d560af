/** What is in force now: programs, where they sit, flows, metadata. Only looks. */
import { existsSync } from 'node:fs';
import { refusedClients } from './clients.js';
import { addressText } from './config.js';
import { countFlows, FLOW_MAPS, type Flow, liveFlowsByTarget, readFlows } from './flows.js';
import { readServers } from './health.js';
import { findInterface } from './interface.js';
import { mapInfo } from './map.js';
import { PinDirectory } from './pin.js';
import { fileDigest, readPolicy, readServer, readWay } from './pin-metadata.js';
import { hear, portsOf } from './port.js';
import type { SharedMap } from './program-set.js';
import { type ClassifierState, REPORT_VERSION } from './report.js';
import type { ServerHealth } from './server-health.js';
import { attachedProgram, programId } from './tc.js';
import { attachedXdp } from './xdp.js';

/** Every flow of both tables. */
export function classifierFlows(directory: string): Flow[] {
  const pins = new PinDirectory(directory);
  return FLOW_MAPS.flatMap(({ map, family }) => pins.use(map, (fd) => readFlows(fd, family)) ?? []);
}

/** What the bridge says now, if that is another port than XDP sends to; of the first server that moved. */
function serverMoved(pins: PinDirectory): ClassifierState['serverMoved'] {
  const moved = pins.readMetadata('way').flatMap((text) => {
    const way = readWay(text);
    if (way === undefined) return [];
    const { bridge, mac, port: from } = way;
    const to = findInterface(bridge) === undefined ? undefined : hear(bridge, [mac])?.port;
    return to === undefined || to === from ? [] : [{ from, to }];
  });
  return moved[0];
}

function clientInterfaces(pins: PinDirectory): string[] {
  const listening = new Set(pins.readMetadata('listening'));
  return pins.interfaces().filter((name) => !listening.has(name));
}

/** What the heartbeats said, by the targets' numbers. */
export function serverStates(pins: PinDirectory): ServerHealth[] {
  const known = pins.readMetadata('targets').flatMap((text) => readServer(text) ?? []);
  known.sort((a, b) => a.number - b.number);
  return pins.use('servers', (fd) => readServers(fd, known)) ?? [];
}

/** Devices that have the XDP program, and ports that joined a bridge since. */
function xdpDevices(pins: PinDirectory): string[] {
  const marked = pins.devices();
  if (marked.length === 0) return [];
  const present = clientInterfaces(pins).filter((name) => findInterface(name) !== undefined);
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
  const hearProgram = pins.use('hear_program', programId);
  const v4 = pins.use('flows_v4', (fd) => mapInfo(fd).maxEntries);
  const v6 = pins.use('flows_v6', (fd) => mapInfo(fd).maxEntries);
  const count = (map: SharedMap, family: 4 | 6) =>
    pins.use(map, (fd) => countFlows(fd, family)) ?? 0;
  const live = (map: SharedMap, family: 4 | 6) =>
    pins.use(map, (fd) => liveFlowsByTarget(fd, family)) ?? new Map<number, number>();
  const [live4, live6] = [live('flows_v4', 4), live('flows_v6', 6)];
  const made = readPolicy(pins.readMetadata('policy')[0]);
  const stateOf = (name: string) => {
    const ifindex = findInterface(name);
    const id = ifindex === undefined ? undefined : attachedProgram(ifindex);
    if (id === undefined) return 'missing';
    return id === program || id === hearProgram ? 'attached' : 'other';
  };
  const withState = (name: string) => ({ name, filter: stateOf(name) }) as const;
  const listening = pins.readMetadata('listening');
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
    version: REPORT_VERSION,
    ...(devices.length > 0 && { xdp: devices.map((name) => ({ name, mode: modeOf(name) })) }),
    ...(moved && { serverMoved: moved }),
    program,
    interfaces: clientInterfaces(pins).map(withState),
    ...(listening.length > 0 && { listening: listening.map(withState) }),
    servers: serverStates(pins),
    flowTable: v4 === undefined || v6 === undefined ? undefined : { v4, v6 },
    flows: { v4: count('flows_v4', 4), v6: count('flows_v6', 6) },
    liveFlows: { v4: sumOf(live4), v6: sumOf(live6) },
    liveTargets: [...new Set([...live4.keys(), ...live6.keys()])],
    overShare: (pins.use('clients', refusedClients) ?? []).map(({ source, flows }) => ({
      client: addressText(source),
      flows,
    })),
    digest: made?.digest,
    outdated: object !== undefined && existsSync(object) && made?.program !== fileDigest(object),
  };
}

const sumOf = (counts: ReadonlyMap<number, number>) =>
  [...counts.values()].reduce((sum, one) => sum + one, 0);
