/** A relay that starts before the files of its sets are there. */
import { rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { patiently } from '../../../control/cli/relay/first-setup.js';
import { parseConfig } from '../../../control/config/load.js';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sidetrack-first-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const read = (file: string, more = '') =>
  parseConfig(
    join(folder, 'x.yaml'),
    `router: { host: local, interfaces: [br-lan] }
servers: [{ host: local, interface: eth0, address: 192.168.1.2 }]
sets: { list: { file: ${file} } }
${more}`,
  );

describe('the file of a set', () => {
  it('that comes late is waited for, and the service manager hears why', async () => {
    const file = join(folder, 'late.txt');
    const status = (text: string) => {
      expect(text).toMatch(/waiting for files of sets: .*:3:\d+: cannot read the set file/);
      writeFileSync(file, '192.0.2.0/24\n');
    };
    const { sets } = await patiently(() => read('late.txt'), status);
    expect(sets.list?.entries).toHaveLength(1);
  });

  it('that does not come is an error of the machine, so that the service is started again', async () => {
    const work = patiently(
      () => read('none.txt'),
      () => {},
      0,
    );
    await expect(work).rejects.toMatchObject({ code: 'set-unreadable', source: 'host' });
  });

  it('is not waited for where the configuration is wrong besides', async () => {
    const work = patiently(
      () => read('none.txt', 'defualt: direct\n'),
      () => {},
    );
    await expect(work).rejects.toMatchObject({ code: 'config-invalid', source: 'user' });
  });
});
