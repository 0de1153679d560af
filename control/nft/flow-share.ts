/**
 * A client's share of the flow table. nft cannot count a set's elements by source, so what is counted
 * is how fast a client enters them: a token bucket for each client, and no flow opens in `closing`, or
 * stays there longer, without a token. All of a client's entries there were paid for within the life
 * of one, so they are `share` (the full bucket) and once more (what refills it in that time) at most;
 * beside them are those that it has closed, for as long. A second bucket, which refills in the life of
 * an established flow, pays for the way to `flows`.
 *
 * A bucket is the `limit` of its client's element. Flows have none: a set lookup, too, ends where the
 * element's limit does (measured on Linux 6.18). The sets are named by their share: what a bucket holds
 * is fixed when its client first needs it.
 */
import {
  ESTABLISHED_SECONDS,
  FAMILIES,
  type Family,
  ipProtocol,
  TRANSITORY_SECONDS,
} from './flow-time.js';
import { type Expression, type Limit, type NftSet, payload, type Statement } from './json.js';

/** Most clients that have a bucket; those who find no room for one have no limit either. */
const MOST_CLIENTS = 65_536;
/** For how long a client that was over its share is shown. */
const SHOWN_SECONDS = 600;
const MOST_SHOWN = 1024;
/** How much longer than a bucket needs to refill it is kept. */
const SPARE_SECONDS = 60;

/** Who counts as one client: an address. All hosts of a LAN are in one /64. */
const client = (family: Family): Expression => payload(ipProtocol(family), 'saddr');

type Bucket = 'entered' | 'promoted';

const bucketSet = (bucket: Bucket, family: Family, share: number) => `${bucket}${family}_${share}`;
export const overShareSet = (family: Family) => `over_share${family}`;
export const OVER_SHARE_SETS = FAMILIES.map(overShareSet);

/** `share` tokens at once, and as many again in the life of an entry. */
function rateOf(bucket: Bucket, share: number): Limit {
  const [per, seconds, life] =
    bucket === 'entered'
      ? (['minute', 60, TRANSITORY_SECONDS] as const)
      : (['hour', 3600, ESTABLISHED_SECONDS] as const);
  return {
    limit: { rate: Math.ceil((share * seconds) / life), per, burst: share, inv: true },
  };
}

/** Takes a token of the client's; matches when it has none left. */
export function isOverShare(bucket: Bucket, family: Family, share: number): Statement {
  const set = `@${bucketSet(bucket, family, share)}`;
  const stmt = [rateOf(bucket, share)];
  return { set: { op: 'update', elem: client(family), set, stmt } };
}

/** Remembers who was over its share, for `status`. */
export function rememberOverShare(family: Family): Statement {
  return { set: { op: 'update', elem: client(family), set: `@${overShareSet(family)}` } };
}

/** None where no share is wanted. */
export function shareSets(share: number): NftSet[] {
  if (share === 0) return [];
  return FAMILIES.flatMap((family) => [
    addressSet(
      bucketSet('entered', family, share),
      family,
      MOST_CLIENTS,
      TRANSITORY_SECONDS + SPARE_SECONDS,
    ),
    addressSet(
      bucketSet('promoted', family, share),
      family,
      MOST_CLIENTS,
      ESTABLISHED_SECONDS + SPARE_SECONDS,
    ),
    addressSet(overShareSet(family), family, MOST_SHOWN, SHOWN_SECONDS),
  ]);
}

function addressSet(name: string, family: Family, size: number, timeout: number): NftSet {
  const type = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  return { name, type, flags: ['timeout'], size, timeout };
}
