/** Our nft table as the host has it; other tables are left out. */
import { commandError, parseJson } from '../command/answer.js';
import type { Command } from '../command/command.js';
import { type Answer, type Query, query } from '../command/query.js';
import { SidetrackError } from '../error.js';
import {
  type ListedSet,
  nftAnswer,
  type TableListing,
  tableListing,
  tableOfRuleset,
} from '../nft/listing.js';
import { TABLE_NAME } from '../nft/router-table.js';
import type { ObservedHost } from '../plan/state.js';

export type FoundTable = Pick<ObservedHost, 'listing' | 'rulesetUnread'>;

/**
 * The table without the elements of its dynamic sets, which may be hundreds of thousands: `list tables`
 * and `list table --terse` print no elements either, but nft 1.0.6 reads them all first (20 s for half a
 * million addresses); `list ruleset --terse` and `list set` do not.
 *
 * nft ends, or says no, at the first rule of anybody's that it does not know. Then ours is asked for by
 * name, slow as that is. A set whose line says "timeout" is dynamic; where a later nft breaks lines
 * elsewhere, such a set is listed needlessly.
 */
const LIST = `
listing=$(nft -j -t list ruleset inet)
status=$?
[ $status = 0 ] || listing=$(nft -j -t list table inet $1 2>&1)
printf '%s\\n' "$listing"
sets='/"timeout"/d; s/^"family": "inet", "name": "\\([^"]*\\)", "table": "'$1'",.*/\\1/p'
for set in $(printf '%s' "$listing" | tr '{' '\\n' | sed -n "$sets"); do
  nft -j list set inet $1 "$set" || exit
done
exit $status`;

const LIST_TABLE: Command = {
  argv: ['sh', '-c', LIST, 'sh', TABLE_NAME],
  program: ['nft', '-j', '-t', 'list', 'ruleset', 'inet'],
};

/** Its parser throws when nft, the privilege or nft's JSON support is missing. */
export const tableQuery: Query<FoundTable> = query(LIST_TABLE, foundTable);

const ABSENT = /^Error: No such file or directory/;

/** Older ones take no list in a rule that comes as JSON; 0.9.8 was tried, and 1.0.2. */
const OLDEST_NFT = [1, 0, 2] as const;
const VERSION = /^\{"nftables": \[\{"metainfo": \{"version": "(\d+)\.(\d+)(?:\.(\d+))?/;

function refuseOldNft({ host }: Answer, listing: string): void {
  const version = VERSION.exec(listing)
    ?.slice(1)
    .map((part) => Number(part ?? 0));
  const differs = version?.map((part, i) => part - OLDEST_NFT[i]!).find((part) => part !== 0) ?? 0;
  if (version === undefined || differs >= 0) return;
  throw new SidetrackError(
    `${host.address}: nft ${version.join('.')} is too old: it reads no lists in rules as JSON`,
    {
      code: 'nft-too-old',
      source: 'host',
      hint: `nft ${OLDEST_NFT.join('.')} is needed (Debian 12 and OpenWrt 22.03 have it)`,
    },
  );
}

function foundTable(answer: Answer): FoundTable {
  const { host, command, result } = answer;
  const [first = '', ...sets] = result.stdout.split('\n');
  refuseOldNft(answer, first);
  const parsed = (text: string) => parseJson(host, command, text, nftAnswer);
  const elements = () => sets.filter(Boolean).map((text) => tableListing(parsed(text)).sets[0]!);
  if (result.status === 0) {
    const listing = tableOfRuleset(parsed(first), TABLE_NAME);
    return listing === undefined ? {} : { listing: withElements(answer, listing, elements()) };
  }
  const error = commandError(host, command, result);
  const rulesetUnread = error.message;
  if (ABSENT.test(first)) return { rulesetUnread };
  if (!first.startsWith('{')) throw error;
  return { listing: withElements(answer, tableListing(parsed(first)), elements()), rulesetUnread };
}

function withElements(
  { host, result }: Answer,
  listing: TableListing,
  listed: readonly ListedSet[],
): TableListing {
  const sets = listing.sets.map((set) => {
    const full = set.dynamic ? set : listed.find(({ name }) => name === set.name);
    if (full !== undefined) return full;
    throw new SidetrackError(`${host.address}: nft did not list set ${set.name} of ${TABLE_NAME}`, {
      code: 'unexpected-answer',
      source: 'host',
      hint: `see what it says: nft list set inet ${TABLE_NAME} ${set.name}`,
      cause: result.stderr,
    });
  });
  return { ...listing, sets };
}
