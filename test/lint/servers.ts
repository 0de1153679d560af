/**
 * No code of the control plane takes one server, or one target, for all there are: what does would
 * have to be found again for each server more. plan/targets.ts alone turns the list into targets.
 */
import type { Violation } from './imports.js';
import { readSourceTree, type SourceFile, withoutTexts } from './source-tree.js';

const MAKES_TARGETS = 'control/plan/targets.ts';

/** Of a list that is called so: a member by its number, the first or last one, and one that is bound by its place. */
const PICKS: readonly RegExp[] = [
  /\b(?:servers|targets)\s*[!?]*\.?\s*\[\s*-?\d+\s*\]/g,
  /\b(?:servers|targets)\s*[!?]*\.\s*(?:at|shift|pop)\s*\(/g,
  /\[[^[\];]*\]\s*=\s*[^;=]*\b(?:servers|targets)\s*!?\s*;/g,
  /\b(?:servers|targets)\s*:\s*\[\s*\w+\s*\]/g,
];
/** In a path into the file. */
const PICKS_PLACE = /(['"])servers\1\s*,\s*\d/g;

function picksOf({ code }: SourceFile): number[] {
  const running = withoutTexts(code);
  const found = [
    ...PICKS.flatMap((pick) => [...running.matchAll(pick)]),
    ...code.matchAll(PICKS_PLACE),
  ];
  return found.map(({ index }) => code.slice(0, index).split('\n').length);
}

export function checkServers(root: string): Violation[] {
  return readSourceTree(root)
    .filter(({ path }) => path.startsWith('control/') && path !== MAKES_TARGETS)
    .flatMap((file) =>
      picksOf(file).map((line) => ({
        path: file.path,
        line,
        message: 'this takes one server for all; do it for each, or ask control/plan/targets.ts',
      })),
    );
}
