/** The connection by which a host is changed, as sshd says it (SSH_CONNECTION, ssh(1)). Pure. */
import { type Address, familyOf, formatAddress, parseAddress } from '../config/address.js';
import type { Packets } from './packets.js';
import type { Family } from './state.js';

export interface Endpoint {
  /** In the canonical text of its family. */
  address: string;
  port: number;
}

export interface Management {
  family: Family;
  /** Where it comes from: the machine that runs sidetrack, what translates its address, or a jump host. */
  client: Endpoint;
  /** An address of the host itself. */
  server: Endpoint;
}

/** `192.168.1.10 50022 192.168.1.1 22`; undefined where it is something else. */
export function parseManagement(text: string): Management | undefined {
  const words = text.trim().split(/\s+/);
  const [client, server] = [endpoint(words[0], words[1]), endpoint(words[2], words[3])];
  if (words.length !== 4 || client === undefined || server === undefined) return undefined;
  const family = familyOf(parseAddress(client.address)!);
  if (family !== familyOf(parseAddress(server.address)!)) return undefined;
  return { family, client, server };
}

function endpoint(text = '', digits = ''): Endpoint | undefined {
  const address = parseAddress(text.replace(/%.*$/, ''));
  const port = Number(digits);
  if (address === undefined || !/^\d{1,5}$/.test(digits) || port > 65535) return undefined;
  return { address: formatAddress(unmapped(address)), port };
}

const MAPPED = 0xffffn << 32n;

/** A socket of both families shows IPv4 as `::ffff:192.168.1.10`; the packets are IPv4. */
function unmapped(address: Address): Address {
  if (typeof address === 'number' || address >> 32n !== MAPPED >> 32n) return address;
  return Number(address & 0xffffffffn);
}

/** The packets of one direction, where nothing has marked them. */
export function packetsOf(
  { family }: Management,
  from: Endpoint,
  to: Endpoint,
  iif: string,
): Packets & { destination: bigint } {
  const source = BigInt(parseAddress(from.address)!);
  return {
    family,
    iif,
    mark: 0,
    sources: [{ first: source, last: source }],
    destination: BigInt(parseAddress(to.address)!),
    tos: 0,
    sourcePort: from.port,
    destinationPort: to.port,
  };
}

/** `192.168.1.10:50022 to 192.168.1.1:22` */
export function managementText({ client, server }: Management): string {
  return `${endpointText(client)} to ${endpointText(server)}`;
}

const endpointText = ({ address, port }: Endpoint) =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
