/** From the configuration to what the engine gets: addresses and passwords, or what is in the way. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Lookup, Names } from '../../../control/cli/relay/names.js';
import { prepareUpstreams } from '../../../control/cli/relay/upstreams.js';
import { ConfigError } from '../../../control/config/diagnostic.js';
import { parseConfig } from '../../../control/config/load.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sidetrack-upstreams-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function prepare(upstreams: string, names = new Names()) {
  const yaml = `router: { host: local, interfaces: [br-lan] }
servers:
  - { host: local, interface: eth0, address: 192.168.1.2 }
relay:
  upstreams: [${upstreams}]
`;
  return prepareUpstreams(await parseConfig(join(folder, 'x.yaml'), yaml), names);
}

const withPassword = (content: string | Buffer) => {
  writeFileSync(join(folder, 'vps.pass'), content);
  return prepare(
    '{ name: vps, url: "socks5://127.0.0.1:1080", username: u, password_file: vps.pass }',
  );
};

async function messageOf(work: Promise<unknown>): Promise<string> {
  const error = await work.catch((e: unknown) => e);
  if (error instanceof ConfigError) return error.message.replaceAll(folder, '');
  throw new Error(`no ConfigError: ${String(error)}`);
}

describe('prepareUpstreams', () => {
  it('hands over the direct way as it is', async () => {
    expect(await prepare('{ name: d, url: "direct:", weight: 7 }')).toEqual([
      { name: 'd', kind: 'direct', weight: 7 },
    ]);
  });

  it('resolves names and keeps addresses', async () => {
    const [a, b] = await prepare(
      '{ name: a, url: "http://localhost:3128" }, { name: b, url: "socks4a://[fd00::2]:1" }',
    );
    expect(a).toMatchObject({ kind: 'http', port: 3128 });
    expect(['127.0.0.1', '::1']).toContain(a?.address);
    expect(b).toMatchObject({ kind: 'socks4a', address: 'fd00::2', port: 1 });
  });

  it.each([
    ['alone', 'hunter2'],
    ['with a newline', 'hunter2\n'],
    ['from Windows', 'hunter2\r\n'],
    ['with lines behind it', 'hunter2\n# rotated yearly\n'],
  ])('takes the first line of the password file, %s', async (_, content) => {
    const [upstream] = await withPassword(content);
    expect(upstream?.password?.toString()).toBe('hunter2');
    expect(upstream?.username).toBe('u');
  });

  it('keeps bytes that are no text', async () => {
    const [upstream] = await withPassword(Buffer.from([0xff, 0x00, 0x20]));
    expect(upstream?.password).toEqual(Buffer.from([0xff, 0x00, 0x20]));
  });

  it('names the upstream, the file and the place when the file cannot be read', async () => {
    const entry = '{ name: vps, url: "socks5://127.0.0.1:1", username: u, password_file: none }';
    expect(await messageOf(prepare(entry))).toBe(
      '/x.yaml:5:85: cannot read the password of upstream "vps" from /none: no such file',
    );
  });

  it('does not wait at a FIFO for a password', async () => {
    execFileSync('mkfifo', [join(folder, 'pass')]);
    const entry = '{ name: vps, url: "socks5://127.0.0.1:1", username: u, password_file: pass }';
    expect(await messageOf(prepare(entry))).toContain('is empty');
  });

  it('refuses passwords that no protocol can carry, without showing them', async () => {
    expect(await messageOf(withPassword('\nhunter2'))).toContain(
      'the password of upstream "vps" in /vps.pass is empty',
    );
    const long = await messageOf(withPassword('hunter2'.repeat(40)));
    expect(long).toContain('is longer than 255 bytes');
    expect(long).not.toContain('hunter2');
  });

  it('tells every upstream that cannot be used, at once', async () => {
    const message = await messageOf(
      prepare(
        '{ name: a, url: "http://127.0.0.1:1", username: u, password_file: nil }, { name: b, url: "http://127.0.0.1:1", username: u, password_file: none }',
      ),
    );
    const lines = message.split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/:5:81: .*upstream "a"/);
    expect(lines[1]).toContain('upstream "b"');
  });

  it.each(['EAI_AGAIN', 'ENOTFOUND'])(
    'a name that does not resolve (%s) has no address yet, and its other addresses at once',
    async (code) => {
      const fails: Lookup = async () => {
        throw Object.assign(new Error(code), { code });
      };
      const entry = (more = '') => `{ name: a, url: "socks5://late.test:1"${more} }`;
      expect(await prepare(entry(), new Names({}, fails))).toEqual([
        { name: 'a', kind: 'socks5', weight: 1, port: 1 },
      ]);
      const known = new Names({ 'late.test': ['192.0.2.9'] }, fails);
      expect(await prepare(entry(', addresses: [192.0.2.2]'), known)).toMatchObject([
        { address: '192.0.2.9', moreAddresses: ['192.0.2.2'] },
      ]);
    },
  );

  it('does not wait for a resolver that hangs', async () => {
    const names = new Names({}, () => new Promise<never>(() => {}), 1);
    const [a] = await prepare('{ name: a, url: "socks5://late.test:1" }', names);
    expect(a).not.toHaveProperty('address');
    expect(names.isAsking).toBe(true);
  });
});
