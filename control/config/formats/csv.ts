/**
 * Tables of address databases: of MaxMind, IPinfo, DB-IP and others with their columns named in the first row,
 * and those without, which have first address, last address and country.
 */
import { formatAddress, parseAddress } from '../address.js';
import type { At, Gathering } from '../gathering.js';
import type { ListChoice } from './choice.js';
import { linesOf } from './lines.js';

/** Columns by their names; of several the first that is there. */
const NETWORK = ['network', 'cidr', 'ip_prefix', 'prefix', 'ip_range'];
const FIRST = ['start_ip', 'ip_from', 'first_ip', 'ip_range_start', 'range_start', 'start'];
const LAST = ['end_ip', 'ip_to', 'last_ip', 'ip_range_end', 'range_end', 'end'];
const COUNTRY = ['country_code', 'country_iso_code', 'country'];
const GEONAME = ['geoname_id', 'registered_country_geoname_id'];
const ASN = ['autonomous_system_number', 'asn'];

/** Places of columns in a row. */
interface Columns {
  first: number;
  /** Absent where one column has the network. */
  last?: number;
  country?: number;
  /** The second is for rows in which the first is empty. */
  geonames: number[];
  asn?: number;
}

/** The fields of a row; a quoted one may hold commas, and "" for a quote. */
export function fieldsOf(line: string): string[] {
  if (!line.includes('"')) return line.split(',');
  const fields: string[] = [];
  for (let at = 0; at <= line.length; ) {
    if (line[at] !== '"') {
      const comma = line.indexOf(',', at);
      const end = comma < 0 ? line.length : comma;
      fields.push(line.slice(at, end));
      at = end + 1;
      continue;
    }
    let field = '';
    let quote = line.indexOf('"', at + 1);
    for (at++; quote >= 0 && line[quote + 1] === '"'; quote = line.indexOf('"', at)) {
      field += line.slice(at, quote + 1);
      at = quote + 2;
    }
    const end = quote < 0 ? line.length : quote;
    fields.push(field + line.slice(at, end));
    const comma = line.indexOf(',', end);
    at = comma < 0 ? line.length + 1 : comma + 1;
  }
  return fields;
}

/** @returns undefined where the first row does not name them, and is none of the ranges with countries. */
export function columnsOf(line: string): Columns | undefined {
  const names = fieldsOf(line).map((name) => name.trim().toLowerCase());
  const placeOf = (known: readonly string[]): number | undefined => {
    const name = known.find((one) => names.includes(one));
    return name === undefined ? undefined : names.indexOf(name);
  };
  const [network, first, last] = [placeOf(NETWORK), placeOf(FIRST), placeOf(LAST)];
  const [country, asn] = [placeOf(COUNTRY), placeOf(ASN)];
  const geonames = GEONAME.map((name) => names.indexOf(name)).filter((place) => place >= 0);
  const chosen = {
    geonames,
    ...(country !== undefined && { country }),
    ...(asn !== undefined && { asn }),
  };
  if (names.length > 1 && network !== undefined) return { first: network, ...chosen };
  if (first !== undefined && last !== undefined) return { first, last, ...chosen };
  return isHeadless(names) ? { first: 0, last: 1, country: 2, geonames: [] } : undefined;
}

const isHeadless = ([first = '', last = '', country = '']: readonly string[]): boolean =>
  addressIn(first) !== undefined && addressIn(last) !== undefined && /^[a-z]{2}$|^-$/.test(country);

/** As text, or as a number. */
function addressIn(text: string): string | undefined {
  if (!/^\d{4,10}$/.test(text)) return parseAddress(text) === undefined ? undefined : text;
  const number = Number(text);
  return number < 2 ** 32 ? formatAddress(number) : undefined;
}

export function readCsv(file: string, text: string, choice: ListChoice, found: Gathering): void {
  let columns: Columns | undefined;
  let isMeant: ((fields: readonly string[]) => boolean) | undefined;
  for (const { text: line, at } of linesOf(file, text)) {
    if (line.startsWith('#')) continue;
    if (columns === undefined) {
      columns = columnsOf(line);
      isMeant = columns && rowsOf(columns, choice, at, found);
      if (columns === undefined)
        found.refuse(line, { message: 'the first row names no column with addresses' }, at);
      if (columns === undefined || isMeant === undefined) return;
      // Without names the first row is data.
      if (columns.country !== 2 || columns.first !== 0 || columns.last !== 1) continue;
      if (addressIn(fieldsOf(line)[0]?.trim() ?? '') === undefined) continue;
    }
    const fields = fieldsOf(line);
    if (isMeant?.(fields)) takeRow(fields, columns, at, found);
  }
}

function takeRow(
  fields: readonly string[],
  { first, last }: Columns,
  at: At,
  found: Gathering,
): void {
  const start = fields[first]?.trim() ?? '';
  const end = last === undefined ? undefined : (fields[last]?.trim() ?? '');
  if (end === undefined) found.take(start, at);
  else found.take(`${addressIn(start) ?? start}-${addressIn(end) ?? end}`, at);
}

/** @returns which rows are meant; undefined where that cannot be told, which is refused then */
function rowsOf(
  columns: Columns,
  choice: ListChoice,
  at: At,
  found: Gathering,
): ((fields: readonly string[]) => boolean) | undefined {
  const { countries, asns, locations } = choice;
  const refuse = (message: string, hint: string) => {
    found.refuse('', { message, hint }, at);
    return undefined;
  };
  if (countries.length === 0 && asns.length === 0)
    return refuse(
      'the table has rows of all countries or networks',
      'say which are meant: country: CN, or asn: 64496',
    );
  if (asns.length > 0 && columns.asn === undefined)
    return refuse('the table has no column with AS numbers', 'leave out asn');
  const ofNetwork = new Set(asns.map(String));
  const asnOf = (fields: readonly string[]) =>
    (fields[columns.asn ?? -1] ?? '').trim().replace(/^AS/i, '');
  const isOfNetwork = (fields: readonly string[]) =>
    asns.length === 0 || ofNetwork.has(asnOf(fields));
  if (countries.length === 0) return isOfNetwork;
  const wanted = new Set(countries);
  const { country, geonames } = columns;
  if (country === undefined && geonames.length === 0)
    return refuse('the table has no column with countries', 'leave out country');
  if (country === undefined && locations === undefined && countries.some((one) => !isNumber(one)))
    return refuse(
      'the table names countries by geoname_id',
      'name the file with the countries, locations: GeoLite2-Country-Locations-en.csv, or write the number: country: 1814991',
    );
  return (fields) => {
    if (!isOfNetwork(fields)) return false;
    if (country !== undefined) return wanted.has((fields[country] ?? '').trim().toUpperCase());
    const id = geonames.map((place) => fields[place]?.trim()).find(Boolean) ?? '';
    return wanted.has(id) || wanted.has(locations?.get(id) ?? '');
  };
}

const isNumber = (text: string) => /^\d+$/.test(text);

/** MaxMind's table of locations: country codes by geoname_id. Empty where it is none. */
export function readLocations(text: string): Map<string, string> {
  const codes = new Map<string, string>();
  let places: [number, number] | undefined;
  for (const { text: line } of linesOf('', text)) {
    const fields = fieldsOf(line);
    if (places === undefined) {
      places = [fields.indexOf('geoname_id'), fields.indexOf('country_iso_code')];
      if (places.includes(-1)) return codes;
      continue;
    }
    const [id, code] = places.map((place) => fields[place]?.trim());
    if (id && code) codes.set(id, code);
  }
  return codes;
}
