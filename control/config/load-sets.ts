/** The lists behind the sets: files, and copies of what was fetched. */
import { readFile, stat } from 'node:fs/promises';
import type { SetConfig } from './config.js';
import { type Diagnostic, diagnosticAt } from './diagnostic.js';
import { type ListChoice, WHOLE_LIST } from './formats/choice.js';
import { readLocations } from './formats/csv.js';
import { readList } from './formats/read.js';
import type { SetEntries } from './gathering.js';
import {
  choiceOf,
  copiesOf,
  copyIn,
  type ListConfig,
  listConfig,
  usualListDirectory,
} from './list-config.js';
import { besideFile } from './normalise.js';
import { asMap, valueAt } from './raw.js';
import { readFailure } from './read-failure.js';
import { setSchema } from './schema.js';
import type { Source } from './source.js';

export interface LoadedSets {
  sets: Record<string, SetConfig>;
  diagnostics: Diagnostic[];
  /** Of files that cannot be read or are not filled, perhaps not yet. */
  absent: Diagnostic[];
  warnings: Diagnostic[];
}

export interface LoadOptions {
  /** Fetches a list that has no copy yet. @throws SidetrackError */
  obtain?(list: ListConfig): Promise<void>;
  /** Nobody will look into the lists: one that has no copy is empty. */
  withoutLists?: boolean;
  /** Plain lists that are taken in place of the sets' own: what was applied. */
  instead?: Readonly<Record<string, string>>;
}

/** How often in a row a list may be missed before its copy is called old. */
export const STALE_REFRESHES = 3;

/** Reads the lists of all sets, even if the configuration is wrong elsewhere. */
export async function loadSets(
  root: unknown,
  source: Source,
  options: LoadOptions = {},
): Promise<LoadedSets> {
  const loaded: LoadedSets = { sets: {}, diagnostics: [], absent: [], warnings: [] };
  const known = new Map<string, SetEntries>();
  for (const name of Object.keys(asMap(valueAt(root, ['sets']))))
    await new OneSet(name, root, source, options).load(loaded, known);
  return loaded;
}

/** What is read, by which name, and how. */
interface Place {
  file: string;
  /** What is in it, where it is known. */
  text?: string;
  choice: ListChoice;
  locationsFile?: string;
  list?: ListConfig;
}

const LEAST_ENTRIES = 1;

class OneSet {
  constructor(
    private readonly name: string,
    private readonly root: unknown,
    private readonly source: Source,
    private readonly options: LoadOptions,
  ) {}

  async load(loaded: LoadedSets, known: Map<string, SetEntries>): Promise<void> {
    const place = await this.#place(loaded);
    if (place === undefined) return;
    const { file, list } = place;
    const key = JSON.stringify([file, place.choice, place.locationsFile]);
    try {
      const already = known.get(key);
      const content = already ?? (await readPlace(place));
      known.set(key, content);
      const set = { file, entries: content.entries, ...(list && { list }) };
      loaded.sets[this.name] = set;
      // Two sets of one file: what is wrong with it is told once.
      if (already === undefined) {
        loaded.diagnostics.push(...content.diagnostics);
        loaded.warnings.push(...content.warnings);
      }
      if (content.diagnostics.length === 0) loaded.absent.push(...this.#tooFew(set));
    } catch (error) {
      const message = `cannot read the set file ${file}: ${readFailure(error)}`;
      const position = this.source.positionOf(['sets', this.name, 'file']);
      loaded.absent.push(diagnosticAt(position, { message }));
    }
  }

  /** Nothing where the section is wrong, which the schema has told. */
  async #place(loaded: LoadedSets): Promise<Place | undefined> {
    const { name, source } = this;
    const checked = setSchema.safeParse(valueAt(this.root, ['sets', name]));
    if (!checked.success) return undefined;
    const set = checked.data;
    const beside = (path: string) => besideFile(source.file, path);
    const text = this.options.instead?.[name];
    if (set.url === undefined) {
      if (set.file === undefined || set.file === '') return undefined;
      if (text !== undefined) return { file: beside(set.file), text, choice: WHOLE_LIST };
      const locations = set.locations === undefined ? {} : { locationsFile: beside(set.locations) };
      return { file: beside(set.file), choice: choiceOf(set), ...locations };
    }
    const directory = directoryOf(this.root, source.file);
    const list = listConfig(name, set.url, set, { directory, beside });
    if (text !== undefined) return { file: copyIn(list), text, choice: WHOLE_LIST, list };
    if (this.options.withoutLists) {
      loaded.sets[name] = { file: copyIn(list), entries: [], list };
      return undefined;
    }
    const file = await this.#copy(list, loaded);
    return file === undefined ? undefined : { file, choice: WHOLE_LIST, list };
  }

  /** The newest copy, fetched if there is none. */
  async #copy(list: ListConfig, loaded: LoadedSets): Promise<string | undefined> {
    const position = this.source.positionOf(['sets', this.name, 'url']);
    let copy = await newestCopy(list);
    if (copy === undefined && this.options.obtain !== undefined) {
      try {
        await this.options.obtain(list);
        copy = await newestCopy(list);
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        loaded.absent.push(diagnosticAt(position, { message: error.message, hint: hintOf(error) }));
        return undefined;
      }
    }
    if (copy === undefined) {
      const message = `the list of the set "${this.name}" has not been fetched yet`;
      loaded.absent.push(diagnosticAt(position, { message, hint: 'run: sidetrack refresh' }));
      return undefined;
    }
    const age = Date.now() / 1000 - copy.time;
    if (age > STALE_REFRESHES * list.refreshSeconds) {
      const message = `the list of the set "${this.name}" was fetched ${ageText(age)} ago: a copy of then is in use`;
      loaded.warnings.push(
        diagnosticAt(position, { message, hint: 'sidetrack refresh fetches it, or says why not' }),
      );
    }
    return copy.file;
  }

  /** An empty list turns what its rules mean round, and comes from a failed download more often than not. */
  #tooFew({ file, entries, list }: SetConfig): Diagnostic[] {
    const { name } = this;
    const path = ['sets', name, 'min_entries'];
    const written = valueAt(this.root, path);
    const least = typeof written === 'number' ? written : LEAST_ENTRIES;
    const count = entries.length;
    if (count >= least) return [];
    const from = list ? 'url' : 'file';
    const position = this.source.positionOf(written === undefined ? ['sets', name, from] : path);
    const message =
      count === 0
        ? `the set "${name}" is empty: ${file} has no entry`
        : `the set "${name}" has ${count} ${count === 1 ? 'entry' : 'entries'} and not ${least}: ${file}`;
    const hint =
      count === 0
        ? 'fetch the list again; where it may be empty, write min_entries: 0'
        : 'fetch the list again, or write a smaller min_entries';
    return [diagnosticAt(position, { message, hint })];
  }
}

const hintOf = (error: Error): string =>
  'hint' in error && typeof error.hint === 'string' ? error.hint : 'run: sidetrack refresh';

async function readPlace({ file, text, choice, locationsFile }: Place): Promise<SetEntries> {
  const bytes = text === undefined ? await readFile(file) : Buffer.from(text);
  return readList(file, bytes, { ...choice, ...(await locationsOf(locationsFile)) });
}

/** What is to be added to a choice. */
export async function locationsOf(
  file: string | undefined,
): Promise<Pick<ListChoice, 'locations'>> {
  return file === undefined ? {} : { locations: readLocations(await readFile(file, 'utf8')) };
}

/** @returns its path, and when it was last known to be the newest, in Unix seconds */
export async function newestCopy(
  list: ListConfig,
): Promise<{ file: string; time: number } | undefined> {
  const found = await Promise.all(
    copiesOf(list).map(async (file) => {
      const time = (await stat(file).catch(() => undefined))?.mtimeMs;
      return time === undefined ? [] : [{ file, time: time / 1000 }];
    }),
  );
  return found.flat().toSorted((a, b) => b.time - a.time)[0];
}

/** Where copies are kept, as the file says. */
export function directoryOf(root: unknown, file: string): string {
  const written = valueAt(root, ['lists', 'directory']);
  return typeof written === 'string' && written !== ''
    ? besideFile(file, written)
    : usualListDirectory();
}

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

/** `3 days`, of seconds. */
export function ageText(seconds: number): string {
  if (seconds >= 2 * DAY) return `${Math.floor(seconds / DAY)} days`;
  if (seconds >= 2 * HOUR) return `${Math.floor(seconds / HOUR)} hours`;
  if (seconds >= 2 * MINUTE) return `${Math.floor(seconds / MINUTE)} minutes`;
  return `${Math.max(0, Math.floor(seconds))} seconds`;
}
