/** Without clang the classifier comes from bpf/prebuilt, if that belongs to the sources. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const BPF = join(ROOT, 'bpf');

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sidetrack-prebuilt-'));
  cpSync(BPF, join(directory, 'bpf'), { recursive: true });
  cpSync(join(ROOT, 'build.mk'), join(directory, 'build.mk'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function build() {
  const argv = ['-C', join(directory, 'bpf'), `BUILD=${directory}/build`, 'CLANG=no-clang-here'];
  return spawnSync('make', argv, { encoding: 'utf8' });
}

it('takes the prebuilt object', () => {
  expect(build()).toMatchObject({ status: 0 });
  const object = readFileSync(join(directory, 'build/classify.bpf.o'));
  expect(object.equals(readFileSync(join(BPF, 'prebuilt/classify.bpf.o')))).toBe(true);
});

it.each([
  ['a source changed since', 'parse.h'],
  ['the object itself changed', 'prebuilt/classify.bpf.o'],
])('refuses when %s, and says what to install', (_name, file) => {
  appendFileSync(join(directory, 'bpf', file), '\n');
  const { status, stderr } = build();
  expect(stderr).toMatch(
    /the prebuilt classifier is older than its sources.*apt-get install clang/,
  );
  expect(status).not.toBe(0);
});
