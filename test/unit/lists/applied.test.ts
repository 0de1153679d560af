/** What is noted of hosts: each by itself, and before it is touched. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findChanges } from '../../../control/cli/lists/changes.js';
import { rememberKept } from '../../../control/cli/lists/remember.js';
import { loadConfig } from '../../../control/config/load.js';
import { SidetrackError } from '../../../control/error.js';
import {
  forgetApplied,
  noteTried,
  readApplied,
  rememberApplied,
} from '../../../control/lists/applied.js';
import { folderOf, MINIMAL } from '../config/temporary.js';

const BOTH = ['server1', 'router'];
const YAML = `${MINIMAL}relay: { deny: [cn] }
lists: { directory: kept }
sets: { cn: { file: cn.txt }, home: { file: home.txt } }
rules: [{ name: cn, to: [cn, home], action: direct }]
`;

/** A configuration that was applied to both hosts, and its sets as they are now. */
async function applied() {
  const folder = await folderOf({
    'sidetrack.yaml': YAML,
    'cn.txt': '192.0.2.0/24\n',
    'home.txt': '198.51.100.0/24\n',
  });
  const file = join(folder, 'sidetrack.yaml');
  const load = () => loadConfig(file);
  const list = (name: string, ...lines: string[]) =>
    writeFile(join(folder, name), lines.join('\n'));
  const changes = async (only?: string) => {
    const config = await load();
    const found = await findChanges(file, await readApplied(config), { only });
    return found.map(({ hosts, changes }) => [hosts, changes.map(({ set }) => set)]);
  };
  await rememberApplied(await load(), BOTH);
  return { folder, load, list, changes };
}

describe('what is noted of hosts', () => {
  it('leaves nothing to do where they have the lists of now', async () => {
    expect(await (await applied()).changes()).toEqual([]);
  });

  it('stays as it was of a host that a refresh left out', async () => {
    const { load, list, changes } = await applied();
    await list('cn.txt', '192.0.2.0/24', '203.0.113.0/24');
    expect(await changes()).toEqual([[BOTH, ['cn']]]);
    await rememberApplied(await load(), ['router']);
    expect(await changes()).toEqual([[['server1'], ['cn']]]);
    expect(await changes('router')).toEqual([]);
    // Another list, which server1 has no part in: both are told of what each lacks.
    await list('home.txt', '198.51.100.0/25');
    expect(await changes('router')).toEqual([[['router'], ['home']]]);
    expect(await changes('server1')).toEqual([[['server1'], ['cn', 'home']]]);
  });

  it('stays as it was of a host that an apply of another file left out', async () => {
    const { folder, load, list, changes } = await applied();
    await writeFile(join(folder, 'sidetrack.yaml'), YAML.replace('name: cn', 'name: other'));
    await rememberApplied(await load(), ['router']);
    await list('cn.txt', '192.0.2.0/24', '203.0.113.0/24');
    expect(await changes()).toEqual([
      [['server1'], ['cn']],
      [['router'], ['cn']],
    ]);
  });

  it('tells that a host may have what it was about to be given, also where the list is as before', async () => {
    const { load, list, changes } = await applied();
    await list('cn.txt', '203.0.113.0/24');
    await noteTried(await load(), ['router']);
    expect((await readApplied(await load())).get('router')?.tried?.cn).toBe('203.0.113.0/24\n');
    await list('cn.txt', '192.0.2.0/24');
    expect(await changes()).toEqual([[['router'], ['cn']]]);
    await rememberApplied(await load(), ['router']);
    expect(await changes()).toEqual([]);
  });

  it('goes with a host that is taken down, with a server that leaves, and with the last set', async () => {
    const { folder, load } = await applied();
    await forgetApplied(await load(), ['server1']);
    expect([...(await readApplied(await load())).keys()]).toEqual(['router']);
    await rememberApplied(await load(), BOTH);
    await writeFile(
      join(folder, 'sidetrack.yaml'),
      YAML.replace('- host: local', '- name: other\n    host: local'),
    );
    await rememberApplied(await load(), ['other', 'router']);
    expect([...(await readApplied(await load())).keys()]).toEqual(['router', 'other']);
    await writeFile(join(folder, 'sidetrack.yaml'), `${MINIMAL}lists: { directory: kept }\n`);
    await rememberApplied(await load(), ['router', 'server1']);
    expect((await readApplied(await load())).size).toBe(0);
    expect(await readdir(join(folder, 'kept/applied'))).toEqual([]);
  });

  it('is read as an earlier version wrote it, and not where it is damaged', async () => {
    const { folder, load, changes } = await applied();
    const kept = join(folder, 'kept/applied');
    const path = join(kept, (await readdir(kept))[0]!);
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ version: 2 });
    const sets = { cn: '192.0.2.0/24\n', home: '198.51.100.0/24\n' };
    await writeFile(path, JSON.stringify({ version: 1, hosts: BOTH, text: YAML, sets }));
    expect([...(await readApplied(await load())).keys()]).toEqual(BOTH);
    expect(await changes()).toEqual([]);
    const host = { text: 'gone', sets: {} };
    await writeFile(path, JSON.stringify({ version: 2, hosts: { router: host }, contents: {} }));
    expect((await readApplied(await load())).size).toBe(0);
    await writeFile(path, '{');
    expect((await readApplied(await load())).size).toBe(0);
  });

  it('is noted of a change that stands and only could not be persisted', async () => {
    let noted = 0;
    const remember = async () => void noted++;
    const end = (outcome: 'not-persisted' | 'reverted') => () =>
      Promise.reject(new SidetrackError(outcome, { code: outcome, source: 'host', outcome }));
    await expect(rememberKept(end('not-persisted'), remember)).rejects.toThrow('not-persisted');
    expect(noted).toBe(1);
    await expect(rememberKept(end('reverted'), remember)).rejects.toThrow('reverted');
    expect(noted).toBe(1);
    expect(await rememberKept(async () => 'done', remember)).toBe('done');
    expect(noted).toBe(2);
  });
});
