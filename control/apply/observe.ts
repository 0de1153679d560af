/** Reads a host as it is: everything that planning may need, nothing is changed. */
import { explained } from '../command/answer.js';
import type { Command, RunResult } from '../command/command.js';
import { ipWithoutJson } from '../command/explain.js';
import { parseAnswers, type Query, query } from '../command/query.js';
import { ask, type Host } from '../hosts/host.js';
import type { NftSet } from '../nft/json.js';
import { changeQuery } from '../plan/change-state.js';
import type { Neighbourhood } from '../plan/detect.js';
import type { InterfaceFacts, ObservedFrom, ObservedHost } from '../plan/state.js';
import { entriesOf, interfaceOf } from '../resources/ip-json.js';
import { linkList } from '../resources/ip-shapes.js';
import { resourcesQuery } from '../resources/observe.js';
import { routesQuery } from '../resources/route.js';
import { savedQuery } from '../resources/saved-parts.js';
import { neighboursQuery } from './neighbours.js';

/** All that is asked, by name; one round trip. The first fails for every reason that makes the rest pointless. */
export const observation = (host: ObservedFrom) => ({
  resources: resourcesQuery(host),
  saved: savedQuery(host),
  change: changeQuery(host),
  interfaces: interfacesQuery,
  sockets: socketsQuery,
  neighbours: neighboursQuery,
});

/**
 * @param wantedSets those that the table should have, as far as the policy alone tells: of one that is as wanted no
 * element is sent.
 * @throws SidetrackError when a program, the privilege or nft's JSON support is missing.
 */
export async function observeHost(
  host: Host,
  wantedSets?: readonly NftSet[],
): Promise<ObservedHost> {
  return observedIn(host, await host.batch(questionsTo(host, wantedSets)), wantedSets);
}

/** The commands of `observeHost`. */
export function questionsTo(host: HostPlace, wantedSets?: readonly NftSet[]): Command[] {
  const queries = observation({ ...placeOf(host), ...(wantedSets && { wantedSets }) });
  return Object.values(queries).flatMap(({ commands }) => [...commands]);
}

/** What they were answered. */
export function observedIn(
  host: HostPlace,
  answers: readonly RunResult[],
  wantedSets?: readonly NftSet[],
): ObservedHost {
  const place = placeOf(host);
  const queries = observation({ ...place, ...(wantedSets && { wantedSets }) });
  const found = parseAnswers(host, queries, answers);
  const { resources, saved, change, interfaces, sockets, neighbours } = found;
  return {
    ...place,
    ...resources,
    ...sockets,
    interfaces,
    neighbours,
    ...saved,
    ...(change && { change }),
  };
}

type HostPlace = Pick<Host, keyof ReturnType<typeof placeOf>>;

const placeOf = ({
  address,
  stateDir,
  ownsEtc,
  sidetrack,
  bpfDirectory,
}: Pick<Host, 'address' | 'stateDir' | 'ownsEtc' | 'sidetrack' | 'bpfDirectory'>) => ({
  address,
  stateDir,
  ownsEtc,
  sidetrack,
  bpfDirectory,
});

/** What takes no privilege to see: interfaces and routes. */
export async function glanceAt(host: Host): Promise<Neighbourhood> {
  const { interfaces, routes } = await ask(host, {
    interfaces: interfacesQuery,
    routes: routesQuery,
  });
  return { address: host.address, interfaces, ...routes };
}

const interfacesQuery: Query<InterfaceFacts[]> = query(
  ['ip', '-j', '-d', 'address', 'show'],
  (answer) => {
    const links = entriesOf(answer, linkList);
    // There is always lo.
    if (links.length === 0) throw explained(ipWithoutJson(answer.host), 'no interfaces');
    return links.map(interfaceOf);
  },
);

const TCP_LISTEN = '0A';

/** One process reads all three; the last is there only with the module pppoe. */
const socketsQuery = query(
  ['cat', ...['tcp', 'tcp6', 'pppoe'].map((name) => `/proc/net/${name}`)],
  ({ result: { stdout } }) => ({
    listeningPorts: listenersOf(stdout),
    pppoeDevices: pppoeDevicesOf(stdout),
  }),
);

/** Interfaces over which PPPoE sessions run: `Id Address Device` of /proc/net/pppoe. */
export function pppoeDevicesOf(stdout: string): string[] {
  const session = /^[0-9A-F]{8}\s+(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\s+(\S+)\s*$/gim;
  return [...new Set([...stdout.matchAll(session)].map(([, device]) => device!))];
}

function listenersOf(stdout: string): number[] {
  const ports = stdout.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const port = fields[1]?.split(':')[1];
    return fields[3] === TCP_LISTEN && port ? [Number.parseInt(port, 16)] : [];
  });
  return [...new Set(ports)];
}
