/** Of which families a list holds addresses. */
import type { AddressList, Config } from './config.js';
import type { AddressEntry } from './entry.js';
import { EntryList } from './entry-list.js';

/** Names of sets that exist without being in the file. */
export const BUILT_IN_SETS: readonly string[] = ['private'];

export type Family = AddressEntry['family'];
export const BOTH: readonly Family[] = [4, 6];

/** The families of which a list holds addresses; both where it does not say. */
export function familiesOf({ sets }: Config, list: AddressList | undefined): readonly Family[] {
  if (list === undefined || list.sets.some((name) => BUILT_IN_SETS.includes(name))) return BOTH;
  const lists = [list.entries, ...list.sets.map((name) => sets[name]!.entries)].map((entries) =>
    EntryList.of(entries),
  );
  if (lists.every(({ length }) => length === 0)) return BOTH;
  return BOTH.filter((family) => lists.some((entries) => entries.countOf(family) > 0));
}

/** The families in which some server has an address. */
export function servedFamilies({ servers }: Config): readonly Family[] {
  return BOTH.filter((family) =>
    servers.some(({ address }) => (family === 4 ? address.v4 : address.v6) !== undefined),
  );
}
