/** Our nft table as the host has it; other tables are left out. */
import { commandError, parseJson } from '../command/answer.js';
import type { Command } from '../command/command.js';
import { type Answer, type Query, query } from '../command/query.js';
import { shellWords } from '../command/shell.js';
import { SidetrackError } from '../error.js';
import { intervalDigest, intervalsOf } from '../nft/address-intervals.js';
import { LEARNED_MACS } from '../nft/health-sets.js';
import type { NftSet } from '../nft/json.js';
import {
  type ListedSet,
  nftAnswer,
  type TableListing,
  tableListing,
  tableOfRuleset,
} from '../nft/listing.js';
import { TABLE_NAME } from '../nft/router-table.js';
import { savedStatePath } from '../plan/paths.js';
import type { ObservedFrom, ObservedHost } from '../plan/state.js';

export type FoundTable = Pick<ObservedHost, 'listing' | 'rulesetUnread'>;

type AskedTable = Pick<ObservedFrom, 'stateDir' | 'wantedSets'>;

/**
 * The table without the elements of its dynamic sets, which may be hundreds of thousands: `list tables`
 * and `list table --terse` print no elements either, but nft 1.0.6 reads them all first (20 s for half a
 * million addresses); `list ruleset --terse` and `list set` do not.
 *
 * nft ends, or says no, at the first rule of anybody's that it does not know. Then ours is asked for by
 * name, slow as that is. A set whose line says "timeout" is dynamic; where a later nft breaks lines
 * elsewhere, such a set is listed needlessly. One has elements of ours beside those of packets.
 *
 * A set among the other words is told by the digest of its listing (plain text costs nft less than JSON) where that is enough:
 * always with $mode "digest"; else where the saved state, read from $state, holds for it both the digest
 * of what we want and the one of the listing. The text there is ours, written by JSON.stringify.
 * A listing that fails has a digest that it never had.
 */
const LIST = `
table=$1 mode=$2 state=$3
shift 3
listing=$(nft -j -t list ruleset inet)
status=$?
[ $status = 0 ] || listing=$(nft -j -t list table inet $table 2>&1)
printf '%s\\n' "$listing"
sets='/"name": "${LEARNED_MACS}"/!{/"timeout"/d;}; s/^"family": "inet", "name": "\\([^"]*\\)", "table": "'$table'",.*/\\1/p'
sets=$(printf '%s' "$listing" | tr '{' '\\n' | sed -n "$sets")
listing=
saved=
[ $# = 0 ] || saved=$(cat "$state" 2>/dev/null)
hash=
for program in sha256sum md5sum; do
  [ -n "$hash" ] || ! command -v $program >/dev/null || hash=$program
done
# Two at once take twice the memory, which a small router does not have.
beside=
while read -r key size _; do
  [ "$key" != MemAvailable: ] || [ "$size" -lt 1000000 ] || beside='&'
done </proc/meminfo
digest() {
  digest=$({ nft list set inet $table "$1" || cat /proc/sys/kernel/random/uuid; } | $hash)
  printf '%s %s\\n' "$1" "\${digest%% *}"
}
line='
'
digests=$line$(
  [ -n "$hash" ] && for one; do
    case $line$sets$line in *"$line\${one%% *}$line"*) ;; *) continue ;; esac
    case $mode$saved in
      digest*|*"\\"set \${one%% *}\\":{\\"desired\\":\\"\${one#* }\\","*) eval "digest \${one%% *} $beside" ;;
    esac
  done
  wait
)
told() {
  digest=\${digests##*"$line$1 "}
  [ "$digest" != "$digests" ] || digest=
  digest=\${digest%%"$line"*}
  [ -n "$digest" ] && case $mode$saved in
    digest*|*"\\"set $1\\":{\\"desired\\":\\"$2\\",\\"listed\\":\\"$digest\\"}"*) printf '%s %s\\n' "$1" "$digest" ;;
    *) false ;;
  esac
}
for set in $sets; do
  for one; do
    [ "\${one%% *}" != "$set" ] || ! told $one || continue 2
  done
  nft -j list set inet $table "$set" || exit
done
exit $status`;

function listTable(mode: 'compare' | 'digest', { stateDir, wantedSets = [] }: AskedTable): Command {
  const known = wantedSets.flatMap((set) => {
    const intervals = intervalsOf(set);
    return intervals ? [`${set.name} ${intervalDigest(intervals)}`] : [];
  });
  const words = [TABLE_NAME, mode, savedStatePath(stateDir), ...known];
  return {
    argv: ['sh', '-c', LIST, 'sh', ...words],
    program: ['nft', '-j', '-t', 'list', 'ruleset', 'inet'],
  };
}

/** Its parser throws when nft, the privilege or nft's JSON support is missing. */
export const tableQuery = (asked: AskedTable): Query<FoundTable> =>
  query(listTable('compare', asked), (answer) => foundTable(answer, asked.wantedSets));

/** The same behind an apply: of the sets that are wanted what can be saved, and not their elements. */
export const appliedTableQuery = (asked: AskedTable): Query<FoundTable> =>
  query(listTable('digest', asked), (answer) => foundTable(answer, asked.wantedSets));

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

function foundTable(answer: Answer, wanted: readonly NftSet[] = []): FoundTable {
  const { host, command, result } = answer;
  const [first = '', ...sets] = result.stdout.split('\n');
  refuseOldNft(answer, first);
  const parsed = (text: string) => parseJson(host, command, text, nftAnswer);
  const elements = () =>
    sets
      .filter(Boolean)
      .map((line) => toldSet(line, wanted) ?? tableListing(parsed(line)).sets[0]!);
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

const TOLD = /^(\S+) ([0-9a-f]{32,})$/;

/** A set of which only the digest was sent: it holds what we want. */
function toldSet(line: string, wanted: readonly NftSet[]): ListedSet | undefined {
  const [, name, digest] = TOLD.exec(line) ?? [];
  const set = wanted.find((one) => one.name === name);
  if (set === undefined || digest === undefined) return undefined;
  return {
    name: set.name,
    type: set.type,
    dynamic: false,
    digest,
    get elements() {
      return set.elements ?? [];
    },
  };
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
      hint: `see what it says: ${shellWords(['nft', 'list', 'set', 'inet', TABLE_NAME, set.name])}`,
      cause: result.stderr,
    });
  });
  return { ...listing, sets };
}
