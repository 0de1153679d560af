/** Keys that have another name now. The old name is still read; the file that uses it is warned of. */
import { type Diagnostic, diagnosticAt } from './diagnostic.js';
import { type Path, valueAt } from './raw.js';
import type { CheckedFile } from './schema.js';
import type { Source } from './source.js';

/** Sections, and their keys by old name. */
const RENAMED = [{ section: ['router'], before: 'way_out', now: 'forwarding' }] as const;

export const DEPRECATED_KEYS: readonly string[] = RENAMED.map(({ before }) => before);

/** The value under either name; both at once are an error (`renamedTwice`). */
export function forwardingOf(router: CheckedFile['router']) {
  return router.way_out ?? router.forwarding;
}

function present(root: unknown) {
  return RENAMED.map((key) => ({
    ...key,
    old: [...key.section, key.before],
    current: [...key.section, key.now],
  })).filter(({ old }) => valueAt(root, old) !== undefined);
}

/** Both names in one section: the file must say which value it means. */
export function renamedTwice(root: unknown, source: Source): Diagnostic[] {
  return present(root)
    .filter(({ current }) => valueAt(root, current) !== undefined)
    .map(({ before, now, old }) =>
      diagnosticAt(source.positionOfKey(old), {
        message: `"${before}" is the old name of "${now}", and both are here`,
        hint: `keep ${now}, remove ${before}`,
      }),
    );
}

export function deprecationWarnings(root: unknown, source: Source): Diagnostic[] {
  return present(root).map(({ before, now, old }) =>
    diagnosticAt(source.positionOfKey(old), {
      message: `"${before}" is deprecated; its name is "${now}" now`,
      hint: `write ${now}: ${source.writtenAt(old) ?? String(valueAt(root, old))}`,
    }),
  );
}

/** The path as the file has it: a value under its old name is found there. */
export function writtenPath(root: unknown, path: Path): Path {
  const renamed = present(root).find(({ current }) => current.join('.') === path.join('.'));
  return renamed?.old ?? path;
}
