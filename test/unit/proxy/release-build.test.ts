import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';

const ENGINE = fileURLToPath(new URL('../../../proxy/engine', import.meta.url));

/** Does the compiled source call what only a debug build needs? */
function usesDebugging(source: string, flags: readonly string[]): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'sidetrack-debug-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const object = join(folder, 'object.o');
  const argv = ['-std=gnu11', '-D_GNU_SOURCE', '-O2', '-I.', ...flags, '-c', source, '-o', object];
  const compiled = spawnSync('gcc', argv, { cwd: ENGINE, encoding: 'utf8' });
  expect(compiled.stderr).toBe('');
  const { stdout } = spawnSync('nm', ['-u', object], { encoding: 'utf8' });
  return /\b(assertion_failed|trace_flow)\b/.test(stdout);
}

it.each(['bytes/direction.c', 'base/timer.c', 'connection/connection.c'])(
  'a release build of %s has neither assertions nor the trace',
  (source) => {
    expect(usesDebugging(source, [])).toBe(false);
    expect(usesDebugging(source, ['-DSIDETRACK_DEBUG', '-DSIDETRACK_TRACE'])).toBe(true);
  },
);
