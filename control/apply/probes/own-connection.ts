/**
 * A canary of the machine that sidetrack runs on, where that is a client of the router: its connection is judged and
 * marked like any client's, so nothing of the new way is left out.
 */
import { createConnection } from 'node:net';
import { networkInterfaces } from 'node:os';
import { familyOf, parseAddress } from '../../config/address.js';
import type { Config } from '../../config/config.js';
import type { Destination } from '../../config/destination.js';
import { type Management, packetsOf } from '../../plan/management.js';
import { nextHopOf } from '../../plan/packet-way.js';
import type { ObservedHost } from '../../plan/state.js';
import type { Policy } from '../../policy/rule.js';
import { isSteered } from './canary.js';
import { destinationText } from './internet.js';

export interface OwnConnection {
  destination: Destination;
  works: string;
  fails: string;
}

/**
 * Nothing where the router sees another address than ours: behind a jump host or NAT we are no client of it.
 * @param own addresses of this machine
 */
export function ownConnection(
  config: Config,
  policy: Policy,
  router: ObservedHost,
  management: Management | undefined,
  own: readonly string[] = ownAddresses(),
): OwnConnection | undefined {
  if (management === undefined || !own.includes(management.client.address)) return undefined;
  const { family, client, server } = management;
  const iif = nextHopOf(router, packetsOf(management, server, client, 'lo'))?.dev;
  if (iif === undefined || !config.router.interfaces.includes(iif)) return undefined;
  const destination = config.confirm.canary.find(
    (one) =>
      familyOf(parseAddress(one.address)!) === family &&
      isSteered(config, policy, router, one, [client.address]),
  );
  if (destination === undefined) return undefined;
  const text = destinationText(destination);
  return {
    destination,
    works: `${text} answers this machine, a client of the router (${client.address})`,
    fails: `${text}, which answered this machine before the change, does not any more (${client.address}, a client of the router)`,
  };
}

const ownAddresses = () =>
  Object.values(networkInterfaces()).flatMap((all = []) => all.map(({ address }) => address));

/** Whether a byte comes back; any is an answer. */
export function answersUs({ address, port }: Destination, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: address, port });
    const end = (answered: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answered);
    };
    const timer = setTimeout(end, timeoutMs, false);
    socket.on('connect', () => socket.write('HEAD / HTTP/1.0\r\n\r\n'));
    socket.on('data', () => end(true));
    socket.on('error', () => end(false));
    socket.on('end', () => end(false));
  });
}
