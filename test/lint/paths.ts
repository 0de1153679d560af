/**
 * Every path of this repository that documentation or a comment names exists. A comment that leads
 * to a file of before is worse than none.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, posix } from 'node:path';
import type { Violation } from './imports.js';
import { commentsOf } from './source-tree.js';

/** Not ours, or made by the build. */
const SKIPPED = new Set(['.git', 'node_modules', 'build']);

/** What a change log tells of the past may be gone; what a licence says is not ours. */
const UNCHECKED = new Set(['CHANGELOG.md', 'LICENSE']);

/** Headers of the system, which texts of ours name, too. */
const FOREIGN = [
  /^(?:linux|net|netinet|netfilter_ipv6|sys|asm|arpa|bpf|uapi)\/[\w/-]+\.h$/,
  /^(?:vmlinux|bpf_helpers|bpf_endian|errno|sysexits)\.h$/,
];

/** Words with one of these endings are files of source or of documentation. */
const FILE = /^[\w.*-]+(?:\/[\w.*-]+)*\.(?:ts|mts|mjs|c|h|md|mk)$/;

/** Words that may be paths; neither URLs, nor absolute paths, nor parts of either. */
const WORD = /(?<![\w/:@.<$~{}-])(?:\.\.?\/)*[\w.*-]+(?:\/[\w.*-]+)*/g;

const HEADING = /^#+ +(.+)$/gm;
const LINK = /\]\((?<path>[^()\s#:]*)(?:#(?<anchor>[^()\s]+))?\)/g;

interface Tree {
  root: string;
  /** Files and folders, from the root. */
  paths: ReadonlySet<string>;
  folders: ReadonlySet<string>;
}

interface Text {
  path: string;
  line: number;
  text: string;
}

function readTree(root: string): Tree {
  const paths = new Set<string>();
  const folders = new Set<string>();
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (SKIPPED.has(entry.name)) continue;
      const path = posix.join(folder, entry.name);
      paths.add(path);
      if (!entry.isDirectory()) continue;
      folders.add(path);
      visit(path);
    }
  };
  visit('');
  return { root, paths, folders };
}

const isMarkdown = (path: string) => path.endsWith('.md');

function numbered(path: string, lines: readonly string[]): Text[] {
  return lines.map((text, i) => ({ path, line: i + 1, text }));
}

/** Of a text that is read line by line: all of it, or what stands behind a `#`. */
function proseOf(path: string, text: string): Text[] | undefined {
  if (isMarkdown(path)) return numbered(path, text.split('\n'));
  if (/\.(?:ts|mts|mjs|c|h)$/.test(path)) return numbered(path, commentsOf(text).split('\n'));
  if (/(?:^|\/)Makefile$|\.(?:mk|sh)$/.test(path))
    return numbered(
      path,
      text.split('\n').map((line) => /(?:^|\s)#(?!!)(.*)$/.exec(line)?.[1] ?? ''),
    );
  return undefined;
}

/** `plan/*-check.ts` as a pattern for whole paths. */
function patternOf(path: string): RegExp {
  const text = path.replaceAll(/[.+]/g, '\\$&').replaceAll('*', '[^/]*');
  return new RegExp(`(?:^|/)${text}$`);
}

/** From the root, from where it is named, or the end of a longer path (`nft/rules.ts`, `abi.h`). */
function exists(named: string, from: string, { paths }: Tree): boolean {
  const near = posix.normalize(posix.join(dirname(from), named));
  const path = named.replace(/^(?:\.\.?\/)+/, '');
  if (paths.has(near) || paths.has(path)) return true;
  const pattern = patternOf(path);
  return [...paths].some((one) => pattern.test(one));
}

/** What must exist: it begins with one of our folders, or ends like a file of ours. */
function isPath(word: string, { folders }: Tree): boolean {
  const [top, ...below] = word.split('/');
  if (SKIPPED.has(top!) || FOREIGN.some((pattern) => pattern.test(word))) return false;
  if (FILE.test(word.replace(/^(?:\.\.?\/)+/, ''))) return true;
  return below.length > 0 && folders.has(top!);
}

/** Less the end of a sentence. */
const withoutPunctuation = (word: string) => word.replace(/[.-]+$/, '');

function checkNames({ path, line, text }: Text, tree: Tree): Violation[] {
  const words = text.replaceAll(/\b[a-z]+:\/\/\S+/g, '').match(WORD) ?? [];
  return words
    .map(withoutPunctuation)
    .filter((word) => isPath(word, tree) && !exists(word, path, tree))
    .map((word) => ({ path, line, message: `there is no ${word}` }));
}

/** As GitHub makes them from headings. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(HEADING)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function checkAnchors({ path, line, text }: Text, { root, paths }: Tree): Violation[] {
  if (!isMarkdown(path)) return [];
  return [...text.matchAll(LINK)].flatMap(({ groups }) => {
    const { path: named = '', anchor } = groups ?? {};
    const target = named === '' ? path : posix.normalize(posix.join(dirname(path), named));
    if (!paths.has(target)) return [{ path, line, message: `there is no ${named}` }];
    if (anchor === undefined || !isMarkdown(target)) return [];
    if (anchorsOf(readFileSync(join(root, target), 'utf8')).includes(anchor)) return [];
    return [{ path, line, message: `${target} has no heading for #${anchor}` }];
  });
}

/** Every path and every link to a heading that leads nowhere, below a root. */
export function checkPaths(root: string): Violation[] {
  const tree = readTree(root);
  const files = [...tree.paths].filter((path) => !UNCHECKED.has(basename(path)));
  return files.toSorted().flatMap((path) => {
    if (tree.folders.has(path)) return [];
    const texts = proseOf(path, readFileSync(join(root, path), 'utf8')) ?? [];
    return texts.flatMap((text) => [...checkNames(text, tree), ...checkAnchors(text, tree)]);
  });
}
