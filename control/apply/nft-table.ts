/** Our nft table as the host has it, whatever others have beside it. */
import { commandError, type Host, parseAnswer, runChecked } from '../hosts/host.js';
import type { RunResult } from '../hosts/process.js';
import { type NftAnswer, type TableListing, tableListing, tableOfRuleset } from '../nft/listing.js';
import { TABLE_NAME } from '../nft/router-table.js';

export interface FoundTable {
  listing?: TableListing;
  /** See `ObservedHost`. */
  rulesetUnread?: string;
}

/**
 * The table without the elements of its dynamic sets, which may be hundreds of thousands.
 * `list tables` and `list table --terse` print no elements either, but nft 1.0.6 reads them all
 * first (20 s for half a million addresses); `list ruleset --terse` and `list set` do not.
 * @throws SidetrackError when nft, the privilege or nft's JSON support is missing
 */
export async function observeTable(host: Host): Promise<FoundTable> {
  const argv = ['nft', '-j', '-t', 'list', 'ruleset', 'inet'];
  const result = await host.run(argv);
  if (result.status !== 0) return observeAlone(host, argv, result);
  const listing = tableOfRuleset(parseAnswer<NftAnswer>(host, argv, result.stdout), TABLE_NAME);
  return listing === undefined ? {} : { listing: await withElements(host, listing) };
}

/**
 * nft ends, or says no, at the first rule of whomever that it does not know. Then ours is asked for by
 * name, slow as that is.
 */
async function observeAlone(
  host: Host,
  argv: readonly string[],
  failure: RunResult,
): Promise<FoundTable> {
  const alone = ['nft', '-j', '-t', 'list', 'table', 'inet', TABLE_NAME];
  const result = await host.run(alone);
  const absent = /^Error: No such file or directory/m.test(result.stderr);
  const error = commandError(host, argv, failure);
  if (result.status !== 0 && !absent) throw error;
  const rulesetUnread = error.message;
  if (absent) return { rulesetUnread };
  const listing = tableListing(parseAnswer<NftAnswer>(host, alone, result.stdout));
  return { listing: await withElements(host, listing), rulesetUnread };
}

async function withElements(host: Host, listing: TableListing): Promise<TableListing> {
  const sets = await Promise.all(
    listing.sets.map(async (set) => (set.dynamic ? set : await observeSet(host, set.name))),
  );
  return { ...listing, sets };
}

async function observeSet(host: Host, name: string) {
  const argv = ['nft', '-j', 'list', 'set', 'inet', TABLE_NAME, name];
  const answer = parseAnswer<NftAnswer>(host, argv, await runChecked(host, argv));
  return tableListing(answer).sets[0]!;
}
