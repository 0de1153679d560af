/** Firewall marks of which only some bits are ours. */
import { type Expression, equal, type Statement } from './json.js';

/** Only the bits in `mask` are ours. */
export interface Mark {
  value: number;
  mask: number;
}

export const META_MARK: Expression = { meta: { key: 'mark' } };

/** `meta mark set meta mark & keep | value`, in the form that nft prints. */
export function setMark({ value, mask }: Mark): Statement {
  const keep = (~mask | value) >>> 0;
  const kept: Expression = { '&': [META_MARK, keep] };
  return { mangle: { key: META_MARK, value: value === 0 ? kept : { '|': [kept, value] } } };
}

/** The mark of a packet as sets of marks hold it. */
export const maskedMark = (mask: number): Expression => ({ '&': [META_MARK, mask] });

export const hasMark = ({ value, mask }: Mark): Statement => equal(maskedMark(mask), value);

/** Takes the bits of all of them away. */
export const clearMarks = (marks: readonly Mark[]): Statement =>
  setMark({ value: 0, mask: marks.reduce((bits, { mask }) => (bits | mask) >>> 0, 0) });
