import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  BPF,
  type CTree,
  checkCalls,
  checkCIncludes,
  checkHeaders,
  ENGINE,
  LOADER,
} from '../../lint/c-floors.js';
import { formatViolation, type Violation } from '../../lint/imports.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** A tree of two floors: what is above may use what is below. */
const TREE: CTree = { folder: 'c', floors: ['types.h', 'low', 'high'], apart: ['print.c'] };

function write(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'sidetrack-floors-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

function told(violations: readonly Violation[]): string[] {
  return violations.map(formatViolation);
}

function includesTold(files: Record<string, string>): string[] {
  return told(checkCIncludes(write(files), TREE));
}

function headersTold(files: Record<string, string>): string[] {
  return told(checkHeaders(write(files), TREE));
}

/** Compiles the files as the engine's Makefile does, one object beside each. */
function callsTold(files: Record<string, string>): string[] {
  const root = write(files);
  for (const path of Object.keys(files)) {
    const object = join(root, 'build', path.replace('c/', '').replace('.c', '.o'));
    mkdirSync(dirname(object), { recursive: true });
    const { status, stderr } = spawnSync('gcc', ['-w', '-c', join(root, path), '-o', object]);
    expect({ status, stderr: String(stderr) }).toEqual({ status: 0, stderr: '' });
  }
  return told(checkCalls(root, TREE, 'build'));
}

describe('this repository', () => {
  it('includes downwards in the classifier', () => {
    expect(told(checkCIncludes(ROOT, BPF))).toEqual([]);
    expect(told(checkCIncludes(ROOT, LOADER))).toEqual([]);
  });

  it('includes downwards in the engine', () => {
    expect(told(checkCIncludes(ROOT, ENGINE))).toEqual([]);
  });

  it('calls downwards in the engine', () => {
    const made = spawnSync('make', ['-s', '-C', 'proxy/engine'], { cwd: ROOT, encoding: 'utf8' });
    expect(made.stderr).toBe('');
    expect(told(checkCalls(ROOT, ENGINE, 'build/proxy/engine'))).toEqual([]);
  });

  it('has headers that compile by themselves', () => {
    expect(told(checkHeaders(ROOT, ENGINE))).toEqual([]);
  });

  const hasLibbpf = existsSync('/usr/include/bpf/bpf_helpers.h');
  it.skipIf(!hasLibbpf)('has headers of the classifier that compile by themselves', () => {
    expect(told(checkHeaders(ROOT, BPF))).toEqual([]);
    expect(told(checkHeaders(ROOT, LOADER))).toEqual([]);
  });
});

describe('includes', () => {
  it('may go down, along the floor and out of the tree', () => {
    const files = {
      'c/types.h': '#include <stdint.h>\n',
      'c/low/a.h': '#include "types.h"\n',
      'c/low/b.c': '#include "a.h"\n#include "low/a.h"\n',
      'c/high/a.h': '#include "low/a.h"\n',
      'c/print.c': '#include "high/a.h"\n',
    };
    expect(includesTold(files)).toEqual([]);
  });

  it('must not go up', () => {
    const files = {
      'c/types.h': '/* #include "high/a.h" */\n#include "low/a.h"\n',
      'c/low/a.h': '',
      'c/low/a.c': '#include "low/a.h"\n\n# include "../high/a.h"\n',
      'c/high/a.h': '',
    };
    expect(includesTold(files)).toEqual([
      'c/low/a.c:3: includes high/a.h, which is on a higher floor',
      'c/types.h:2: includes low/a.h, which is on a higher floor',
    ]);
  });

  it('must not go in a circle, not even on one floor', () => {
    const files = {
      'c/low/a.h': '#include "b.h"\n',
      'c/low/b.h': '#include "low/c.h"\n',
      'c/low/c.h': '\n#include "low/a.h"\n',
    };
    expect(includesTold(files)).toEqual([
      'c/low/c.h:2: circle of includes: c/low/a.h → c/low/b.h → c/low/c.h → c/low/a.h',
    ]);
  });

  it('are of files whose floor is known', () => {
    expect(includesTold({ 'c/lowest/a.h': '', 'c/b.c': '' })).toEqual([
      'c/b.c:1: b.c is on no floor of test/lint/c-floors.ts',
      'c/lowest/a.h:1: lowest/a.h is on no floor of test/lint/c-floors.ts',
    ]);
  });
});

describe('calls', () => {
  it('may go down, and be of what others have', () => {
    const files = {
      'c/low/a.c': 'int puts(const char *);\nint low(void) { return puts(""); }\n',
      'c/high/a.c':
        'int low(void);\nstatic int own(void) { return low(); }\nint high(void) { return own(); }\n',
    };
    expect(callsTold(files)).toEqual([]);
  });

  it('must not go up, by whatever declaration', () => {
    const files = {
      'c/low/a.c': '/* high */\nint high(void);\nint low(void) { return high(); }\n',
      'c/low/b.c': 'extern int table[];\nint *where(void) { return table; }\n',
      'c/high/a.c': 'int table[1];\nint high(void) { return 1; }\n',
    };
    expect(callsTold(files)).toEqual([
      'c/low/a.c:2: uses high of high/a.c, which is on a higher floor',
      'c/low/b.c:1: uses table of high/a.c, which is on a higher floor',
    ]);
  });

  it('must not go in a circle', () => {
    const files = {
      'c/low/a.c': 'int b(void);\nint a(void) { return b(); }\n',
      'c/low/b.c': 'int c(void);\nint b(void) { return c(); }\n',
      'c/low/c.c': 'int a(void);\nint c(void) { return a(); }\n',
    };
    expect(callsTold(files)).toEqual([
      'c/low/c.c:1: circle of calls: c/low/a.c → c/low/b.c → c/low/c.c → c/low/a.c',
    ]);
  });

  it('are not taken for none where nothing was compiled', () => {
    const root = write({ 'c/low/a.c': '', 'c/low/a.h': '' });
    expect(told(checkCalls(root, TREE, 'build'))).toEqual([
      'c/low/a.c:1: is not compiled in build',
    ]);
  });
});

describe('a header', () => {
  it('has all that it needs', () => {
    const files = {
      'c/types.h': '#include <stdint.h>\ntypedef uint32_t number;\n',
      'c/low/a.h':
        '#include "types.h"\nstruct b;\nstatic inline number a(struct b *b) { return !b; }\n',
    };
    expect(headersTold(files)).toEqual([]);
  });

  it.each([
    ['a type', 'number a(void);\n', "unknown type name 'number'"],
    [
      'a function',
      'static inline int a(void) { return b(); }\n',
      "implicit declaration of function 'b'",
    ],
    ['a struct', 'int a(struct b *b);\n', "'struct b' declared inside parameter list"],
    ['a file', '#include "low/b.h"\n', 'low/b.h: No such file or directory'],
  ])('that lacks %s is told', (_, text, message) => {
    const found = headersTold({ 'c/low/a.h': `\n${text}`, 'c/low/good.h': '' });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`c/low/a.h:2: does not compile by itself: ${message}`);
  });
});
