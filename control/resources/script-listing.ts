/** What nft listed behind the last step of a script: it has no JSON of its own to make digests from. */
import { readContract } from '../contract.js';
import {
  type ListedSet,
  listingDigests,
  nftAnswer,
  tableListing,
  tableOfRuleset,
} from '../nft/listing.js';
import { TABLE_NAME } from '../nft/router-table.js';
import type { SavedState } from '../plan/state.js';

/** The state with the digests of that listing; what cannot be read has none, and so is written anew. */
export function withListed(saved: SavedState, text: string): SavedState {
  const digests = listedDigests(text);
  const objects = Object.entries(saved.objects).map(([key, { desired }]) => [
    key,
    { desired, listed: digests[key] ?? '' },
  ]);
  return { ...saved, objects: Object.fromEntries(objects) };
}

/** The table in the first line; behind it each set that packets do not fill, or `NAME DIGEST` in its place. */
function listedDigests(text: string): Record<string, string> {
  const [first = '', ...lines] = text.split('\n');
  const read = readContract(first, nftAnswer);
  if (!('value' in read)) return {};
  const listing = tableOfRuleset(read.value, TABLE_NAME) ?? tableListing(read.value);
  const sets = lines.flatMap(setOfLine);
  const told = Object.fromEntries(lines.flatMap(digestOfLine));
  const full = listing.sets.map((set) => sets.find(({ name }) => name === set.name) ?? set);
  return { ...listingDigests({ ...listing, sets: full }), ...told };
}

function setOfLine(line: string): ListedSet[] {
  const read = readContract(line, nftAnswer);
  return 'value' in read ? tableListing(read.value).sets : [];
}

function digestOfLine(line: string): [string, string][] {
  const [, name, digest] = /^(\S+) ([0-9a-f]{32,})$/.exec(line) ?? [];
  return name !== undefined && digest !== undefined ? [[`set ${name}`, digest]] : [];
}
