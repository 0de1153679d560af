/** A set as a plain list, one CIDR a line: made piece by piece, for a line of it as an object takes four times as much. */
import type { PrefixSet } from '../policy/prefix-set.js';

/** Of each family. */
export interface CidrText {
  /** ASCII; canonical: two sets with the same addresses are the same text. */
  text: Buffer;
  v4: number;
  v6: number;
}

const PIECE = 16_384;

/** @returns undefined where there are more than `most` CIDRs: a few ranges may be millions */
export function cidrText(set: PrefixSet, most = Number.POSITIVE_INFINITY): CidrText | undefined {
  const pieces: Buffer[] = [];
  let lines: string[] = [];
  let [v4, v6] = [0, 0];
  const finish = () => {
    pieces.push(Buffer.from(lines.join(''), 'latin1'));
    lines = [];
  };
  for (const cidr of set.eachCidr()) {
    if (cidr.includes(':')) v6++;
    else v4++;
    if (v4 + v6 > most) return undefined;
    if (lines.push(`${cidr}\n`) === PIECE) finish();
  }
  finish();
  return { text: Buffer.concat(pieces), v4, v6 };
}
