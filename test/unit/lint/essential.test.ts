/** What `make netns-test` picks from longer suites by parts of titles: a title that changes must not drop out unseen. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

/** Full titles of the tests in those files. */
function titlesIn(files: string): string[] {
  const argv = ['node_modules/vitest/vitest.mjs', 'list', '--project', 'netns', files];
  const { stdout, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8' });
  const lines = stdout.split('\n').filter((line) => line.includes(' > '));
  if (lines.length === 0) throw new Error(`no tests in ${files}: ${stderr}`);
  return lines.map((line) => line.slice(line.indexOf(' > ') + 3).replaceAll(' > ', ' '));
}

function partsOf(variable: string): string[] {
  const pattern = new RegExp(`^${variable} := (.+)$`, 'm').exec(readFileSync('Makefile', 'utf8'));
  if (pattern === null) throw new Error(`no ${variable} in the Makefile`);
  return pattern[1]!.split('|');
}

it.each([
  ['STEERING_ESSENTIAL', 'test/netns/steering.test.ts'],
  ['EBPF_ESSENTIAL', 'test/netns/ebpf'],
])('every part of %s is in a title', { timeout: 60_000 }, (variable, files) => {
  const titles = titlesIn(files);
  const absent = partsOf(variable).filter((part) => !titles.some((text) => text.includes(part)));
  expect(absent).toEqual([]);
});
