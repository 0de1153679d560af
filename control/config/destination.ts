/** An address and a port, as a probe's destination: names would need a resolver that works. */
import { formatAddress, parseAddress } from './address.js';
import type { Problem } from './diagnostic.js';

export interface Destination {
  address: string;
  port: number;
}

const FORM = /^(?:(?<v4>[0-9.]+)|\[(?<v6>[0-9A-Fa-f:.]+)\]):(?<port>[1-9][0-9]{0,4})$/;

export function parseDestination(text: string): Destination | Problem {
  const { v4, v6, port } = FORM.exec(text)?.groups ?? {};
  const address = parseAddress(v4 ?? v6 ?? '');
  if (!address || Number(port) > 65535)
    return {
      message: `"${text}" is not an address and a port`,
      hint: 'write for example "1.1.1.1:443" or "[2606:4700:4700::1111]:443"',
    };
  return { address: formatAddress(address), port: Number(port) };
}

export function destinationProblem(text: string): Problem | undefined {
  const destination = parseDestination(text);
  return 'message' in destination ? destination : undefined;
}
