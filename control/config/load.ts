/** `sidetrack.yaml` → `Config`, or every diagnostic at once. */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { SidetrackError } from '../error.js';
import { familyWarnings } from './carried.js';
import { checkAcross } from './check.js';
import type { Config } from './config.js';
import { deprecationWarnings } from './deprecated.js';
import { ConfigError, diagnosticAt, sortDiagnostics } from './diagnostic.js';
import { issueDiagnostics } from './issue.js';
import { limitProblems } from './limit.js';
import { listWarnings } from './list-check.js';
import { type LoadOptions, loadSets } from './load-sets.js';
import { normalise } from './normalise.js';
import { readFailure } from './read-failure.js';
import { routeWarnings } from './route-warning.js';
import { configSchema } from './schema.js';
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

/** Validates the text of a configuration; set files are read relative to `file`. */
export async function parseConfig(
  file: string,
  text: string,
  options: LoadOptions = {},
): Promise<Config> {
  const source = new Source(file, text);
  const syntax = syntaxDiagnostics(source);
  if (!hasValues(source)) throw new ConfigError(syntax);
  const root = source.values();
  const checked = configSchema.safeParse(root);
  const { sets, diagnostics, absent, warnings } = await loadSets(root, source, options);
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
      ...listWarnings(root).map(({ path, problem }) =>
        diagnosticAt(source.positionOf(path), problem),
      ),
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
export async function loadConfig(path: string, options: LoadOptions = {}): Promise<Config> {
  const content = await readMainFile(path);
  return parseConfig(path === STANDARD_INPUT ? '<stdin>' : path, content, options);
}
