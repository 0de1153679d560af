/** Files that hold a secret: read when they are needed, by the machine that needs them. */
import { constants } from 'node:fs';
import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** Two seconds in all for the writer of a FIFO. */
const FIFO_TRIES = 40;
const FIFO_PAUSE_MS = 50;
/** Chains of certificates are some kilobytes. */
const SIZE_MOST = 1 << 20;
const READABLE_BY_OTHERS = 0o004;

/**
 * @param credential what systemd calls its copy, from when the service was started.
 * @throws the errno error of the file when neither can be read.
 */
export async function readSecret(file: string, credential: string | undefined): Promise<Buffer> {
  return readSoon(file).catch(async (error: unknown) => {
    const copy = credential === undefined ? undefined : await readCredential(credential);
    if (copy !== undefined) return copy;
    throw error;
  });
}

/** A FIFO without a writer is empty at once; one whose writer is slow holds up no reload for long. */
async function readSoon(file: string): Promise<Buffer> {
  const flag = constants.O_RDONLY | constants.O_NONBLOCK;
  for (let tries = FIFO_TRIES; ; tries--) {
    try {
      return await readBounded(await open(file, flag));
    } catch (error) {
      if (tries === 0 || (error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      await delay(FIFO_PAUSE_MS);
    }
  }
}

/** A device may have no end. @throws EFBIG */
async function readBounded(handle: FileHandle): Promise<Buffer> {
  try {
    const buffer = Buffer.alloc(SIZE_MOST);
    let length = 0;
    for (;;) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length);
      length += bytesRead;
      if (bytesRead === 0) return buffer.subarray(0, length);
      if (length === buffer.length) throw Object.assign(new Error('EFBIG'), { code: 'EFBIG' });
    }
  } finally {
    await handle.close();
  }
}

/** systemd read it for us when the service was started: systemd.exec(5), LoadCredential. */
async function readCredential(name: string): Promise<Buffer | undefined> {
  const directory = process.env.CREDENTIALS_DIRECTORY;
  if (directory === undefined) return undefined;
  return readFile(join(directory, name)).catch(() => undefined);
}

/** What comes before the first newline. */
export function firstLine(bytes: Buffer): Buffer {
  const newline = bytes.indexOf('\n');
  const line = newline < 0 ? bytes : bytes.subarray(0, newline);
  return line.at(-1) === 13 ? line.subarray(0, -1) : line;
}

/** Every user of the machine can read it. */
export async function isReadableByAll(file: string): Promise<boolean> {
  const found = await stat(file).catch(() => undefined);
  return found !== undefined && (found.mode & READABLE_BY_OTHERS) !== 0;
}
