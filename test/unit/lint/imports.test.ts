import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checkImports, formatViolation } from '../../lint/imports.js';
import { importsOf, withoutComments, withoutTexts } from '../../lint/source-tree.js';

function violationsOf(files: Record<string, string>): string[] {
  const root = mkdtempSync(join(tmpdir(), 'sidetrack-imports-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return checkImports(root).map(formatViolation);
}

/** What is told of one file with the given text, where everything it may import exists. */
function violationsIn(path: string, text: string): string[] {
  return violationsOf({ [path]: text });
}

it('this repository keeps the import rule', () => {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  expect(checkImports(root).map(formatViolation)).toEqual([]);
});

describe('the direction between packages', () => {
  it.each([
    ['bpf/a.ts', '../proxy/x.js', 'bpf must not import from proxy'],
    ['bpf/a.ts', '../control/error.js', 'bpf must not import from control'],
    ['proxy/a.ts', '../bpf/x.js', 'proxy must not import from bpf'],
    ['proxy/engine/a.ts', '../../monitoring/x.js', 'proxy must not import from monitoring'],
    ['monitoring/a.ts', '../control/error.js', 'monitoring must not import from control'],
    ['control/apply/a.ts', '../../test/x.js', 'control must not import from test'],
  ])('%s → %s is told', (path, specifier, message) => {
    expect(violationsIn(path, `\nimport { x } from '${specifier}';\n`)).toEqual([
      `${path}:2: ${message}`,
    ]);
  });

  it.each([
    ['monitoring/a.ts', '../bpf/x.js'],
    ['monitoring/a.ts', '../proxy/x.js'],
    ['control/apply/a.ts', '../../monitoring/x.js'],
    ['control/cli/a.ts', '../../proxy/x.js'],
    ['test/unit/a.ts', '../../control/cli/x.js'],
    ['proxy/a.ts', './engine/x.js'],
  ])('%s → %s is fine', (path, specifier) => {
    expect(violationsIn(path, `import { x } from '${specifier}';`)).toEqual([]);
  });
});

describe('the direction inside control', () => {
  const chain = ['error', 'config', 'policy', 'nft', 'plan', 'resources', 'apply', 'cli'];
  const file = (part: string): string => (part === 'error' ? 'error.ts' : `${part}/a.ts`);
  const specifier = (from: string, to: string): string =>
    `${from === 'error' ? './' : '../'}${file(to).replace('.ts', '.js')}`;
  const allowed = (from: string, to: string): boolean =>
    violationsIn(`control/${file(from)}`, `import { x } from '${specifier(from, to)}';`).length ===
    0;

  it('is the chain', () => {
    for (const [i, from] of chain.entries()) {
      for (const [j, to] of chain.entries()) {
        if (i !== j) expect(`${from} ${to} ${allowed(from, to)}`).toBe(`${from} ${to} ${i > j}`);
      }
    }
  });

  it('lets hosts import only error and command, and only those who act import hosts', () => {
    const parts = ['command', ...chain, 'doctor', 'trace', 'lab'];
    expect(parts.filter((part) => allowed('hosts', part))).toEqual(['command', 'error']);
    expect(parts.filter((part) => allowed(part, 'hosts'))).toEqual([
      'apply',
      'cli',
      'doctor',
      'trace',
      'lab',
    ]);
  });

  it('lets nobody but cli import doctor, trace and lab', () => {
    for (const to of ['doctor', 'trace', 'lab']) {
      expect(chain.filter((part) => allowed(part, to))).toEqual(['cli']);
    }
  });

  it('asks for new parts to be placed', () => {
    expect(violationsIn('control/utils/a.ts', '')).toEqual([
      'control/utils/a.ts:1: control/utils is not in the table of test/lint/imports.ts',
    ]);
  });

  it('sees every form of import', () => {
    const forms = [
      "import { x } from '../plan/a.js';",
      "import type { X } from '../plan/a.js';",
      "import x from '../plan/a.js';",
      "import * as x from '../plan/a.js';",
      "import '../plan/a.js';",
      'import { x } from "../plan/a.js";',
      "import {\n  x,\n  type Y,\n} from '../plan/a.js';",
      "export { x } from '../plan/a.js';",
      "export * from '../plan/a.js';",
      "export type { X } from '../plan/a.js';",
      "const x = await import('../plan/a.js');",
      "let x: import('../plan/a.js').X;",
    ];
    expect(forms.filter((text) => violationsIn('control/nft/a.ts', text).length !== 1)).toEqual([]);
  });

  it('does not see imports in comments, nor where there is none', () => {
    const text = [
      "// import { x } from '../plan/a.js';",
      "/*\nimport { x } from '../plan/a.js';\n*/",
      "export const from = '../plan/a.js';",
      "export function f() { return '../plan/a.js'; }",
    ].join('\n');
    expect(violationsIn('control/nft/a.ts', text)).toEqual([]);
  });
});

describe('purity', () => {
  it.each(['node:fs', 'node:fs/promises', 'fs', 'node:child_process', 'node:net', 'ffi-rs'])(
    'is broken by %s',
    (module) => {
      for (const part of ['policy', 'nft', 'plan', 'resources']) {
        expect(violationsIn(`control/${part}/a.ts`, `import x from '${module}';`)).toEqual([
          `control/${part}/a.ts:1: control/${part} must be pure, but imports ${module}`,
        ]);
      }
      expect(violationsIn('control/hosts/a.ts', `import x from '${module}';`)).toEqual([]);
    },
  );

  it('holds for the benchmark but for what runs it', () => {
    const files = {
      'control/bench/plan.ts': "import x from 'node:fs';",
      'control/bench/run.ts': "import x from 'node:fs';",
      'control/bench/run-lab.ts': "import x from 'node:fs';",
    };
    expect(violationsOf(files)).toEqual([
      'control/bench/plan.ts:1: control/bench must be pure, but imports node:fs',
    ]);
  });

  it.each(['node:path', 'node:util', 'zod'])('is not broken by %s', (module) => {
    expect(violationsIn('control/plan/a.ts', `import x from '${module}';`)).toEqual([]);
  });

  it('is broken through other files, unless only types come from there', () => {
    const files = {
      'control/config/load.ts': "import { readFile } from 'node:fs/promises';",
      'control/config/all.ts': "export * from './load.js';",
      'control/plan/a.ts': "import { x } from '../config/all.js';",
      'control/plan/b.ts': "import type { X } from '../config/all.js';",
    };
    expect(violationsOf(files)).toEqual([
      'control/plan/a.ts:1: control/plan must be pure, but imports node:fs/promises by way of control/config/load.ts',
    ]);
  });
});

describe('printing and exiting', () => {
  it.each([
    'console.log(1);',
    'process.stdout.write(x);',
    'process.exit(1);',
    'process.exitCode = 1;',
  ])('is for cli alone: %s', (statement) => {
    expect(violationsIn('control/apply/a.ts', `\n${statement}`)).toEqual([
      'control/apply/a.ts:2: only control/cli prints or exits',
    ]);
    expect(violationsIn('control/cli/a.ts', statement)).toEqual([]);
    expect(violationsIn('test/a.ts', statement)).toEqual([]);
  });

  it('may be talked about', () => {
    const text = '// console.log\nconst a = \'console.log(1)\';\nconst b = "process.exit";';
    expect(violationsIn('control/apply/a.ts', text)).toEqual([]);
  });
});

it('starting programs is for hosts and the lab alone', () => {
  const text = "\nimport { spawnSync } from 'node:child_process';";
  for (const path of ['control/cli/a.ts', 'control/apply/a.ts', 'control/config/a.ts'])
    expect(violationsIn(path, text)).toEqual([
      `${path}:2: only control/hosts and control/lab start programs`,
    ]);
  for (const path of ['control/hosts/a.ts', 'control/lab/a.ts', 'test/a.ts', 'bpf/a.ts'])
    expect(violationsIn(path, text)).toEqual([]);
});

describe('circles', () => {
  it('are told with every file in them', () => {
    const files = {
      'control/nft/a.ts': "import { b } from './b.js';",
      'control/nft/b.ts': "import type { C } from './c.js';",
      'control/nft/c.ts': "\nexport { a } from './a.js';",
      'control/nft/d.ts': "import { a } from './a.js';\nimport { b } from './b.js';",
    };
    expect(violationsOf(files)).toEqual([
      'control/nft/c.ts:2: circle of imports: control/nft/a.ts → control/nft/b.ts → control/nft/c.ts → control/nft/a.ts',
    ]);
  });

  it('may be of one file', () => {
    expect(violationsIn('bpf/a.ts', "import './a.js';")).toEqual([
      'bpf/a.ts:1: circle of imports: bpf/a.ts → bpf/a.ts',
    ]);
  });

  it('are not seen in a diamond', () => {
    const files = {
      'bpf/a.ts': "import './b.js';\nimport './c.js';",
      'bpf/b.ts': "import './d.js';",
      'bpf/c.ts': "import './d.js';",
      'bpf/d.ts': '',
    };
    expect(violationsOf(files)).toEqual([]);
  });
});

describe('reading source', () => {
  it('blanks comments and keeps texts and lines', () => {
    const text = "a('//no'); // yes\n/* b\n */ c(`/* no */`, \"it's\"); // 'x'";
    const code = withoutComments(text);
    expect(code.split('\n').map((line) => line.trim())).toEqual([
      "a('//no');",
      '',
      'c(`/* no */`, "it\'s");',
    ]);
    expect(withoutTexts(code).replaceAll(/\s/g, '')).toBe('a();c(,);');
  });

  it('knows types from values', () => {
    const isType = (statement: string): boolean | undefined =>
      importsOf('bpf/a.ts', statement)[0]?.isType;
    expect(isType("import type { X } from './x.js';")).toBe(true);
    expect(isType("export type * from './x.js';")).toBe(true);
    expect(isType("import { type X } from './x.js';")).toBe(false);
    expect(isType("import type from './x.js';")).toBe(false);
    expect(isType("import type, { X } from './x.js';")).toBe(false);
  });

  it('resolves relative imports from the file', () => {
    expect(importsOf('control/nft/a.ts', "import '../error.js';")[0]?.target).toBe(
      'control/error.ts',
    );
    expect(importsOf('control/nft/a.ts', "import 'zod';")[0]?.target).toBeUndefined();
  });
});
