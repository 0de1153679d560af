/**
 * Who may import whom. The tables below are the import rule of docs/ARCHITECTURE.md in a form that
 * a test enforces: no circles, and what should be pure stays pure.
 */
import { builtinModules } from 'node:module';
import { type Arrow, circlesOf } from './graph.js';
import { type Import, readSourceTree, type SourceFile, withoutTexts } from './source-tree.js';

export interface Violation {
  path: string;
  line: number;
  message: string;
}

/** Packages that each package may import from, besides itself. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  bpf: [],
  proxy: [],
  monitoring: ['bpf', 'proxy'],
  control: ['bpf', 'proxy', 'monitoring'],
  test: ['bpf', 'proxy', 'monitoring', 'control'],
};

const UP_TO_RESOURCES = [
  'error',
  'contract',
  'command',
  'heartbeat',
  'config',
  'policy',
  'nft',
  'plan',
  'resources',
];
const UP_TO_APPLY = [...UP_TO_RESOURCES, 'keep', 'hosts', 'apply'];

/** Parts of control that each part may import from, besides itself. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  error: [],
  contract: [],
  command: ['error', 'contract'],
  config: ['error'],
  heartbeat: ['error', 'contract', 'config'],
  policy: ['error', 'contract', 'config', 'heartbeat'],
  lists: ['error', 'contract', 'config', 'policy'],
  nft: ['error', 'contract', 'heartbeat', 'config', 'policy'],
  plan: ['error', 'contract', 'command', 'heartbeat', 'config', 'policy', 'nft'],
  resources: ['error', 'contract', 'command', 'heartbeat', 'config', 'policy', 'nft', 'plan'],
  keep: UP_TO_RESOURCES,
  hosts: ['error', 'command'],
  apply: [...UP_TO_RESOURCES, 'keep', 'hosts'],
  exporter: [...UP_TO_APPLY, 'lists'],
  doctor: UP_TO_APPLY,
  trace: UP_TO_APPLY,
  lab: UP_TO_APPLY,
  bench: ['error', 'contract', 'command', 'hosts', 'lab'],
  cli: [...UP_TO_APPLY, 'lists', 'exporter', 'doctor', 'trace', 'lab', 'bench'],
};

/** Parts that compute and touch nothing; their results can be tested without a machine. */
const PURE_PARTS: readonly string[] = [
  'command',
  'heartbeat',
  'policy',
  'nft',
  'plan',
  'resources',
  'keep',
];
/** Of a part that is pure otherwise. */
const DOING_FILES = /^control\/bench\/run[^/]*$/;
const isPure = (path: string): boolean =>
  PURE_PARTS.includes(partOf(path) ?? '') || (partOf(path) === 'bench' && !DOING_FILES.test(path));
/** Built-in modules that only compute. */
const PURE_MODULES: readonly string[] = ['path', 'url', 'util', 'assert', 'buffer', 'crypto'];
const IMPURE_PACKAGES: readonly string[] = ['ffi-rs', 'prom-client'];

const PRINTS_OR_EXITS = /\bconsole\s*\.|\bprocess\s*\.\s*(?:stdout|stderr|exit|exitCode|abort)\b/;

/** `bpf`, or within control `control/policy`. */
function packageOf(path: string): string {
  return path.split('/', 1)[0]!;
}

/** First folder below control, or the name of a file that lies there itself. */
function partOf(path: string): string | undefined {
  const [top, part] = path.split('/');
  return top === 'control' ? part?.replace(/\.ts$/, '') : undefined;
}

function directionViolation(path: string, target: string): string | undefined {
  const [from, to] = [packageOf(path), packageOf(target)];
  if (from !== to) {
    return PACKAGES[from]?.includes(to) ? undefined : `${from} must not import from ${to}`;
  }
  const [part, wanted] = [partOf(path), partOf(target)];
  if (part === undefined || wanted === undefined || part === wanted) return undefined;
  if (PARTS[part]?.includes(wanted)) return undefined;
  return `control/${part} must not import from control/${wanted}`;
}

function checkDirections(file: SourceFile): Violation[] {
  return file.imports.flatMap(({ target, line }) => {
    const message = target === undefined ? undefined : directionViolation(file.path, target);
    return message === undefined ? [] : [{ path: file.path, line, message }];
  });
}

function checkKnownPart(file: SourceFile): Violation[] {
  const part = partOf(file.path);
  if (part === undefined || Object.hasOwn(PARTS, part)) return [];
  const message = `control/${part} is not in the table of test/lint/imports.ts`;
  return [{ path: file.path, line: 1, message }];
}

function checkPrinting(file: SourceFile): Violation[] {
  if (packageOf(file.path) !== 'control' || partOf(file.path) === 'cli') return [];
  return withoutTexts(file.code)
    .split('\n')
    .flatMap((text, i) =>
      PRINTS_OR_EXITS.test(text)
        ? [{ path: file.path, line: i + 1, message: 'only control/cli prints or exits' }]
        : [],
    );
}

/** Where programs are started; other parts run them on a `Host`. The relay's successor is one of our own. */
const STARTS_PROGRAMS = /^control\/(?:hosts\/|lab\/|cli\/relay\/successor\.ts$)/;

function checkPrograms(file: SourceFile): Violation[] {
  if (packageOf(file.path) !== 'control' || STARTS_PROGRAMS.test(file.path)) return [];
  if (isPure(file.path)) return [];
  return file.imports
    .filter(({ specifier }) => /^(?:node:)?child_process$/.test(specifier))
    .map(({ line }) => ({
      path: file.path,
      line,
      message: 'only control/hosts and control/lab start programs',
    }));
}

function isImpure({ specifier, target, isType }: Import): boolean {
  if (isType || target !== undefined) return false;
  const name = specifier.replace(/^node:/, '');
  const [base = name] = name.split('/');
  if (PURE_MODULES.includes(base)) return false;
  return (
    specifier.startsWith('node:') || builtinModules.includes(base) || IMPURE_PACKAGES.includes(name)
  );
}

type Tree = ReadonlyMap<string, SourceFile>;

/** Every way from a pure file, over what it imports at run time, to a module that touches things. */
function checkPurity(file: SourceFile, tree: Tree): Violation[] {
  if (!isPure(file.path)) return [];
  const seen = new Set([file.path]);
  const search = (current: SourceFile, first: Import | undefined, via: string): Violation[] =>
    current.imports.flatMap((each) => {
      const { line } = first ?? each;
      if (isImpure(each)) {
        const message = `control/${partOf(file.path)} must be pure, but imports ${each.specifier}`;
        return [{ path: file.path, line, message: `${message}${via}` }];
      }
      const next = each.isType ? undefined : tree.get(each.target ?? '');
      if (next === undefined || seen.has(next.path)) return [];
      seen.add(next.path);
      return search(next, first ?? each, ` by way of ${next.path}`);
    });
  return search(file, undefined, '');
}

/** A circle of types alone is one, too. */
function checkCircles(files: readonly SourceFile[]): Violation[] {
  const arrows = ({ path, imports }: SourceFile): [string, Arrow[]] => [
    path,
    imports.flatMap(({ target, line }) => (target === undefined ? [] : [{ to: target, line }])),
  ];
  return circlesOf(new Map(files.map(arrows))).map(({ path, line, text }) => ({
    path,
    line,
    message: `circle of imports: ${text}`,
  }));
}

/** Everything below a root that breaks the import rule. */
export function checkImports(root: string): Violation[] {
  const files = readSourceTree(root);
  const tree: Tree = new Map(files.map((file) => [file.path, file]));
  return [
    ...files.flatMap((file) => [
      ...checkKnownPart(file),
      ...checkDirections(file),
      ...checkPrinting(file),
      ...checkPrograms(file),
      ...checkPurity(file, tree),
    ]),
    ...checkCircles(files),
  ];
}

/** `control/nft/rules.ts:3: control/nft must not import from control/plan` */
export function formatViolation({ path, line, message }: Violation): string {
  return `${path}:${line}: ${message}`;
}
