/**
 * What of an interval set's elements has to go and to come. Elements are compared as the intervals that the
 * kernel holds, not as addresses: a prefix that grows is one interval less and another one more. So what is in the
 * set afterwards is exactly what a replacement as a whole would have put there, neighbours joined.
 */
import { type AddressIntervals, intervalsOf, readIntervals } from './address-intervals.js';
import { addressElement } from './elements.js';
import type { Expression, NftSet } from './json.js';

export interface SetDelta {
  added: Expression[];
  removed: Expression[];
}

/** One message of a container without root's privilege holds so many, beside the rules. */
export const LONGEST_DELTA = 1000;

/**
 * @param listed the set's elements as nft lists them.
 * @param most elements that the delta may have.
 * @returns undefined where the set is better replaced as a whole: it is none of intervals, it holds what is more
 * than an interval, or most of it differs.
 */
export function setDelta(
  desired: NftSet,
  listed: readonly unknown[],
  most = LONGEST_DELTA,
): SetDelta | undefined {
  const wanted = intervalsOf(desired);
  const found = wanted && readIntervals(listed);
  return wanted && found && differing(wanted, found, most);
}

function differing(
  wanted: AddressIntervals,
  found: AddressIntervals,
  most: number,
): SetDelta | undefined {
  const delta: SetDelta = { added: [], removed: [] };
  let w = 0;
  let f = 0;
  while (w < wanted.starts.length || f < found.starts.length) {
    if (sizeOf(delta) > most) return undefined;
    const [wantedStart, foundStart] = [wanted.starts[w], found.starts[f]];
    if (wantedStart === foundStart && wanted.ends[w] === found.ends[f]) {
      w++;
      f++;
    } else if (
      foundStart === undefined ||
      (wantedStart !== undefined && wantedStart < foundStart)
    ) {
      delta.added.push(addressElement(wantedStart!, wanted.ends[w++]!));
    } else {
      delta.removed.push(addressElement(foundStart, found.ends[f++]!));
    }
  }
  return sizeOf(delta) > most ? undefined : delta;
}

/**
 * Of a set in which packets put others beside the elements that are configuration: it is never emptied.
 * @param listed without those others.
 */
export function elementDelta(desired: NftSet, listed: readonly unknown[]): SetDelta {
  const keys = (elements: readonly unknown[]) =>
    new Map(elements.map((one) => [JSON.stringify(one), one as Expression]));
  const [wanted, found] = [keys(desired.elements ?? []), keys(listed)];
  return {
    added: [...wanted].flatMap(([key, one]) => (found.has(key) ? [] : [one])),
    removed: [...found].flatMap(([key, one]) => (wanted.has(key) ? [] : [one])),
  };
}

export const sizeOf = ({ added, removed }: SetDelta): number => added.length + removed.length;

/** Takes it back. */
export const inverse = ({ added, removed }: SetDelta): SetDelta => ({
  added: removed,
  removed: added,
});
