/** The counter of heartbeats with what of it is kept on disk. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  type CounterState,
  firstCounter,
  nextCounter,
  parseCounter,
} from '../../heartbeat/counter.js';
import { say } from '../output.js';

/**
 * @param now milliseconds of the clock, which may be wrong.
 * @returns a function to the next counter. Where it cannot be kept that is told once; it still goes up, as the clock does.
 */
export function keptCounter(path: string, now: () => number = Date.now): () => bigint {
  let state: CounterState | undefined;
  let told = false;
  return () => {
    const before = state ?? firstCounter(read(path));
    state = nextCounter(before, now());
    if (state.kept !== before.kept) {
      const failure = write(path, state.kept);
      if (failure !== undefined && !told)
        say(
          `warning: the counter of heartbeats cannot be kept in ${path} (${failure}): while the clock is behind, a router with classifier ebpf ignores a relay that was started anew`,
        );
      told ||= failure !== undefined;
    }
    return state.last;
  };
}

function read(path: string): bigint | undefined {
  try {
    return parseCounter(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Written beside and renamed. @returns what went wrong. */
function write(path: string, value: bigint): string | undefined {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.new`, `${value}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}
