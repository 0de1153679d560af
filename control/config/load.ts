/** `sidetrack.yaml` → `Config`, or every diagnostic at once. */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { SidetrackError } from '../error.js';
import { familyWarnings } from './carried.js';
import { checkAcross } from './check.js';
import type { Config, SetConfig } from './config.js';
import { deprecationWarnings } from './deprecated.js';
import { ConfigError, type Diagnostic, diagnosticAt, sortDiagnostics } from './diagnostic.js';
import { issueDiagnostics } from './issue.js';
import { limitProblems } from './limit.js';
import { besideFile, normalise } from './normalise.js';
import { asMap, valueAt } from './raw.js';
import { routeWarnings } from './route-warning.js';
import { configSchema } from './schema.js';
import { readFailure, readSetFile, type SetEntries } from './set-file.js';
import { Source } from './source.js';
import { hasValues, syntaxDiagnostics } from './syntax.js';
import { configWarnings } from './warning.js';

const STANDARD_INPUT = '-';

async function readMainFile(path: string): Promise<string> {
  try {
    // By its descriptor: /dev/stdin cannot be opened where it is a socket.
    return await (path === STANDARD_INPUT ? text(process.stdin) : readFile(path, 'utf8'));
  } catch (cause) {
    throw new SidetrackError(`cannot read ${path}: ${readFailure(cause)}`, {
      code: 'config-unreadable',
      source: 'user',
      hint: 'run "sidetrack init" to write a first sidetrack.yaml, or name the file with --config',
      cause,
    });
  }
}

interface LoadedSets {
  sets: Record<string, SetConfig>;
  diagnostics: Diagnostic[];
  /** Of files that cannot be read or are not filled, perhaps not yet. */
  absent: Diagnostic[];
  warnings: Diagnostic[];
}

const LEAST_ENTRIES = 1;

/** An empty list turns what its rules mean round, and comes from a failed download more often than not. */
function tooFew(name: string, set: SetConfig, root: unknown, source: Source): Diagnostic[] {
  const path = ['sets', name, 'min_entries'];
  const written = valueAt(root, path);
  const least = typeof written === 'number' ? written : LEAST_ENTRIES;
  const count = set.entries.length;
  if (count >= least) return [];
  const position = source.positionOf(written === undefined ? ['sets', name, 'file'] : path);
  const message =
    count === 0
      ? `the set "${name}" is empty: ${set.file} has no entry`
      : `the set "${name}" has ${count} ${count === 1 ? 'entry' : 'entries'} and not ${least}: ${set.file}`;
  const hint =
    count === 0
      ? 'fetch the list again; where it may be empty, write min_entries: 0'
      : 'fetch the list again, or write a smaller min_entries';
  return [diagnosticAt(position, { message, hint })];
}

/** Reads the files of all sets, even if the configuration is wrong elsewhere. */
async function loadSets(root: unknown, source: Source): Promise<LoadedSets> {
  const loaded: LoadedSets = { sets: {}, diagnostics: [], absent: [], warnings: [] };
  const known = new Map<string, SetEntries>();
  for (const name of Object.keys(asMap(valueAt(root, ['sets'])))) {
    const written = valueAt(root, ['sets', name, 'file']);
    if (typeof written !== 'string' || written === '') continue;
    const file = besideFile(source.file, written);
    try {
      const already = known.get(file);
      const content = already ?? (await readSetFile(file));
      known.set(file, content);
      const set = { file, entries: content.entries };
      loaded.sets[name] = set;
      // Two sets of one file: what is wrong with it is told once.
      if (already === undefined) {
        loaded.diagnostics.push(...content.diagnostics);
        loaded.warnings.push(...content.warnings);
      }
      if (content.diagnostics.length === 0) loaded.absent.push(...tooFew(name, set, root, source));
    } catch (error) {
      const message = `cannot read the set file ${file}: ${readFailure(error)}`;
      const position = source.positionOf(['sets', name, 'file']);
      loaded.absent.push(diagnosticAt(position, { message }));
    }
  }
  return loaded;
}

/** Validates the text of a configuration; set files are read relative to `file`. */
export async function parseConfig(file: string, text: string): Promise<Config> {
  const source = new Source(file, text);
  const syntax = syntaxDiagnostics(source);
  if (!hasValues(source)) throw new ConfigError(syntax);
  const root = source.values();
  const checked = configSchema.safeParse(root);
  const { sets, diagnostics, absent, warnings } = await loadSets(root, source);
  const found = [
    ...syntax,
    ...(checked.success
      ? []
      : issueDiagnostics(checked.error, { schema: configSchema, root, source })),
    ...limitProblems(root).map(({ path, problem }) =>
      diagnosticAt(source.positionOf(path), problem),
    ),
    ...checkAcross(root, source),
    ...diagnostics,
    ...absent,
  ];
  if (found.length > 0 || !checked.success)
    throw new ConfigError(found, found.length === absent.length);
  const config = normalise(checked.data, sets, source);
  config.warnings.push(
    ...sortDiagnostics([
      ...deprecationWarnings(root, source),
      ...configWarnings(config),
      ...routeWarnings(config),
      ...familyWarnings(config),
      ...warnings,
    ]),
  );
  return config;
}

/**
 * Reads and validates a configuration; `-` is standard input, and its set files lie in the working directory.
 * @throws {ConfigError} with every diagnostic when the file or one of its set files is wrong
 * @throws {SidetrackError} `config-unreadable` when the file itself cannot be read
 */
export async function loadConfig(path: string): Promise<Config> {
  const content = await readMainFile(path);
  return parseConfig(path === STANDARD_INPUT ? '<stdin>' : path, content);
}
