import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { formatViolation } from '../../lint/imports.js';
import { checkServers } from '../../lint/servers.js';

function linesTold(path: string, text: string): number[] {
  const root = mkdtempSync(join(tmpdir(), 'sidetrack-servers-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  return checkServers(root).map(({ line }) => line);
}

it('this repository takes no server for all', () => {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  expect(checkServers(root).map(formatViolation)).toEqual([]);
});

it.each([
  'const server = config.servers[0]!;',
  'const { v4 } = config.servers[0]?.address;',
  'const server = servers?.[0];',
  'const server = servers.at(0);',
  'const last = targets.at(-1);',
  'const [server] = config.servers;',
  'const [{ address }, ...rest] = targetsOf(config).targets;',
  'const [\n  server,\n] = servers!;',
  'const { servers: [server] } = config;',
  "warn(positionOf(['servers', 0, 'mac']));",
])('%s is told', (text) => {
  expect(linesTold('control/apply/a.ts', `\n${text}\n`)).toEqual([2]);
});

it.each([
  'const server = config.servers[index]!;',
  'const server = servers.find(({ name }) => name === wanted);',
  "warn(positionOf(['servers', index, 'mac']));",
  'const [names] = listOf(names, servers.length);',
  "const hint = 'servers[0] is its name';",
  '/** `servers[0].port` */',
])('%s is fine', (text) => {
  expect(linesTold('control/apply/a.ts', text)).toEqual([]);
});

it('lets only the place that makes targets count servers', () => {
  const text = 'const server = config.servers[0]!;';
  expect(linesTold('control/plan/targets.ts', text)).toEqual([]);
  expect(linesTold('test/a.ts', text)).toEqual([]);
});
