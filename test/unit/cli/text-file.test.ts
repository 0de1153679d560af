/** The file of metrics for node_exporter. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { writeMetrics } from '../../../control/cli/exporter/text-file.js';

const folder = mkdtempSync(join(tmpdir(), 'sidetrack-textfile-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('is written although a run of the same number was killed while it wrote', async () => {
  const path = join(folder, 'sidetrack.prom');
  writeFileSync(`${path}.${process.pid}.new`, 'half');
  await writeMetrics(path, undefined, async () => 'whole\n');
  expect(readFileSync(path, 'utf8')).toBe('whole\n');
  expect(readdirSync(folder)).toEqual(['sidetrack.prom']);
});
