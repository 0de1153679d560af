/** What the YAML parser itself objects to, in our words. */
import { visit, type YAMLError } from 'yaml';
import { type Diagnostic, diagnosticAt, type Problem } from './diagnostic.js';
import type { Source } from './source.js';

/** Errors after which the values still are what the file says. */
const HARMLESS: readonly string[] = ['DUPLICATE_KEY', 'TAG_RESOLVE_FAILED'];

function duplicateKey(source: Source, offset: number): Problem {
  const key = /^(["']?)(.*?)\1\s*(?::|\n|$)/.exec(source.text.slice(offset, offset + 80))?.[2];
  return {
    message: `the key "${key ?? ''}" is there twice`,
    hint: 'keep one of them',
  };
}

function colonHint(source: Source, offset: number): string {
  const start = source.text.lastIndexOf('\n', offset - 1) + 1;
  const line = source.text.slice(start).split('\n', 1)[0]!;
  return /::\s*$/.test(line)
    ? 'put an IPv6 address that ends in "::" in quotes'
    : 'put a value that has ": " in it in quotes, and check the indentation';
}

function problemOf(error: YAMLError, source: Source): Problem {
  const [offset] = error.pos;
  switch (error.code) {
    case 'DUPLICATE_KEY':
      return duplicateKey(source, offset);
    case 'BLOCK_AS_IMPLICIT_KEY':
      return { message: 'a key inside a value', hint: colonHint(source, offset) };
    case 'TAB_AS_INDENT':
      return { message: 'a tab in the indentation', hint: 'indent with spaces' };
    case 'MULTIPLE_DOCS':
      return { message: 'a second YAML document', hint: 'remove the line "---"' };
    case 'TAG_RESOLVE_FAILED':
      return { message: 'YAML tags have no meaning here', hint: 'remove the word with the "!"' };
    default:
      // Some messages quote the file behind a colon, and that may be a secret.
      return { message: `not YAML: ${error.message.replace(/: .*$/s, '')}` };
  }
}

/** Anchors are fine, but a reference to none or into itself has no value. */
function badAliases(source: Source): Diagnostic[] {
  const found: Diagnostic[] = [];
  visit(source.document, {
    Alias(_, alias, ancestors) {
      const target = alias.resolve(source.document);
      if (target !== undefined && !ancestors.includes(target)) return;
      const problem: Problem =
        target === undefined
          ? { message: `the alias *${alias.source} has no anchor before it` }
          : { message: `the alias *${alias.source} refers to what it is a part of` };
      const hint = 'put a text that starts with "*" in quotes';
      found.push(diagnosticAt(source.positionAt(alias.range?.[0] ?? 0), { ...problem, hint }));
    },
  });
  return found;
}

function firstAlias(source: Source): number {
  let offset = 0;
  visit(source.document, {
    Alias(_, { range }) {
      offset = range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  return offset;
}

/** The document's values can be built from aliases without growing beyond measure. */
function isExpandable(source: Source): boolean {
  try {
    source.values();
    return true;
  } catch {
    return false;
  }
}

export function syntaxDiagnostics(source: Source): Diagnostic[] {
  const { document } = source;
  const found = [...document.errors, ...document.warnings].map((error) =>
    diagnosticAt(source.positionAt(error.pos[0]), problemOf(error, source)),
  );
  found.push(...badAliases(source));
  if (found.length > 0) return found;
  if (!isExpandable(source)) {
    const problem = { message: 'YAML aliases that grow beyond measure', hint: 'write them out' };
    return [diagnosticAt(source.positionAt(firstAlias(source)), problem)];
  }
  if (document.contents === null) {
    const problem = { message: 'the file is empty', hint: 'run "sidetrack init"' };
    return [diagnosticAt(source.positionAt(0), problem)];
  }
  return found;
}

/** Whether there are values to look at, in spite of what the parser objected to. */
export function hasValues(source: Source): boolean {
  const { contents, errors } = source.document;
  if (contents === null || errors.some((error) => !HARMLESS.includes(error.code))) return false;
  return badAliases(source).length === 0 && isExpandable(source);
}
