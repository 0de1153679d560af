/** What is parsed is checked: no JSON becomes a type by a word alone. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { readSourceTree, withoutComments } from '../../lint/source-tree.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** Texts of this very program: a step's input, and the package's version. */
const OWN = ['control/apply/nft-step.ts', 'control/hosts/sidetrack.ts'];
const CAST = /JSON\.parse\([^;{}]*\)\s*as\b/;

it('finds a cast, over lines too', () => {
  expect(['JSON.parse(text) as Shape', 'JSON.parse(read(path,\n "utf8")) as X'].every(isCast)).toBe(
    true,
  );
  expect(
    ['const value: unknown = JSON.parse(text);', 'JSON.parse(text); x as Y'].some(isCast),
  ).toBe(false);
});

it('no file casts what it has parsed', () => {
  const files = readSourceTree(ROOT).filter(({ path }) => !path.startsWith('test/'));
  expect(files.length).toBeGreaterThan(100);
  const casts = files.filter(({ path }) =>
    isCast(withoutComments(readFileSync(`${ROOT}/${path}`, 'utf8'))),
  );
  expect(casts.map(({ path }) => path).filter((path) => !OWN.includes(path))).toEqual([]);
});

function isCast(text: string): boolean {
  return CAST.test(text);
}
