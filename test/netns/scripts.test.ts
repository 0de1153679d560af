/** `plan --sh`: what the scripts make is what apply makes, and the other commands take it for that. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RunResult } from '../../control/command/command.js';
import { Fixture } from './fixture.js';
import { findProgram } from './machines/programs.js';
import { leftovers, snapshot } from './snapshot.js';

let fixture: Fixture;
let directory: string;
const NODES = ['server1', 'router'] as const;
/** The shell of busybox-static runs its own ip, and that is not iproute2's. */
const BUSYBOX = findProgram('busybox');
/** A router has BusyBox: under the other shell the ways to fail are variants. */
const SHELLS: [name: string, argv: string[], failing: string[]][] = [];
if (BUSYBOX?.includes('/rivals/')) SHELLS.push(['BusyBox', [BUSYBOX, 'sh'], []]);
SHELLS.push(['dash', ['dash'], SHELLS.length > 0 ? ['long'] : []]);

beforeAll(async () => {
  fixture = await Fixture.start();
});
afterAll(() => fixture?.stop());
beforeEach(async () => {
  fixture.configureWith([]);
  await fixture.sidetrack('down');
  directory = await fixture.scripts();
});

const snapshots = async () => Promise.all(NODES.map((node) => snapshot(fixture.lab, node)));
const script = (node: string, verb: string) => `${directory}/${node}-${verb}.sh`;
const run = (shell: readonly string[], node: string, verb: string): Promise<RunResult> =>
  fixture.lab.run(undefined, [...shell, script(node, verb)]);

async function both(shell: readonly string[], verb: string): Promise<string> {
  const said: string[] = [];
  for (const node of verb === 'up' ? NODES : NODES.toReversed()) {
    const { status, stdout, stderr } = await run(shell, node, verb);
    expect({ status, stdout, stderr }).toMatchObject({ status: 0, stdout: '' });
    said.push(stderr);
  }
  return said.join('');
}

/** The router's script, with another first line of a function. */
function spoil(name: string, line: string): void {
  const path = script('router', 'up');
  const text = readFileSync(path, 'utf8');
  expect(text).toContain(`\n${name}() {\n`);
  writeFileSync(
    path,
    text.replace(`\n${name}() {\n`, (head) => `${head}  ${line}\n`),
  );
}

const steps = () => Number(/^total=(\d+)$/m.exec(readFileSync(script('router', 'up'), 'utf8'))![1]);

describe.each(SHELLS)('scripts under %s', (_name, shell, failing) => {
  it('make what apply makes, twice, and take it away', async () => {
    const before = await snapshots();
    expect(await both(shell, 'up')).toContain('router: done: ');
    const made = await snapshots();
    expect(await fixture.sidetrack('status')).toMatchObject({ status: 0 });
    expect(await both(shell, 'up')).toContain('router: this has run already: nothing changes');
    expect(await snapshots()).toEqual(made);
    expect(await fixture.succeed('plan')).toContain('Nothing to do.');
    expect(await fixture.succeed('apply')).toContain('Nothing changes');
    expect(await fixture.sidetrack('status')).toMatchObject({ status: 0 });
    expect(await both(shell, 'down')).toContain('router: as before sidetrack');
    expect(await snapshots()).toEqual(before);
    expect(await leftovers(fixture.lab)).toBe('');
    await both(shell, 'down');
    await fixture.succeed('apply');
    expect(await snapshots()).toEqual(made);
  });

  it.each([
    ['fail', 'return 1', /step "create nft table .*" failed; every change was put back/],
    ['are interrupted', 'kill -TERM $$', /interrupted; every change was put back/],
    ['lose their session', 'exec 2>&-; kill -HUP $$', /create nft table/],
  ])('that %s put back what they did', { tags: failing }, async (_how, line, said) => {
    const before = await snapshots();
    spoil(`do_${steps()}`, line);
    const failed = await run(shell, 'router', 'up');
    expect(failed.status).toBe(1);
    expect(failed.stderr).toMatch(said);
    expect(await snapshots()).toEqual(before);
    expect(await leftovers(fixture.lab)).toBe('');
  });
});

describe('a script that was killed in the middle', () => {
  const points = () => {
    const all = steps();
    return [3, Math.ceil(all / 2), all];
  };

  it('is undone by the other one', async () => {
    const before = await snapshots();
    for (const step of points()) {
      directory = await fixture.scripts();
      spoil(`do_${step}`, 'kill -9 $$; sleep 1');
      expect((await run(['sh'], 'router', 'up')).stderr).not.toContain('done: ');
      expect(await snapshots()).not.toEqual(before);
      const { status, stderr } = await run(['sh'], 'router', 'down');
      expect({ status, stderr }).toMatchObject({
        status: 0,
        stderr: expect.not.stringContaining('not done'),
      });
      expect(await snapshots()).toEqual(before);
      expect(await leftovers(fixture.lab)).toBe('');
    }
  });

  it('puts that back when it runs again, and then does all of it', async () => {
    spoil(`do_${steps()}`, `[ -e ${directory}/second ] || { kill -9 $$; sleep 1; }`);
    expect((await run(['sh'], 'router', 'up')).stderr).not.toContain('done: ');
    writeFileSync(`${directory}/second`, '');
    const { stderr } = await run(['sh'], 'router', 'up');
    expect(stderr).toContain('an earlier run did not end: what it did is put back first');
    expect(stderr).toContain('router: done: ');
    await run(['sh'], 'server1', 'up');
    expect(await fixture.sidetrack('status')).toMatchObject({ status: 0 });
  });
});

it('a script is refused on a host that is not as it was', async () => {
  await fixture.succeed('apply');
  const made = await snapshots();
  const { status, stderr } = await run(['sh'], 'router', 'up');
  expect(status).toBe(1);
  expect(stderr).toContain('the host is not as it was when this was made');
  expect(await snapshots()).toEqual(made);
});

it('a change of what is there is a script, too, and down takes all of it', async () => {
  await fixture.succeed('down');
  const before = await snapshots();
  await fixture.succeed('apply');
  fixture.configureWith([
    ['interfaces: [br-lan, lan2]', 'interfaces: [br-lan]\n  rule_priority: 900'],
  ]);
  directory = await fixture.scripts();
  await both(['sh'], 'up');
  expect(await fixture.sidetrack('status')).toMatchObject({ status: 0 });
  await both(['sh'], 'down');
  expect(await snapshots()).toEqual(before);
});

it('scripts are the owner’s alone, and one of several hosts goes to standard output', async () => {
  expect(statSync(script('router', 'up')).mode & 0o777).toBe(0o700);
  const { status, stderr } = await fixture.sidetrack('plan', '--sh');
  expect(status).toBe(2);
  expect(stderr).toContain('each host has scripts of its own: server1, router');
  const text = await fixture.succeed('plan', '--only', 'server1', '--sh');
  expect(`${text}`.trim()).toBe(readFileSync(script('server1', 'up'), 'utf8').trim());
});
