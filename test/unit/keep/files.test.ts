/** What is left on a host to keep it: read by the shells that will run it. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { itemsText } from '../../../control/keep/items.js';
import { KEEP_PROGRAM } from '../../../control/keep/program.js';
import { keepStateQuery, parseKeepState } from '../../../control/keep/state.js';
import { WATCH } from '../../../control/keep/watch.js';
import { KEEP_DIRECTORY } from '../../../control/plan/persist.js';
import { keepState } from '../../../control/resources/persist-script.js';

const directory = mkdtempSync(join(tmpdir(), 'sidetrack-keep-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function inShell(script: string): string {
  return execFileSync('sh', ['-c', script], { encoding: 'utf8', cwd: directory });
}

it('is a program that the shell can read', () => {
  writeFileSync(join(directory, 'program'), KEEP_PROGRAM);
  expect(inShell('sh -n program && echo read')).toBe('read\n');
});

it('names things whatever they are called, and runs nothing of their names', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme-ascii' }), (name) => {
      const item = { name, looked: 'second' as const, check: ':', repair: ['echo done'] };
      const text = itemsText([{ kind: 'sysctl', ...item }], { digest: 'd', stateDir: '/run/x y' });
      writeFileSync(join(directory, 'items'), text);
      const said = inShell('. ./items; printf "%s|%s|" "$name_1" "$state_dir"; repair_1');
      expect(said).toBe(`${name}|/run/x y|done\n`);
    }),
    { numRuns: 25 },
  );
});

it('is told from one that has stopped by its lock', () => {
  const run = join(directory, 'keep');
  mkdirSync(run);
  const state = { version: 1, since: 1, kept: 0, repairs: {}, last: [], open: [], alarms: [] };
  writeFileSync(join(run, 'state.json'), JSON.stringify(state));
  const { commands } = keepStateQuery({ stateDir: directory });
  const [file, ...args] = commands[0]!.argv;
  const runs = () => parseKeepState(execFileSync(file!, args, { encoding: 'utf8' }))?.runs;
  expect(runs()).toBe(false);
  writeFileSync(join(run, 'watcher'), '');
  expect(runs()).toBe(false);
  const asked = `exec 8>>${run}/watcher; flock 8; "$@" 8>&-`;
  const text = execFileSync('sh', ['-c', asked, 'sh', file!, ...args], { encoding: 'utf8' });
  expect(parseKeepState(text)?.runs).toBe(true);
});

it('looks again after what it has left alone, once an apply has seen to that', () => {
  const state = join(directory, 'state');
  const kept = join(directory, 'kept');
  const [file, ...args] = keepState(state).argv.map((one) => (one === KEEP_DIRECTORY ? kept : one));
  const run = () => execFileSync(file!, args);
  mkdirSync(state);
  writeFileSync(join(state, 'state.json'), '{}');
  run();
  expect(readdirSync(state)).toEqual(['state.json']);
  expect(readdirSync(join(kept, 'state'))).toEqual(['state.json']);
  mkdirSync(join(state, 'keep'));
  run();
  expect(readdirSync(join(state, 'keep'))).toEqual(['resume']);
});

it('ends a process by its number only as long as that is the same process', () => {
  writeFileSync(join(directory, 'watch'), WATCH);
  const script = `. ./watch
children=
sleep 100 & stale=$!
sleep 100 & known=$!
has_child $stale
has_child $known
end_those "$stale:1 \${children##* }"
wait $known
kill -0 $stale && echo lives
kill $stale`;
  expect(inShell(script)).toBe('lives\n');
});

it('is read back only in the shape that is known', () => {
  const state = {
    version: 1,
    since: 1,
    kept: 2,
    repairs: { rule: 3 },
    last: [],
    open: [],
    alarms: [],
  };
  expect(parseKeepState(`yes\n${JSON.stringify(state)}\n`)).toEqual({ ...state, runs: true });
  expect(parseKeepState(`no\n${JSON.stringify({ ...state, version: 2 })}\n`)).toBeUndefined();
  expect(parseKeepState('')).toBeUndefined();
});
