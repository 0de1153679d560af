/** Plans of real hosts: what they tell, saved ones, and what they depend on. */
import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CLASSIFIER, Fixture } from './fixture.js';
import { snapshot } from './snapshot.js';

let fixture: Fixture;
const NODES = ['router', 'server1'] as const;

beforeAll(async () => {
  fixture = await Fixture.start();
});
afterAll(() => fixture?.stop());
beforeEach(async () => {
  fixture.configureWith([]);
  await fixture.sidetrack('down');
});

const snapshots = async () => Promise.all(NODES.map((node) => snapshot(fixture.lab, node)));
const status = async (...args: string[]) => (await fixture.sidetrack(...args)).status;

// Beside the eBPF classifier the table has other chains.
describe.skipIf(CLASSIFIER !== 'nftables')('a plan', () => {
  it('of drift shows what is other than it was, in the words of nft and ip, and no more', async () => {
    await fixture.succeed('apply');
    const spoil =
      'nft insert rule inet sidetrack steer counter comment \\"by hand\\"; ip route del default table 250';
    await fixture.lab.check('router', ['sh', '-c', spoil]);
    const lines = (await fixture.succeed('plan')).split('\n').slice(4, -1);
    expect(lines).toEqual([
      '  + IPv4 route: table 250, default via 192.168.1.2 dev br-lan',
      '      + ip route -4 default via 192.168.1.2 dev br-lan table 250 protocol 150',
      '  ~ update nft table inet sidetrack (chain steer); live flows stay',
      '      ~ chain steer',
      '        - counter comment "by hand"',
      '',
      expect.stringMatching(
        /^1 added, 1 changed, \d+ kept; live flows stay\. 2 steps\. Next: sidetrack apply$/,
      ),
    ]);
  });

  it('of a rule that changes shows that rule', async () => {
    await fixture.succeed('apply');
    fixture.configureWith([['465, 587], action: direct', '465, 587], action: block']]);
    const text = await fixture.succeed('plan');
    expect(text).toContain(
      [
        '        - tcp dport @rule2_port counter goto direct comment "rule mail"',
        '        + tcp dport @rule2_port counter goto block comment "rule mail"',
        '',
      ].join('\n'),
    );
  });
});

it('--json has each difference with its type, and all that is kept', async () => {
  await fixture.succeed('apply');
  await fixture.lab.check('router', ['ip', 'route', 'del', 'default', 'table', '250']);
  const data = JSON.parse(await fixture.succeed('plan', '--json'));
  expect(data).toMatchObject({
    changes: true,
    summary: { added: 1, changed: 0, removed: 0, kept: data.kept.length, destructive: 0 },
    hosts: [
      { name: 'server1', address: 'netns://server1' },
      { name: 'router', address: 'netns://router' },
    ],
    differences: [
      {
        host: 'router',
        kind: 'route',
        name: 'IPv4 table 250 default',
        action: 'added',
        after: '-4 default via 192.168.1.2 dev br-lan table 250 protocol 150',
        destructive: false,
      },
    ],
    steps: [{ host: 'router', argv: expect.arrayContaining(['replace']), undo: [{}] }],
  });
  expect(data.kept).toContainEqual({
    host: 'router',
    kind: 'route',
    name: 'IPv6 table 250 default',
  });
});

it('--detailed-exitcode: 0 without changes, 2 with changes, 1 on errors of any kind', async () => {
  expect(await status('plan', '--detailed-exitcode')).toBe(2);
  expect(await status('plan')).toBe(0);
  await fixture.succeed('apply');
  expect(await status('plan', '--detailed-exitcode')).toBe(0);
  expect(await status('plan', '--detailed-exitcode', '--json')).toBe(0);
  expect(await status('plan', '--detailed-exitcode', '--bogus')).toBe(1);
  expect(await status('plan', '--detailed-exitcode', '--only', 'server9')).toBe(1);
  fixture.configure('router: 1\n');
  expect(await status('plan', '--detailed-exitcode')).toBe(1);
});

describe('a saved plan', () => {
  const file = () => `${fixture.directory}/plan.json`;

  it('is carried out once, and only its owner may read it', async () => {
    await fixture.succeed('apply');
    const applied = await snapshots();
    await fixture.succeed('down');
    expect(await fixture.succeed('plan', '-o', file())).toContain(
      `Next: sidetrack apply ${file()}`,
    );
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect((await fixture.lab.run(undefined, ['test', '-e', '/run/sidetrack'])).status).not.toBe(0);
    expect(await fixture.succeed('apply', file())).toContain('Done.');
    expect(await snapshots()).toEqual(applied);
    const again = await fixture.sidetrack('apply', file());
    expect(again).toMatchObject({ status: 1 });
    expect(again.stderr).toContain('was applied already');
    expect(await status('status')).toBe(0);
  });

  it('stays good while packets are counted, and names what moved', async () => {
    await fixture.succeed('apply');
    fixture.configureWith([['interfaces: [br-lan, lan2]', 'interfaces: [br-lan]']]);
    await fixture.succeed('plan', '-o', file());
    await fixture.lab.check('router', ['ip', 'route', 'del', 'default', 'table', '250']);
    const before = await snapshots();
    const { status: refused, stdout } = await fixture.sidetrack('apply', file(), '--json');
    expect(refused).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      error: {
        code: 'plan-stale',
        moved: [
          { host: 'router', kind: 'route', name: 'IPv4 table 250 default', action: 'removed' },
        ],
      },
    });
    expect(await snapshots()).toEqual(before);
  });

  it('is refused when the configuration moved, but not when its comments did', async () => {
    await fixture.succeed('plan', '-o', file());
    fixture.configureWith([['interfaces: [br-lan, lan2]', 'interfaces: [br-lan]']]);
    expect((await fixture.sidetrack('apply', file())).stderr).toContain(
      'configuration router changed',
    );
    fixture.configureWith([]);
    writeFileSync(fixture.configFile, `# a comment\n\n${readFileSync(fixture.configFile)}`);
    expect(await fixture.succeed('apply', file())).toContain('Done.');
  });

  it('is refused for another host, and when it is damaged', async () => {
    await fixture.succeed('plan', '--only', 'server1', '-o', file());
    expect((await fixture.sidetrack('apply', file(), '--only', 'router')).stderr).toContain(
      'the plan is for server1, not for router',
    );
    writeFileSync(file(), readFileSync(file(), 'utf8').slice(0, -40));
    expect(await fixture.sidetrack('apply', file())).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('this is no whole plan'),
    });
  });

  it('overwrites plans, and nothing else without --force; no link is followed', async () => {
    const other = `${fixture.directory}/other`;
    writeFileSync(other, 'mine');
    expect((await fixture.sidetrack('plan', '-o', other)).stderr).toContain(
      'exists, and is no plan',
    );
    expect(readFileSync(other, 'utf8')).toBe('mine');
    const link = `${fixture.directory}/link`;
    symlinkSync(other, link);
    await fixture.succeed('plan', '-o', link, '--force');
    expect(readFileSync(other, 'utf8')).toBe('mine');
    await fixture.succeed('plan', '-o', link);
    expect(existsSync(`${fixture.directory}/nowhere`)).toBe(false);
    expect(await status('plan', '-o', `${fixture.directory}/nowhere/plan.json`)).toBe(2);
  });
});
