/** Of a list with more in it than is wanted: which part is meant. */

export const LIST_FORMATS = [
  'auto',
  'plain',
  'delegated',
  'csv',
  'json',
  'ipset',
  'nft',
  'clash',
] as const;
export type ListFormat = (typeof LIST_FORMATS)[number];

export interface ListChoice {
  format: ListFormat;
  /** Two capital letters, or a geoname_id in digits; empty: not chosen by country. */
  countries: readonly string[];
  /** AS numbers. */
  asns: readonly number[];
  /** As a cloud names its services, in its own spelling. */
  services: readonly string[];
  regions: readonly string[];
  /** Of a file with several sets the one that is meant. */
  sourceSet?: string;
  /** Country codes by geoname_id. */
  locations?: ReadonlyMap<string, string>;
}

/** A list of which everything is meant. */
export const WHOLE_LIST: ListChoice = {
  format: 'auto',
  countries: [],
  asns: [],
  services: [],
  regions: [],
};

/** Keys of a set that only formats with such columns can obey. */
const KEYS = {
  countries: 'country',
  asns: 'asn',
  services: 'service',
  regions: 'region',
} as const;
type ChosenBy = keyof typeof KEYS;

/** The key of a choice that a format cannot obey; undefined where there is none. */
export function unheeded(
  { sourceSet, ...choice }: ListChoice,
  heeds: readonly (ChosenBy | 'sourceSet')[],
): string | undefined {
  if (sourceSet !== undefined && !heeds.includes('sourceSet')) return 'source_set';
  for (const key of ['countries', 'asns', 'services', 'regions'] as const)
    if (choice[key].length > 0 && !heeds.includes(key)) return KEYS[key];
  return undefined;
}
