/**
 * Finished connections, one line of JSON each, to a file or to standard output. The engine's rings
 * hold what has not been taken yet; while a write is under way nothing is taken, so a slow disk
 * fills the rings, and what no longer fits there is dropped and counted by the engine. Nothing ever
 * waits for the disk but this.
 */
import { constants, write } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

export interface AccessLogOptions {
  /** `-` is standard output. */
  file: string;
  /** Fills the buffer with whole lines; see `Relay.takeLog`. */
  take: (out: Buffer) => number;
  /** Told once when writing begins to fail, and once when it works again. */
  say: (line: string) => void;
}

export interface AccessLog {
  /** Writes what is left, for a second at most, and closes the file. */
  close(): Promise<void>;
}

const EVERY_MS = 100;
const BUFFER_LENGTH = 1 << 20;
const CLOSE_MS = 1000;
const LOOK_EVERY = 10;
const STDOUT = 1;
const NEWLINE = 10;

/** @throws the errno error of opening the file. */
export async function startAccessLog(options: AccessLogOptions): Promise<AccessLog> {
  const target = await openTarget(options.file);
  const writer = lineWriter(target, options);
  const end = new AbortController();
  let closed = false;
  const loop = (async () => {
    for (let round = 0; !end.signal.aborted; round++) {
      const more = await writer.write();
      if (round % LOOK_EVERY === 0) await writer.follow();
      if (!more) await pause(EVERY_MS, end.signal);
    }
    // What the connections that ended last have left: no more than the rings hold, and a slow
    // reader's pipe may need some time.
    while (!closed && ((await writer.write()) || writer.isWaiting())) await pause(0);
  })();
  return {
    async close() {
      end.abort();
      await Promise.race([loop, pause(CLOSE_MS)]);
      closed = true;
      await target.close();
    },
  };
}

/** Does not keep the process alive. */
const pause = (ms: number, signal?: AbortSignal) =>
  delay(ms, undefined, { ref: false, ...(signal && { signal }) }).catch(() => undefined);

interface Target {
  write(bytes: Buffer): Promise<number>;
  /**
   * Opens the file anew when it has been renamed or removed, as logrotate does.
   * @returns true when it has become another, or shorter; a pipe never does.
   */
  follow(): Promise<boolean>;
  close(): Promise<void>;
}

/** Not process.stdout, which can block this thread; nor /dev/stdout, which is a socket under systemd. */
const standardOutput: Target = {
  write: (bytes) =>
    new Promise((resolve, reject) => {
      write(STDOUT, bytes, (error, written) => (error ? reject(error) : resolve(written)));
    }),
  follow: async () => false,
  close: async () => {},
};

async function openTarget(path: string): Promise<Target> {
  if (path === '-') return standardOutput;
  let handle = await openFile(path);
  let { size } = await handle.stat();
  const isShorter = async () => {
    const [expected, stat] = [size, await handle.stat()];
    size = stat.size;
    return stat.isFile() && size < expected;
  };
  return {
    async write(bytes) {
      const { bytesWritten } = await handle.write(bytes);
      size += bytesWritten;
      return bytesWritten;
    },
    async follow() {
      if (await isStillThere(path, handle)) return isShorter();
      const next = await openFile(path).catch(() => undefined);
      if (next === undefined) return false;
      await handle.close();
      handle = next;
      size = 0;
      return true;
    },
    close: () => handle.close(),
  };
}

/** Without O_NONBLOCK a FIFO without a reader would hold up the start, or log rotation, for ever. */
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

const openFile = (path: string) => open(path, FLAGS, 0o640);

async function isStillThere(path: string, handle: FileHandle): Promise<boolean> {
  try {
    const [there, ours] = await Promise.all([stat(path), handle.stat()]);
    return there.ino === ours.ino && there.dev === ours.dev;
  } catch {
    return false;
  }
}

/** Keeps what the disk did not take until it does. */
function lineWriter(target: Target, { take, say, file }: AccessLogOptions) {
  const buffer = Buffer.alloc(BUFFER_LENGTH);
  let rest = buffer.subarray(0, 0);
  let failing = false;
  let waiting = false;
  let changed = false;
  const report = (problem?: string) => {
    if (failing !== (problem !== undefined))
      say(`access log ${file}: ${problem ?? 'written again'}`);
    failing = problem !== undefined;
  };
  const written = () => rest.byteOffset - buffer.byteOffset;
  const lineStart = () => buffer.lastIndexOf(NEWLINE, written() - 1) + 1;
  const follow = async () => {
    if (await target.follow()) changed = true;
  };
  /** Half of a line went to a file that is no more: it is to be written as a whole. */
  const isSpoilt = async () => {
    if (rest.length === 0 || written() === 0 || written() === lineStart()) return false;
    await follow();
    return changed;
  };
  return {
    follow,
    /** Something is left that the other end has no room for now. */
    isWaiting: () => waiting,
    /** @returns true when there is more to write at once. */
    async write(): Promise<boolean> {
      if (rest.length === 0) rest = buffer.subarray(0, take(buffer));
      if (rest.length === 0) return false;
      try {
        if (await isSpoilt()) rest = buffer.subarray(lineStart(), written() + rest.length);
        changed = false;
        const begun = rest.length;
        rest = rest.subarray(await target.write(rest));
        report();
        waiting = false;
        return rest.length > 0 || begun > BUFFER_LENGTH / 2;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        // A pipe whose reader is slow: the rest goes next time.
        waiting = code === 'EAGAIN';
        if (!waiting)
          report(`cannot be written (${code}); connections are not logged until it can`);
        return false;
      }
    },
  };
}
