import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { buildProgram } from '../../../control/cli/program.js';
import type { MetricDefinition } from '../../../monitoring/metrics/definition.js';
import { metrics } from '../../../monitoring/metrics.js';
import { ALERTS } from '../../../monitoring/runbooks.js';
import { formatViolation } from '../../lint/imports.js';
import { checkRunbooks, type Known } from '../../lint/runbooks.js';

const PAGE = `# SidetrackA

## What it means

It is 0 in \`sidetrack_host_up\`.

## What clients feel

## How to see it

\`\`\`sh
sidetrack connections --sort rate    # sidetrack is a word here
curl -s http://127.0.0.1:9150/metrics | grep -E 'host_(up|state)'
sudo sidetrack bpf show
\`\`\`

## Causes, the most likely first

## How to mend it

\`sidetrack apply --only router\`

## When to silence it
`;

let known: Known;

beforeAll(async () => {
  known = { alerts: ALERTS, program: await buildProgram(), samples: samplesOf() };
}, 60_000);

/** One line for each value of each label, and a word for what has no fixed values. */
function samplesOf(): string[] {
  return Object.values<MetricDefinition>(metrics).flatMap(({ name, type, labels }) => {
    const parts = type === 'histogram' ? ['_bucket', '_sum', '_count', ''] : [''];
    const values = Object.entries(labels).flatMap(([label, known]) =>
      (typeof known === 'string' ? ['any'] : known).map((value) => `${label}="${value}"`),
    );
    const each = values.length === 0 ? [''] : values;
    return parts.flatMap((part) => each.map((value) => `${name}${part}{${value}}`));
  });
}

it('each alert has a page, and what the pages tell people to type exists', () => {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  expect(checkRunbooks(root, known).map(formatViolation)).toEqual([]);
});

function violationsOf(files: Record<string, string>): string[] {
  const root = mkdtempSync(join(tmpdir(), 'sidetrack-runbooks-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'docs/runbooks'), { recursive: true });
  for (const [name, text] of Object.entries(files))
    writeFileSync(join(root, 'docs/runbooks', name), text);
  const alerts = ['SidetrackA'];
  return checkRunbooks(root, { ...known, alerts }).map(({ message }) => message);
}

it('a page as it should be is fine', () => {
  expect(violationsOf({ 'SidetrackA.md': PAGE })).toEqual([]);
});

describe('what is wrong is found', () => {
  it('an alert without a page, and a page without an alert', () => {
    expect(violationsOf({ 'SidetrackB.md': PAGE })).toEqual([
      'this alert has no page',
      'there is no such alert',
    ]);
  });

  it.each([
    ['sidetrack apply', 'sidetrack aply', 'there is no command "sidetrack aply"'],
    ['bpf show', 'bpf look', 'there is no command "sidetrack look"'],
    ['--only', '--just', '"sidetrack apply" has no --just'],
    ['--sort rate', '--sort size', '"sidetrack connections --sort" is not size'],
    ['sidetrack_host_up', 'sidetrack_host_down', 'there is no metric sidetrack_host_down'],
    ['host_(up|state)', 'host_(down|gone)', 'no metric matches host_(down|gone)'],
    ['## What clients feel\n', '', 'its headings are not'],
  ])('%s, written %s', (right, wrong, message) => {
    const found = violationsOf({ 'SidetrackA.md': PAGE.replace(right, wrong) });
    expect(found).toEqual([expect.stringContaining(message)]);
  });
});
