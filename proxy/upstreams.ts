/** Upstreams as the engine takes them: `struct sidetrack_relay_upstream` of engine/abi.h. */
import {
  ADDRESSES,
  CREDENTIAL_LENGTH,
  type strategies,
  UPSTREAM_ADDRESS_OFFSET,
  UPSTREAM_MORE_ADDRESS_OFFSET,
  UPSTREAM_PASSWORD_OFFSET,
  UPSTREAM_SIZE,
  UPSTREAM_USERNAME_OFFSET,
  upstreamKinds,
  upstreamOffset,
} from './abi.js';
import { addressToBytes } from './address.js';

export type UpstreamKind = (typeof upstreamKinds)[number];
export type Strategy = (typeof strategies)[number];

export type Family = 'ipv4' | 'ipv6';

/** As the engine numbers them. */
export const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];

export interface Upstream {
  /** What metrics and the list of connections call it. */
  name: string;
  kind: UpstreamKind;
  /** 1 when absent. */
  weight?: number;
  /** An IP address, absent while none is known; `direct` has neither address nor port. */
  address?: string;
  /** Of the same proxy, tried in turn; at most 7. */
  moreAddresses?: readonly string[];
  port?: number;
  /** Which destinations it carries; both families when absent. */
  families?: readonly Family[];
  /** Sends the client's first bytes along with the request, before the answer is there. */
  optimistic?: boolean;
  username?: string;
  password?: Buffer;
}

/** What a relay without configured upstreams does. */
export const DIRECT: Upstream = { name: 'direct', kind: 'direct' };

const FAMILY_BITS: Readonly<Record<Family, number>> = { ipv4: 1, ipv6: 2 };

const familyBits = (families: readonly Family[] = []) =>
  families.reduce((bits, family) => bits | FAMILY_BITS[family], 0);

/**
 * Holds the password: the caller wipes it.
 * @param slot where it is counted.
 * @throws RangeError when a credential is too long, or there are too many addresses.
 */
export function encodeUpstream(upstream: Upstream, slot: number): Buffer {
  const buffer = Buffer.alloc(UPSTREAM_SIZE);
  const username = Buffer.from(upstream.username ?? '');
  const password = upstream.password ?? Buffer.alloc(0);
  if (Math.max(username.length, password.length) > CREDENTIAL_LENGTH)
    throw new RangeError(`a credential of upstream "${upstream.name}" is too long`);
  const more = upstream.moreAddresses ?? [];
  if (more.length >= ADDRESSES)
    throw new RangeError(`upstream "${upstream.name}" has more than ${ADDRESSES} addresses`);
  const values: Record<keyof typeof upstreamOffset, number> = {
    kind: upstreamKinds.indexOf(upstream.kind),
    weight: upstream.weight ?? 0,
    port: upstream.port ?? 0,
    slot,
    optimistic: upstream.optimistic ? 1 : 0,
    families: familyBits(upstream.families),
    more_addresses: more.length,
    username_length: username.length,
    password_length: password.length,
  };
  for (const [name, offset] of Object.entries(upstreamOffset))
    buffer.writeUInt32LE(values[name as keyof typeof upstreamOffset], offset);
  if (upstream.address !== undefined)
    addressToBytes(upstream.address).copy(buffer, UPSTREAM_ADDRESS_OFFSET);
  more.forEach((address, i) => {
    addressToBytes(address).copy(buffer, UPSTREAM_MORE_ADDRESS_OFFSET + 16 * i);
  });
  username.copy(buffer, UPSTREAM_USERNAME_OFFSET);
  password.copy(buffer, UPSTREAM_PASSWORD_OFFSET);
  return buffer;
}
