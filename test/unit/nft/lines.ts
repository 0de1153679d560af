import type { Chain } from '../../../control/nft/json.js';
import { tableText } from '../../../control/nft/text.js';

/** A chain as text: one line for its hook, if it has one, and for each rule. */
export function linesOf(chain: Chain): string[] {
  const text = tableText({ family: 'inet', name: 'sidetrack', sets: [], chains: [chain] });
  return text
    .split('\n')
    .filter((line) => line.startsWith('\t\t'))
    .map((line) => line.trim());
}
