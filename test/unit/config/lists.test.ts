/** Sets that are fetched, as the configuration has them: no test here has a network. */
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError, formatDiagnostic } from '../../../control/config/diagnostic.js';
import { copyIn } from '../../../control/config/list-config.js';
import { loadConfig } from '../../../control/config/load.js';
import type { LoadOptions } from '../../../control/config/load-sets.js';
import { errorsOf, folderOf, MINIMAL } from './temporary.js';

const URL_OF_LIST = 'https://user:hunter2@example.org/list.txt?token=hunter3';
const yaml = (keys: string) => `${MINIMAL}lists: { directory: kept }
sets:
  cn: { ${keys} }
rules:
  - { name: cn, to: [cn], action: direct }
`;

async function loaded(keys: string, options: LoadOptions = {}) {
  const folder = await folderOf({ 'sidetrack.yaml': yaml(keys) });
  try {
    const config = await loadConfig(join(folder, 'sidetrack.yaml'), options);
    return { config, said: config.warnings.map(formatDiagnostic), folder };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { said: error.diagnostics.map(formatDiagnostic), folder, mayPass: error.mayPass };
  }
}

/** Puts a copy where the fetching would. */
const copyOf =
  (text: string, secondsAgo = 0): NonNullable<LoadOptions['obtain']> =>
  async (list) => {
    await mkdir(list.directory, { recursive: true });
    await writeFile(copyIn(list), text);
    const time = Date.now() / 1000 - secondsAgo;
    await utimes(copyIn(list), time, time);
  };

describe('a set with a url', () => {
  it('is not there before its list was fetched, which may still come', async () => {
    const { said, mayPass } = await loaded(`url: "${URL_OF_LIST}"`);
    expect(said.join('\n')).toMatch(
      /:10:14: the list of the set "cn" has not been fetched yet; run: sidetrack refresh$/,
    );
    expect(mayPass).toBe(true);
  });

  it('holds its copy', async () => {
    const obtain = copyOf('192.0.2.0/24\n2001:db8::/32\n');
    const { config, said } = await loaded(`url: "${URL_OF_LIST}"`, { obtain });
    expect(said).toEqual([]);
    expect(config?.sets.cn?.entries).toHaveLength(2);
    expect(config?.sets.cn?.list).toMatchObject({ refreshSeconds: 86_400, shrinkLimit: 50 });
  });

  it('warns of a copy that is older than three refreshes', async () => {
    const at = (seconds: number) =>
      loaded(`url: "${URL_OF_LIST}", refresh: 1h`, { obtain: copyOf('192.0.2.0/24\n', seconds) });
    expect((await at(2.9 * 3600)).said).toEqual([]);
    expect((await at(3.1 * 3600)).said.join('\n')).toContain(
      'the list of the set "cn" was fetched 3 hours ago: a copy of then is in use',
    );
  });

  it('has another copy for another choice', async () => {
    const keyOf = async (keys: string) =>
      (await loaded(`url: "${URL_OF_LIST}", ${keys}`, { withoutLists: true })).config?.sets.cn?.list
        ?.key;
    const keys = await Promise.all([
      keyOf('country: CN'),
      keyOf('country: [CN, JP]'),
      keyOf('country: CN'),
    ]);
    expect(new Set(keys).size).toBe(2);
    expect(keys[0]).toMatch(/^cn-[0-9a-f]{12}$/);
  });

  it('without encryption is warned of, unless something else vouches for it', async () => {
    const obtain = copyOf('192.0.2.0/24\n');
    const of = async (keys: string) => (await loaded(keys, { obtain })).said.join('\n');
    expect(await of('url: "http://example.org/"')).toContain(
      'who is on the way decides what is in it',
    );
    expect(await of(`url: "http://example.org/", sha256: ${'0'.repeat(63)}a`)).toBe('');
  });
});

describe('what is wrong with a set is told where it stands, without its secrets', () => {
  it.each([
    ['min_entries: 1', 'a set needs its list; write file: FILE, or url: https://HOST/PATH'],
    ['file: x, url: "https://example.org/"', 'a set has a file or a url; keep one of them'],
    ['file: x, refresh: 1h', '"refresh" is for lists with a url; leave out refresh'],
    ['url: "ftp://user:hunter2@example.org/"', 'the url is none of http or https'],
    ['url: "https://u:hunter2%@example.org/"', 'has a % that stands for nothing; write %25'],
    ['url: "https://example.org/", refresh: daily', '"daily" is no time; write 30m, 24h or 7d'],
    ['url: "https://example.org/", sha256: abc', 'is no SHA-256'],
    ['url: "https://example.org/", country: China', '"China" is no country'],
    [
      'url: "https://example.org/", signature: { key: abc }',
      'is no public key of minisign or signify',
    ],
  ])('%s', async (keys, said) => {
    const errors = (await errorsOf(yaml(keys))).join('\n');
    expect(errors).toContain(said);
    expect(errors).not.toContain('hunter2');
  });
});
