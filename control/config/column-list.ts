/**
 * Lists with columns, as routing registries and address databases publish them: how to make a list of
 * entries out of one. A column left out may be the one that says which rows are meant, so every command
 * keeps to the rows that are like the line it is told for.
 */
import { type Address, familyOf, parseAddress } from './address.js';
import { isProblem, parseEntry } from './entry.js';

const SEPARATORS: Readonly<Record<string, string>> = { ',': '-F,', ';': "-F';'", '|': "-F'|'" };

/** What of a downloaded file may go into a command that a user pastes into a shell. */
const HARMLESS = /^[A-Za-z0-9_-]{1,20}$/;

interface Row {
  columns: string[];
  /** awk(1) with its option for the separator. */
  awk: string;
}

function rowOf(text: string): Row | undefined {
  const [, separator] = /^[^\s,;|]+\s*([,;|])/.exec(text) ?? [];
  const columns = text.split(separator ?? /\s+/).map((column) => column.trim());
  const option = separator === undefined ? '' : ` ${SEPARATORS[separator]}`;
  return columns.length < 2 ? undefined : { columns, awk: `awk${option}` };
}

/** The first column behind `from` that names rows; AS numbers and empty ones do not tell a list. */
function filter({ columns }: Row, from: number): string {
  const word = columns[from];
  return word !== undefined && /[A-Za-z]/.test(word) && HARMLESS.test(word)
    ? `$${from + 1} == "${word}" `
    : '';
}

/** awk for the last address of `count` from the address in column `address` on; both are fields. */
function rangeByCount(address: string, count: string): string {
  const sum = `((a[1]*256+a[2])*256+a[3])*256+a[4]+${count}-1`;
  const octets = 'n/16777216, n/65536%256, n/256%256, n%256';
  return `split(${address},a,"."); n=${sum}; printf "%s-%d.%d.%d.%d\\n", ${address}, ${octets}`;
}

function byNumber(row: Row, address: Address): string | undefined {
  const [, number = ''] = row.columns;
  if (!/^[0-9]{1,10}$/.test(number)) return undefined;
  const rows = filter(row, 2);
  if (Number(number) <= (familyOf(address) === 4 ? 32 : 128))
    return `if ${number} is the prefix length, convert it: ${row.awk} '${rows}{print $1 "/" $2}'`;
  return familyOf(address) === 4
    ? `if ${number} counts addresses, convert it: ${row.awk} '${rows}{${rangeByCount('$1', '$2')}}'`
    : undefined;
}

/** @returns the hint for a line with columns; undefined where its meaning is anybody's guess. */
export function columnProblem(text: string): string | undefined {
  const row = rowOf(text);
  if (row === undefined) return undefined;
  const [first = '', second = ''] = row.columns;
  const address = parseAddress(first);
  if (address !== undefined) {
    const byLength = byNumber(row, address);
    if (byLength !== undefined) return byLength;
    const last = row.awk === 'awk' ? undefined : parseAddress(second);
    if (last !== undefined && familyOf(last) === familyOf(address) && address <= last)
      return `if these are the first and the last, convert it: ${row.awk} '${filter(row, 2)}{print $1 "-" $2}'`;
  }
  if (isProblem(parseEntry(first)) || !HARMLESS.test(second)) return undefined;
  return `keep the rows that you mean, for example: ${row.awk} '$2 == "${second}" {print $1}'`;
}
