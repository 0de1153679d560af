/**
 * Marks and tables of servers that the file gives none: a server's number says which, so that they stay
 * with it. Number 0 has the router's; the others have the next ones that no server is given. A number without a
 * server keeps its place as long as the mask has room, so that others stay when one leaves. Pure.
 */
import { tableIdProblem, tableNameProblem } from './scalar.js';

export interface Numbered {
  name: string;
  number: number;
  /** As the file says. */
  mark?: number;
  table?: { id?: number; name?: string };
}

export interface Assigned {
  /** Absent where the mask has none left. */
  mark?: number;
  table: { id: number; name: string };
}

interface Router {
  mark: { value: number; mask: number };
  table: { id: number; name: string };
}

/** @returns by name. */
export function assignNumbers(
  { mark, table }: Router,
  servers: readonly Numbered[],
): Map<string, Assigned> {
  const marks = new Set(servers.flatMap((one) => one.mark ?? []));
  const ids = new Set(servers.flatMap((one) => one.table?.id ?? []));
  const names = new Set(servers.flatMap((one) => one.table?.name ?? []));
  const assigned = new Map<string, Assigned>();
  const byNumber = new Map(servers.map((one) => [one.number, one]));
  const last = Math.max(-1, ...byNumber.keys());
  const isRoomy = last + marks.size < markRoom(mark.mask);
  for (let number = 0; number <= last; number++) {
    const one = byNumber.get(number);
    if (one === undefined && !isRoomy) continue;
    const value = one?.mark ?? nextMark(mark, marks);
    const id = one?.table?.id ?? nextId(table.id, ids);
    if (value !== undefined) marks.add(value);
    ids.add(id);
    if (one === undefined) continue;
    const usual = number === 0 ? table.name : one.name;
    const name = one.table?.name ?? freeName(usual, names);
    names.add(name);
    assigned.set(one.name, { ...(value !== undefined && { mark: value }), table: { id, name } });
  }
  return assigned;
}

/** How many servers a mask has values for. */
export const markRoom = (mask: number): number =>
  2 ** [...mask.toString(2)].filter((bit) => bit === '1').length - 1;

/** The router's, then the next ones. The mask itself comes last: it leaves no bit to test the route with. */
function nextMark({ value, mask }: Router['mark'], taken: ReadonlySet<number>): number | undefined {
  if (!taken.has(value)) return value;
  // Each that is taken is passed once, and 0 and the mask besides.
  const tries = Math.min(markRoom(mask), taken.size + 2);
  let next = value;
  for (let i = 0; i < tries; i++) {
    next = following(next, mask);
    if (next !== 0 && next !== mask && !taken.has(next)) return next;
  }
  return taken.has(mask) ? undefined : mask;
}

/** The next greater value inside the mask; behind the greatest comes 0. */
const following = (value: number, mask: number): number => (((value | ~mask) + 1) & mask) >>> 0;

function nextId(first: number, taken: ReadonlySet<number>): number {
  let id = first;
  while (taken.has(id) || tableIdProblem(id) !== undefined) id++;
  return id;
}

function freeName(usual: string, taken: ReadonlySet<string>): string {
  const isFree = (name: string) => !taken.has(name) && tableNameProblem(name) === undefined;
  return isFree(usual) ? usual : `sidetrack-${usual}`;
}
