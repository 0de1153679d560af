import { spawnSync } from 'node:child_process';

/** Those of `programs` that are not on the PATH. */
export function missingPrograms(programs: readonly string[]): string[] {
  return programs.filter(
    (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0,
  );
}

/** Set by `make test` as root, which has unpacked everything. */
export const requireAll = process.env.SIDETRACK_REQUIRE_ALL === '1';
