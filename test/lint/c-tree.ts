/** C files below a folder: what they include, and what their objects say they call. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import type { Arrow, Graph } from './graph.js';
import { withoutComments } from './source-tree.js';

export interface CFile {
  /** From the root, with forward slashes: `proxy/engine/sockets/dial.c`. */
  path: string;
  /** Without comments. */
  code: string;
  includes: Arrow[];
}

/** One use of a symbol that another file defines. */
export interface Call extends Arrow {
  symbol: string;
}

const INCLUDE = /^[ \t]*#[ \t]*include[ \t]*"(?<name>[^"\n]+)"/gm;

function lineAt(code: string, index: number): number {
  return code.slice(0, index).split('\n').length;
}

/** A name in quotes is looked for beside the file first, then in the folder that the compiler is told. */
function includesOf(path: string, code: string, folder: string, known: ReadonlySet<string>) {
  return [...code.matchAll(INCLUDE)].map(({ index, groups }): Arrow => {
    const name = groups!.name!;
    const beside = posix.join(posix.dirname(path), name);
    return {
      to: known.has(beside) ? beside : posix.join(folder, name),
      line: lineAt(code, index),
    };
  });
}

/** Reads every C source and header below a folder of the root. */
export function readCTree(root: string, folder: string): CFile[] {
  const paths = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.[ch]$/.test(path))
    .map((path) => posix.join(folder, path.replaceAll('\\', '/')))
    .toSorted();
  const known = new Set(paths);
  return paths.map((path) => {
    const code = withoutComments(readFileSync(join(root, path), 'utf8'));
    return { path, code, includes: includesOf(path, code, folder, known) };
  });
}

interface Symbols {
  defined: string[];
  wanted: string[];
}

/** What an object offers to others and wants from them. */
function symbolsOf(object: string): Symbols {
  const { stdout, stderr, status } = spawnSync('nm', ['-P', object], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`nm ${object}: ${stderr}`);
  const found: Symbols = { defined: [], wanted: [] };
  for (const line of stdout.split('\n')) {
    const [name, type] = line.split(' ');
    if (name === undefined || type === undefined) continue;
    if (type === 'U') found.wanted.push(name);
    else if (/[A-Z]/.test(type)) found.defined.push(name);
  }
  return found;
}

/** Where `symbol` stands first: a call that a macro makes has no place of its own. */
function lineOf(code: string, symbol: string): number {
  const index = code.search(new RegExp(`\\b${symbol}\\b`));
  return index < 0 ? 1 : lineAt(code, index);
}

/**
 * Who calls whom, as the compiler has left it: one arrow for each symbol that one object wants and
 * another one of the tree defines. A function whose address is taken counts, too.
 * @param objects where the object of `relay/relay.c` below `folder` lies as `relay/relay.o`; sources without one are left out
 */
export function callsOf(
  files: readonly CFile[],
  folder: string,
  objects: string,
): ReadonlyMap<string, readonly Call[]> {
  const compiled = files
    .filter(({ path }) => path.endsWith('.c'))
    .flatMap((file) => {
      const object = join(objects, posix.relative(folder, file.path).replace(/c$/, 'o'));
      return existsSync(object) ? [{ file, symbols: symbolsOf(object) }] : [];
    });
  const home = new Map(
    compiled.flatMap(({ file, symbols }) => symbols.defined.map((name) => [name, file.path])),
  );
  return new Map(
    compiled.map(({ file, symbols }) => [
      file.path,
      symbols.wanted.flatMap((symbol): Call[] => {
        const to = home.get(symbol);
        return to === undefined ? [] : [{ to, line: lineOf(file.code, symbol), symbol }];
      }),
    ]),
  );
}

export function includeGraph(files: readonly CFile[]): Graph {
  return new Map(files.map(({ path, includes }) => [path, includes]));
}
