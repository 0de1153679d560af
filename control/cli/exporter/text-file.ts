/**
 * Metrics in a file, for node_exporter's textfile collector: whole or not at all, since the new one takes the old one's
 * place by its name.
 */
import { open, rename, rm } from 'node:fs/promises';
import { readFailure } from '../../config/read-failure.js';
import { SidetrackError } from '../../error.js';
import { say } from '../output.js';
import { ending } from './ending.js';

/** node_exporter is another user. */
const MODE = 0o644;

/** @param everyMs again and again until a signal ends it; once when absent */
export async function writeMetrics(
  path: string,
  everyMs: number | undefined,
  metrics: () => Promise<string>,
): Promise<void> {
  await replace(path, await metrics());
  if (everyMs === undefined) return;
  const end = ending();
  let failure: string | undefined;
  while (await end.after(everyMs)) {
    const text = await metrics();
    const before = failure;
    failure = await replace(path, text).then(
      () => undefined,
      (error: Error) => error.message,
    );
    if (failure !== undefined && failure !== before) say(`error: ${failure}`);
  }
}

async function replace(path: string, text: string): Promise<void> {
  const fresh = `${path}.${process.pid}.new`;
  try {
    // A name that ends in .prom would be read by the collector half-way; and nobody's link is followed.
    // One may be left of a run that was killed; in a container the number of the process is always the same.
    await rm(fresh, { force: true });
    const file = await open(fresh, 'wx', MODE);
    try {
      await file.writeFile(text);
      // Whatever the umask says.
      await file.chmod(MODE);
    } finally {
      await file.close();
    }
    await rename(fresh, path);
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    if (code !== 'EEXIST') await rm(fresh, { force: true });
    const why = code === 'ENOENT' ? 'its directory is not there' : readFailure(cause);
    throw new SidetrackError(`cannot write ${path}: ${why}`, {
      code: 'text-file',
      source: 'host',
      hint: 'name a file in a directory that exists and that this user may write to',
      cause,
    });
  }
}
