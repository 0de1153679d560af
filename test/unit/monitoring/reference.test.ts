import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { metricsReference } from '../../../monitoring/reference.js';

it('docs/metrics.md says what the code exports (make docs)', () => {
  const written = readFileSync(new URL('../../../docs/metrics.md', import.meta.url), 'utf8');
  const cells = (text: string) => text.replaceAll(/ +/g, ' ').replaceAll(/-+/g, '-').trim();
  expect(cells(written)).toBe(cells(metricsReference()));
});
