import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { formatViolation } from '../../lint/imports.js';
import { checkPaths } from '../../lint/paths.js';

function violationsOf(files: Record<string, string>): string[] {
  const root = mkdtempSync(join(tmpdir(), 'sidetrack-paths-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return checkPaths(root).map(formatViolation);
}

it('every path that is named in this repository exists', () => {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  expect(checkPaths(root).map(formatViolation)).toEqual([]);
});

describe('a path that leads nowhere', () => {
  it.each([
    ['docs/a.md', 'See [b](b.md).', 'there is no b.md'],
    ['docs/a.md', '`control/gone.ts` does it, and so\n', 'there is no control/gone.ts'],
    ['docs/a.md', 'Files `control/*-gone.ts` do it.', 'there is no control/*-gone.ts'],
    ['docs/a.md', 'The folder `control/gone/` is new.', 'there is no control/gone'],
    ['control/a.ts', '/** As gone.ts has it. */', 'there is no gone.ts'],
    ['control/a.ts', "const x = 'y'; // as in gone.ts", 'there is no gone.ts'],
    ['proxy/a.c', '/* the rest: gone.h */', 'there is no gone.h'],
    ['Makefile', 'all: # see docs/gone.md', 'there is no docs/gone.md'],
    ['test/a.sh', '# runs test/gone.c', 'there is no test/gone.c'],
  ])('in %s: %s', (path, text, message) => {
    const files = { 'control/here.ts': '', [path]: text };
    expect(violationsOf(files).map((one) => one.replace(/^.*?: /, ''))).toContain(message);
  });

  it('is told with its line, and so is a link to no heading', () => {
    const files = { 'docs/a.md': '# A b\n\n[c](#a-b)\n[d](#a-c)\n[e](b.md#a)\n', 'docs/b.md': '' };
    expect(violationsOf(files)).toEqual([
      'docs/a.md:4: docs/a.md has no heading for #a-c',
      'docs/a.md:5: docs/b.md has no heading for #a',
    ]);
  });
});

it.each([
  ['docs/a.md', '`here.ts`, `control/here.ts`, `../control/here.ts`, `control/*.ts`, `control/`'],
  ['docs/a.md', 'https://example.com/a/b.md, /usr/include/c.h, `~/x.ts`, `china.txt`, yes/no'],
  ['docs/a.md', '[a](https://example.com/b.md), `linux/bpf.h`, `build/control/x.md` is built'],
  ['control/a.ts', "const a = 'gone.ts';\nimport b from './gone.ts';"],
  ['proxy/a.c', '#include "gone.h"\n/* linux/tcp.h */'],
])('fine in %s: %s', (path, text) => {
  expect(violationsOf({ 'control/here.ts': '', [path]: text })).toEqual([]);
});
