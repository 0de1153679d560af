/** The repository's TypeScript files, with their imports and their code without comments. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

/** Top folders that take part; anything else (build output, configuration files) is not looked at. */
export const PACKAGES = ['bpf', 'proxy', 'monitoring', 'control', 'test'] as const;

export interface Import {
  /** As written: `./rule.js`, `node:fs`, `zod`. */
  specifier: string;
  /** The file from the root for a relative import, with `.ts`; `undefined` for a package. */
  target: string | undefined;
  /** Erased by the compiler: `import type`, `export type`. */
  isType: boolean;
  line: number;
}

export interface SourceFile {
  /** From the root, with forward slashes: `control/policy/rule.ts`. */
  path: string;
  imports: Import[];
  /** Comments are blanked, so that lines still count. */
  code: string;
}

/**
 * The compiler has no JavaScript API any more, so the text is read with regular expressions:
 * comments and strings are told apart first, then statements are found by their shape. A quote or
 * `//` in a regular-expression literal can mislead this for the rest of its line.
 */
const COMMENT_OR_TEXT =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`/g;
const STATEMENT =
  /^[ \t]*(?:import|export)\b(?<type>\s+type\b(?!\s*(?:,|from\b)))?(?<names>[\s\w$*,{}]*?)(?:\bfrom\s*)?(?<quote>['"])(?<specifier>[^'"\n]+)\k<quote>/gm;
const EXPRESSION = /\bimport\s*\(\s*(?<quote>['"`])(?<specifier>[^'"`\n]+)\k<quote>/g;

/** The code with every comment turned into blanks. */
export function withoutComments(text: string): string {
  return text.replace(COMMENT_OR_TEXT, (piece) =>
    piece.startsWith('/') ? piece.replace(/[^\n]/g, ' ') : piece,
  );
}

/** The comments with everything else turned into blanks. */
export function commentsOf(text: string): string {
  const blank = (piece: string) => piece.replace(/[^\n]/g, ' ');
  let end = 0;
  let found = '';
  for (const { 0: piece, index } of text.matchAll(COMMENT_OR_TEXT)) {
    found += blank(text.slice(end, index)) + (piece.startsWith('/') ? piece : blank(piece));
    end = index + piece.length;
  }
  return found + blank(text.slice(end));
}

/** The code with texts blanked, too; what is left is what runs. */
export function withoutTexts(code: string): string {
  return code.replace(COMMENT_OR_TEXT, (piece) => piece.replace(/[^\n]/g, ' '));
}

function targetOf(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  return posix.join(posix.dirname(from), specifier).replace(/\.js$/, '.ts');
}

export function importsOf(path: string, code: string): Import[] {
  const found = [...code.matchAll(STATEMENT), ...code.matchAll(EXPRESSION)];
  return found.map((match) => {
    const { specifier = '', type } = match.groups ?? {};
    const line = code.slice(0, match.index).split('\n').length;
    return { specifier, target: targetOf(path, specifier), isType: type !== undefined, line };
  });
}

/** Reads every TypeScript file of the five packages below a root. */
export function readSourceTree(root: string): SourceFile[] {
  return PACKAGES.flatMap((name) => {
    let paths: string[];
    try {
      paths = readdirSync(join(root, name), { recursive: true, encoding: 'utf8' });
    } catch {
      return []; // A package that is not there yet.
    }
    return paths
      .filter((path) => path.endsWith('.ts') && !path.includes('node_modules'))
      .toSorted()
      .map((below): SourceFile => {
        const path = posix.join(name, below.replaceAll('\\', '/'));
        const code = withoutComments(readFileSync(join(root, path), 'utf8'));
        return { path, imports: importsOf(path, code), code };
      });
  });
}
