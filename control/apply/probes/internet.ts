/** Whether a host connects to the Internet. A server behind the router shows that the router forwards, too. */
import type { Destination } from '../../config/destination.js';
import type { Probe } from './probe.js';

export const destinationText = ({ address, port }: Destination) =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

export function internetProbes(host: string, destinations: readonly Destination[]): Probe[] {
  return destinations.map((one) => ({
    name: `internet ${destinationText(one)}`,
    works: `${host} connects to ${destinationText(one)}`,
    fails: `${host} no longer connects to ${destinationText(one)}`,
    call: ['connects', one.address, String(one.port)],
  }));
}
