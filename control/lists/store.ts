/** The directory of copies. A file there is whole or absent: it is written beside its place and renamed. */
import { mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { copyIn, type ListConfig } from '../config/list-config.js';
import { readFailure } from '../config/read-failure.js';
import { ListError } from './failure.js';
import { type ListRecord, recordPath } from './record.js';

/** @throws ListError `disk` */
export async function writeWhole(
  path: string,
  content: string | Buffer,
  mode = 0o644,
): Promise<void> {
  const beside = join(dirname(path), `.${process.pid}-${Math.random().toString(36).slice(2)}.new`);
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    const file = await open(beside, 'wx', mode);
    try {
      await file.writeFile(content);
      // A copy of nothing after a power cut would be worse than the one before.
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => {});
    throw new ListError(
      'disk',
      `cannot write ${path}: ${readFailure(error)}`,
      'make room, or say where else copies go: lists: { directory: … }',
      error,
    );
  }
}

export async function writeRecord(list: ListConfig, record: ListRecord): Promise<void> {
  await writeWhole(recordPath(list), `${JSON.stringify(record)}\n`);
}

/** The copy stands: its time says since when that is known. */
export async function touch(list: ListConfig, seconds: number): Promise<void> {
  await utimes(copyIn(list), seconds, seconds).catch(() => {});
}

const DAY_MS = 86_400_000;
/** Of copies that no configuration has asked for since. */
const FORGOTTEN_MS = 90 * DAY_MS;
/** Of files that a process that was ended has left behind. */
const LEFT_MS = DAY_MS;

/** As `listConfig` names copies: the directory may have files of its owner, too. */
const OF_OURS = /^(.+-[0-9a-f]{12})\.(?:list|json)$/;

/** Removes what is long out of use. @param kept keys of the lists in use */
export async function tidy(directory: string, kept: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    const [, key = ''] = OF_OURS.exec(name) ?? [];
    const isLeft = /^\.\d+-[a-z0-9]+\.new$/.test(name);
    if ((key === '' || kept.has(key)) && !isLeft) continue;
    const path = join(directory, name);
    const age = Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now());
    if (age > (isLeft ? LEFT_MS : FORGOTTEN_MS)) await rm(path, { force: true }).catch(() => {});
  }
}
