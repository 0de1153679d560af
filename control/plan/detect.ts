/** Guesses a starter configuration from what the hosts look like. Pure. */
import {
  clientInterfaces,
  type Guess,
  isReal,
  isVrrp,
  sharesSubnet,
  usableAddresses,
} from './client-side.js';
import { uplinkDevices } from './default-route.js';
import type { InterfaceFacts, ObservedHost } from './state.js';

/** What was seen of a machine that may be the server: without its tables, which take privilege to read. */
export type Neighbourhood = Pick<ObservedHost, 'address' | 'interfaces' | 'routes'>;

export interface Starter {
  routerHost: Guess<string>;
  /** Absent where `auto` will do. */
  routerMacs?: string[];
  serverHost: Guess<string>;
  interfaces: Guess<string[]>;
  serverInterface: Guess<string>;
  serverAddresses: Guess<string[]>;
  /** Absent when the server was not seen. */
  serverMac?: string;
}

/** The values of a starter that a person has to look at. */
export function openGuesses(starter: Starter): Guess<unknown>[] {
  const { routerHost, serverHost, interfaces, serverInterface, serverAddresses } = starter;
  const all: Guess<unknown>[] = [
    ...[routerHost, interfaces, serverHost, serverInterface, serverAddresses],
  ];
  return all.filter(({ check }) => check !== undefined);
}

/** @param router, server what was seen there; undefined when that host could not be looked at. */
export function detectStarter(
  router: ObservedHost | undefined,
  server: Neighbourhood | undefined,
): Starter {
  const facing = server && serverFace(server, router);
  const interfaces = clientInterfaces(router, facing);
  const near = router?.interfaces.find(
    (one) => interfaces.value.includes(one.name) && facing && sharesSubnet(one, facing),
  );
  const virtual = (router?.interfaces ?? []).filter(
    (one) => interfaces.value.includes(one.name) && isVrrp(one),
  );
  return {
    routerHost: routerGuess(router),
    ...(virtual.length > 0 && { routerMacs: ['auto', ...new Set(virtual.map(({ mac }) => mac))] }),
    serverHost: { value: server?.address ?? 'local' },
    interfaces,
    serverInterface: interfaceGuess(facing, router !== undefined && near === undefined),
    serverAddresses: guess(
      facing && usableAddresses(facing, near),
      ['192.168.1.2'],
      "the server's addresses in that LAN",
    ),
    ...(facing && { serverMac: facing.mac }),
  };
}

function guess<T extends string | string[]>(
  seen: T | undefined,
  otherwise: T,
  check: string,
): Guess<T> {
  return seen === undefined || seen.length === 0 ? { value: otherwise, check } : { value: seen };
}

function routerGuess(router: ObservedHost | undefined): Guess<string> {
  const value = router?.address ?? 'local';
  const idle = router && !forwards(router);
  return idle ? { value, check: 'it forwards no packets now (net.ipv4.ip_forward)' } : { value };
}

function interfaceGuess(facing: InterfaceFacts | undefined, isFar: boolean): Guess<string> {
  const seen = guess(facing?.name, 'eth0', "the server's interface in that LAN");
  return facing && isFar
    ? { ...seen, check: 'it shares no network with the clients’ interfaces of the router' }
    : seen;
}

const forwards = ({ sysctls }: ObservedHost) =>
  sysctls['net/ipv4/ip_forward'] === '1' || sysctls['net/ipv6/conf/all/forwarding'] === '1';

/** Whether the machine looks like a router: it forwards and has more than one network. */
export function looksLikeRouter(host: ObservedHost): boolean {
  const networks = host.interfaces.filter((one) => isReal(one) && one.addresses.length > 0);
  return forwards(host) && networks.length > 1;
}

/** Of several interfaces the one in a LAN of the router, else the one that the machine goes out by. */
function serverFace(
  server: Neighbourhood,
  router: ObservedHost | undefined,
): InterfaceFacts | undefined {
  const real = server.interfaces.filter(
    (one) => isReal(one) && one.mac !== '' && usableAddresses(one).length > 0,
  );
  const devices = uplinkDevices(server);
  const shared = router && real.filter((one) => clientsNextTo(router, one));
  const candidates = shared?.length ? shared : real;
  return candidates.find(({ name }) => devices.includes(name)) ?? candidates[0];
}

function clientsNextTo(router: ObservedHost, one: InterfaceFacts): boolean {
  const { value } = clientInterfaces(router, one);
  return router.interfaces.some((face) => value.includes(face.name) && sharesSubnet(face, one));
}

/** Whether this machine may be the server of that router: another one, in one of its LANs. */
export function isInLanOf(router: ObservedHost, machine: Neighbourhood): boolean {
  return (
    !isSameMachine(router, machine) &&
    machine.interfaces.some((one) => isReal(one) && clientsNextTo(router, one))
  );
}

/** Two ways to one machine: they show the same network cards. */
export function isSameMachine(one: Neighbourhood, other: Neighbourhood): boolean {
  const macs = new Set(cards(one));
  return cards(other).some((mac) => macs.has(mac));
}

const cards = ({ interfaces }: Neighbourhood): string[] =>
  interfaces
    .filter((one) => isReal(one) && !isVrrp(one) && !/^(00:){5}00$|^$/.test(one.mac))
    .map(({ mac }) => mac);
