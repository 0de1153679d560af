/** `/why.json`: of the relay for one of its connections, of the exporter for any. */
import type { RuleAnswer, Why } from './connection-page.js';
import type { Connections } from './connections.js';
import { Refused } from './refused.js';
import type { Rights } from './request-guard.js';
import { STATE_VERSION } from './state.js';

/** What of the configuration steers a connection from a client to a destination, each an address and a port. */
export type AskWhy = (
  client: string,
  originalDestination: string,
) => Promise<Omit<RuleAnswer, 'version'>>;

/** @throws Refused */
export function mustSee({ sees }: Rights): void {
  if (sees) return;
  throw new Refused(
    403,
    'who is connected to what is shown with a token, on the unix socket, or with relay: { metrics: { connections: true } }; on the server: sudo sidetrack connections',
  );
}

/** Of a connection of this relay. @throws Refused */
export async function whyOf(
  rights: Rights,
  words: URLSearchParams,
  connections: Connections,
  why: AskWhy,
): Promise<Why> {
  mustSee(rights);
  const id = words.get('id') ?? '';
  if (!/^\d{1,15}$/.test(id)) throw new Refused(400, 'id: the number of a connection');
  const found = await connections.find(Number(id));
  if (found === undefined) throw new Refused(404, 'there is no such connection any more');
  const { client, originalDestination } = found;
  return { version: STATE_VERSION, id: Number(id), ...(await why(client, originalDestination)) };
}

/** An address with a port; what it is not is told by who reads it. */
const ENDPOINT_MOST = 80;

/** Of any connection: the exporter knows rules and no connections. They name clients, so not all may ask. @throws Refused */
export async function ruleFor(
  rights: Rights,
  words: URLSearchParams,
  why: AskWhy,
): Promise<RuleAnswer> {
  if (!rights.closes)
    throw new Refused(
      403,
      'which rule holds for a client is told to this machine, or with a token',
    );
  const [client, to] = [words.get('client') ?? '', words.get('to') ?? ''];
  if ([client, to].some((one) => one === '' || one.length > ENDPOINT_MOST))
    throw new Refused(
      400,
      'ask with client= and to=, each an address and a port: 192.168.1.10:50000',
    );
  return { version: STATE_VERSION, ...(await why(client, to)) };
}
