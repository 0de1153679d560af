/**
 * Addresses and networks of the machine that the relay runs on, for its guard. They change while it
 * runs (containers, VPNs, DHCP): a look every second or two costs nothing that a connection would feel,
 * and only a change reaches the engine.
 */
import { networkInterfaces } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { RelayError } from '../../../proxy/error.js';
import type { Relay } from '../../../proxy/relay.js';
import { parseAddress } from '../../config/address.js';
import type { Config } from '../../config/config.js';
import { type AddressEntry, networkOf } from '../../config/entry.js';
import { type Attached, NOTHING_ATTACHED, relayGuard } from '../../policy/relay-guard.js';
import { say } from '../output.js';

const LOOK_EVERY_MS = 2000;

type Interfaces = ReturnType<typeof networkInterfaces>;

/** The network of `192.168.1.2/24`; one of no length would be everything. */
function networks(cidr: string): AddressEntry[] {
  const [text = '', length] = cidr.split('/');
  const address = parseAddress(text);
  return address === undefined || Number(length) === 0 ? [] : [networkOf(address, Number(length))];
}

function addresses(text: string): AddressEntry[] {
  const address = parseAddress(text);
  if (address === undefined) return [];
  return [networkOf(address, typeof address === 'number' ? 32 : 128)];
}

export function attachedTo(interfaces: Interfaces): Attached {
  const all = Object.values(interfaces).flatMap((addresses) => addresses ?? []);
  return {
    addresses: all.flatMap(({ address }) => addresses(address)),
    networks: all.flatMap(({ cidr }) => (cidr === null ? [] : networks(cidr))),
  };
}

/** Nothing where a filter of system calls keeps it from us: the rest of the guard holds all the same. */
export function attached(): Attached {
  try {
    return attachedTo(networkInterfaces());
  } catch {
    return NOTHING_ATTACHED;
  }
}

/**
 * Looks at once, too: between the reading of the configuration and now seconds may have passed, at boot
 * those in which a container's network or a lease comes.
 * @returns what ends it.
 */
export function watchAttached(relay: Pick<Relay, 'setGuard'>, config: () => Config): () => void {
  let before: Attached | undefined;
  const look = () => {
    const now = attached();
    if (isDeepStrictEqual(now, before)) return;
    before = now;
    try {
      relay.setGuard(relayGuard(config(), now));
    } catch (error) {
      // It accepts no client any more.
      if (error instanceof RelayError && error.code === 'EALREADY') return;
      say(`warning: the relay does not know of the server's new addresses: ${String(error)}`);
    }
  };
  look();
  const timer = setInterval(look, LOOK_EVERY_MS).unref();
  return () => clearInterval(timer);
}
