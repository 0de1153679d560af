/** Lists that refresh: what is new in them holds for new flows, live ones live on, and what is bad changes nothing. */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../control/lab/topology.js';
import { CLASSIFIER, type Classifier, Fixture, peer } from './fixture.js';
import { holdConnection } from './hold.js';

let fixture: Fixture;
let port: number;

beforeAll(async () => {
  fixture = await Fixture.start();
  mkdirSync(`${fixture.directory}/served`);
  await fixture.lab.check(undefined, ['ip', 'link', 'set', 'lo', 'up']);
  await fixture.startRelay();
  const server = fixture.lab.spawn(undefined, [
    process.execPath,
    peer('lists'),
    `${fixture.directory}/served`,
  ]);
  for await (const line of createInterface({ input: server.child.stdout! })) {
    port = Number(line.split(' ')[1]);
    break;
  }
});
afterAll(() => fixture?.stop());

const OTHERS = ['192.0.2.0/24', '100.64.0.0/24', '3fff::/48'];
const LISTED = [`${ADDRESS.internet.v4}/32`, `${ADDRESS.internet.v6}/128`];

const serve = (...lines: string[]) =>
  writeFileSync(`${fixture.directory}/served/cn.txt`, `${lines.join('\n')}\n`);

/** What the list has is handed over, all else goes straight on. */
const rules = (more = '') =>
  `lists: { directory: lists-${fixture.classifier} }
sets:
  cn: { url: "http://127.0.0.1:${port}/cn.txt" }
rules:
  - { name: listed, proto: tcp, to: [cn], action: proxy }
${more}default: direct
`;

function configure(more = '', classifier: Classifier = CLASSIFIER): void {
  fixture.classifier = classifier;
  fixture.configureWith([]);
  const yaml = readFileSync(fixture.configFile, 'utf8');
  writeFileSync(fixture.configFile, yaml.replace(/rules:\n[\s\S]*$/, rules(more)));
}

const refresh = (...words: string[]) => fixture.sidetrack('refresh', ...words);
const steered = () => fixture.counted('steered');

/** A new connection, and whether it was handed over. */
async function isHandedOver(family: 'v4' | 'v6'): Promise<boolean> {
  const before = await fixture.metric(`sidetrack_relay_connections_total{family="ip${family}"}`);
  const held = await holdConnection(fixture, 'client', ADDRESS.internet[family]);
  await held.roundTrip('x');
  await held.end();
  return (await fixture.metric(`sidetrack_relay_connections_total{family="ip${family}"}`)) > before;
}

const CLASSIFIERS: Classifier[] =
  CLASSIFIER === 'nftables' ? ['nftables', 'ebpf-mark'] : [CLASSIFIER];

describe.each(CLASSIFIERS)('a list that changes, with %s', (classifier) => {
  const tags = classifier === CLASSIFIER ? [] : ['long'];

  it('holds for new flows from its refresh on, and live flows stay where they are', {
    tags,
  }, async () => {
    serve(...LISTED, ...OTHERS);
    configure('', classifier);
    expect((await fixture.sidetrack('apply')).stderr).toContain('fetching http://127.0.0.1');
    expect(await isHandedOver('v4')).toBe(true);
    const [v4, v6] = [
      await holdConnection(fixture, 'client', ADDRESS.internet.v4),
      await holdConnection(fixture, 'client', ADDRESS.internet.v6),
    ];
    await v4.roundTrip('before');
    await v6.roundTrip('before');

    expect((await refresh()).stdout).toContain('cn: not due for');
    serve(...OTHERS);
    const { status, stdout } = await refresh('--force', 'cn');
    expect([status, stdout]).toEqual([
      0,
      expect.stringContaining('Loaded. cn (5 -> 3). Live flows stay.'),
    ]);
    const before = await steered();
    await v4.roundTrip('after');
    await v6.roundTrip('after');
    expect(await steered()).toBeGreaterThan(before);
    expect(await isHandedOver('v4')).toBe(false);
    expect((await fixture.sidetrack('plan')).stdout).toContain('Nothing to do');

    // And those that were let through stay so.
    const direct = await holdConnection(fixture, 'client', ADDRESS.internet.v4);
    await direct.roundTrip('before');
    serve(...LISTED, ...OTHERS);
    expect((await refresh('--force')).status).toBe(0);
    await direct.roundTrip('after');
    await v4.roundTrip('at last');
    expect(await isHandedOver('v4')).toBe(true);
    for (const held of [v4, v6, direct]) await held.end();
    const again = await refresh('--force');
    expect(again.stdout).toMatch(/cn: unchanged, 5 entries\nNothing changes/);
  });
});

describe('a refresh', () => {
  beforeEach(async () => {
    serve(...LISTED, ...OTHERS);
    configure();
    await fixture.succeed('refresh', '--force', '--fetch-only', '--accept-shrunken');
    await fixture.succeed('apply');
  });

  it('of a bad list says so, here and in status, and the last good state stands', async () => {
    serve('<!DOCTYPE html>', '<p>Rate limit exceeded for 203.0.113.9</p>');
    const failed = await refresh('--force');
    expect(failed.status).toBe(1);
    expect(failed.stderr).toContain('cn: the list cannot be read: http://127.0.0.1');
    expect(failed.stderr).toContain('what a web server said');
    expect((await fixture.sidetrack('status')).stdout).toMatch(
      /cn .*failed 1 times[\s\S]*what a web server said/,
    );
    expect((await fixture.sidetrack('plan')).stdout).toContain('Nothing to do');
    serve(OTHERS[0]!);
    expect((await refresh('--force')).stderr).toContain(
      'had 3: fewer than 50 per cent are refused',
    );
    expect((await refresh('--accept-shrunken', 'cn')).stdout).toContain('Loaded. cn (5 -> 1)');
  });

  it('leaves other changes of the file to apply, and says so', { tags: ['long'] }, async () => {
    configure('  - { name: more, proto: tcp, port: 8080, action: block }\n');
    serve(...OTHERS);
    const { status, stdout, stderr } = await refresh('--force');
    expect([status, stdout]).toEqual([0, expect.stringContaining('Loaded. cn (5 -> 3)')]);
    expect(stderr).toContain('has changed since it was applied; this is left for sidetrack apply');
    const listed = await fixture.lab.check('router', ['nft', 'list', 'table', 'inet', 'sidetrack']);
    expect(listed).not.toContain('more');
    expect((await fixture.sidetrack('plan')).stdout).not.toContain('Nothing to do');
    await fixture.succeed('apply');
    serve(...LISTED, ...OTHERS);
    expect((await refresh('--force')).stdout).toContain('Loaded. cn (3 -> 5)');
  });

  it('changes nothing on a host that is not as it was left, or was taken down', {
    tags: ['long'],
  }, async () => {
    await fixture.lab.check('router', ['ip', 'rule', 'del', 'iif', 'br-lan', 'lookup', '250']);
    serve(...OTHERS);
    const refused = await refresh('--force');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('router is not as it was applied');
    await fixture.succeed('apply');
    expect((await refresh()).stdout).toContain('Nothing changes');
    await fixture.succeed('down');
    serve(...LISTED, ...OTHERS);
    expect((await refresh('--force')).stdout).toContain('this file was not applied from here');
    expect(
      (await fixture.lab.run('router', ['nft', 'list', 'table', 'inet', 'sidetrack'])).status,
    ).not.toBe(0);
  });

  /** The sets that a refresh tells to have changed, and the hosts of its steps. */
  const loadedBy = async (...words: string[]) => {
    const { status, stdout, stderr } = await refresh(...words);
    expect([status, stderr]).toEqual([0, expect.any(String)]);
    const told: { changed: { set: string }[]; steps: { host: string }[] } = JSON.parse(stdout);
    return { sets: told.changed.map(({ set }) => set), hosts: told.steps.map(({ host }) => host) };
  };

  it('of one host leaves the other, which has the list too, to the next refresh', {
    tags: ['long'],
  }, async () => {
    appendFileSync(fixture.configFile, 'relay: { deny: [cn] }\n');
    serve(...OTHERS);
    await fixture.succeed('refresh', '--force', '--fetch-only');
    await fixture.succeed('apply');
    serve(...OTHERS, '198.51.100.0/24');
    expect(await loadedBy('--force', '--only', 'router', '--json')).toEqual({
      sets: ['cn'],
      hosts: ['router'],
    });
    expect((await refresh('--only', 'router')).stdout).toContain('Nothing changes');
    // Nothing of the list stands in what server1 was given; that it has it is noted.
    expect((await refresh()).stdout).toContain('Loaded. cn (3 -> 4)');
    expect((await refresh()).stdout).toContain('Nothing changes');
    const absent = await refresh('--only', 'server7');
    expect([absent.status, absent.stderr]).toEqual([
      2,
      expect.stringContaining('there is no host "server7"'),
    ]);
  });

  it('goes on where one before it has ended between the hosts and its notes', {
    tags: ['long'],
  }, async () => {
    const directory = `${fixture.directory}/lists-${fixture.classifier}/applied`;
    const [name = ''] = readdirSync(directory);
    const notes = `${directory}/${name}`;
    const before = readFileSync(notes);
    serve(...OTHERS);
    expect((await refresh('--force')).stdout).toContain('Loaded. cn (5 -> 3)');
    writeFileSync(notes, before);
    expect((await refresh()).stdout).toContain('Loaded. cn (5 -> 3)');
    expect((await refresh()).stdout).toContain('Nothing changes');
    expect((await fixture.sidetrack('plan')).stdout).toContain('Nothing to do');
  });

  it('that cannot note what it is about to load loads nothing, and is whole when it can', {
    tags: ['long'],
  }, async () => {
    const directory = `${fixture.directory}/lists-${fixture.classifier}/applied`;
    const seal = (how: string) => fixture.lab.check(undefined, ['chattr', how, directory]);
    serve(...OTHERS);
    await fixture.succeed('refresh', '--force', '--fetch-only');
    await seal('+i');
    try {
      const refused = await refresh();
      expect([refused.status, refused.stderr]).toEqual([
        1,
        expect.stringContaining('cannot write'),
      ]);
    } finally {
      await seal('-i');
    }
    expect((await refresh()).stdout).toContain('Loaded. cn (5 -> 3)');
  });

  it('of 64 MiB takes less than 256 MiB of heap', {
    tags: ['long'],
    timeout: 600_000,
  }, async () => {
    const lines: string[] = [];
    // No two of these are one network.
    for (let n = 0, length = 0; length < 63 * 2 ** 20; n += 2) {
      const line = `${1 + (n >>> 24)}.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}`;
      length += line.length + 1;
      lines.push(line);
    }
    serve(lines.join('\n'));
    const { status, stdout } = await fixture.sidetrackWith(
      { env: { NODE_OPTIONS: '--max-old-space-size=256' }, timeoutMs: 300_000 },
      ...['refresh', '--accept-shrunken', '--fetch-only'],
    );
    expect([status, stdout]).toEqual([
      0,
      expect.stringContaining(`fetched, ${lines.length} entries`),
    ]);
  });

  it('loads a file that has changed, unless most of it is gone', { tags: ['long'] }, async () => {
    const file = `${fixture.directory}/own.txt`;
    writeFileSync(file, [...LISTED, ...OTHERS].join('\n'));
    const yaml = readFileSync(fixture.configFile, 'utf8');
    writeFileSync(fixture.configFile, yaml.replace(/cn: \{ url.*/, 'cn: { file: own.txt }'));
    await fixture.succeed('apply');
    writeFileSync(file, OTHERS.join('\n'));
    expect((await refresh()).stdout).toContain('Loaded. cn (5 -> 3)');
    writeFileSync(file, OTHERS[0]!);
    const refused = await refresh();
    expect([refused.status, refused.stderr]).toEqual([
      1,
      expect.stringContaining('its file has 1 entry, and had 3'),
    ]);
    expect((await refresh('--accept-shrunken')).stdout).toContain('Loaded. cn (3 -> 1)');
  });
});
