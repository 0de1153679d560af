/** The upstreams of the relay as the file may and may not write them. */
import { describe, expect, it } from 'vitest';
import { ConfigError, formatDiagnostic } from '../../../control/config/diagnostic.js';
import { parseConfig } from '../../../control/config/load.js';
import { parseUpstreamUrl } from '../../../control/config/upstream-url.js';

const MINIMAL = `router: { host: local, interfaces: [br-lan] }
servers:
  - { host: local, interface: eth0, address: 192.168.1.2 }
`;

async function errorsOf(relay: string): Promise<string[]> {
  const error: unknown = await parseConfig('x.yaml', `${MINIMAL}relay: ${relay}\n`).catch(
    (e: unknown) => e,
  );
  if (error instanceof ConfigError) return error.diagnostics.map(formatDiagnostic);
  if (error instanceof Error) throw error;
  return [];
}

const BEFORE_ENTRY = 'relay: { upstreams: [{ name: vps, ';
/** Where the value of a key of the entry stands. */
const placeOf = (entry: string, key: string) =>
  `x.yaml:4:${BEFORE_ENTRY.length + entry.indexOf(`${key}: `) + key.length + 3}`;
const one = (entry: string) => errorsOf(`{ upstreams: [{ name: vps, ${entry} }] }`);

describe('urls', () => {
  it.each([
    ['direct:', { kind: 'direct' }],
    ['socks5://192.168.1.2:1080', { kind: 'socks5', host: '192.168.1.2', port: 1080 }],
    ['socks5://[fd00::2]:1080', { kind: 'socks5', host: 'fd00::2', port: 1080 }],
    ['socks4a://vps.example:1', { kind: 'socks4a', host: 'vps.example', port: 1 }],
    ['http://proxy_1.lan:65535/', { kind: 'http', host: 'proxy_1.lan', port: 65535 }],
  ])('%s', (url, target) => {
    expect(parseUpstreamUrl(url)).toEqual(target);
  });

  it.each([
    ['192.168.1.2', 'the url has no scheme'],
    ['https://vps:443', 'a scheme that no upstream has'],
    ['socks5:vps:1080', 'a scheme that no upstream has'],
    ['direct://', 'a scheme that no upstream has'],
    ['socks5://vps', 'the url has no port'],
    ['socks5://:1080', 'not a host and a port'],
    ['socks5://fd00::2:1080', 'not a host and a port'],
    ['socks5://[fd00::2]', 'no port'],
    ['socks5://[1.2.3.4]:1080', 'not a host and a port'],
    ['socks5://vps:0', 'not a host and a port'],
    ['socks5://vps:99999', 'outside 1 to 65535'],
    ['http://vps:80/path', 'not a host and a port'],
    ['http://vps:80?x', 'not a host and a port'],
    ['http://-oProxy:80', 'not a host and a port'],
    ['socks5://me:hunter2@vps:1080', 'a user or a password in it'],
  ])('%s is refused', async (url, message) => {
    const errors = await one(`url: "${url}"`);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(`${placeOf(`url: "${url}"`, 'url')}: `);
    expect(errors[0]).toContain(message);
    expect(errors[0]).not.toContain('hunter2');
  });
});

describe('credentials', () => {
  it.each([
    'url: "socks5://h:1", username: u, password_file: p',
    'url: "http://h:1", username: u, password_file: p',
    'url: "socks4a://h:1", username: u',
  ])('%s', async (entry) => {
    expect(await one(entry)).toEqual([]);
  });

  it.each([
    [
      'url: "socks5://h:1", username: u',
      'username',
      'a user without a password; add "password_file"',
    ],
    [
      'url: "http://h:1", password_file: p',
      'password_file',
      'a password without a user; add "username"',
    ],
    ['url: "direct:", username: u', 'username', 'direct: knows no users; remove "username"'],
    [
      'url: "direct:", password_file: p',
      'password_file',
      'direct: knows no passwords; remove "password_file"',
    ],
    [
      'url: "socks4a://h:1", username: u, password_file: p',
      'password_file',
      'SOCKS4a knows no passwords; remove "password_file"',
    ],
    [
      'url: "http://h:1", username: "a:b", password_file: p',
      'username',
      'Basic authentication has no room for ":" in a user name',
    ],
    ['url: "socks5://h:1", username: "", password_file: p', 'username', 'the user name is empty'],
  ])('%s is refused', async (entry, key, error) => {
    expect(await one(entry)).toEqual([`${placeOf(entry, key)}: ${error}`]);
  });

  it('refuses a user name that the protocol has no room for', async () => {
    const entry = `url: "socks5://h:1", username: ${'ä'.repeat(128)}, password_file: p`;
    expect((await one(entry))[0]).toContain('a user name has at most 255 bytes');
  });
});

describe('several', () => {
  it('have a strategy and weights', async () => {
    const { relay } = await parseConfig(
      'x.yaml',
      `${MINIMAL}relay:
  strategy: least-connections
  upstreams: [{ name: a, url: "socks5://h:1", weight: 2 }, { name: b, url: "direct:" }]
`,
    );
    expect(relay.strategy).toBe('least-connections');
    expect(relay.upstreams.map(({ weight }) => weight)).toEqual([2, 1]);
  });

  it('refuses strategies that there are not, and weights that make no sense', async () => {
    expect(await errorsOf('{ strategy: leastconn }')).toEqual([
      'x.yaml:4:20: relay.strategy must be "failover", "weighted" or "least-connections", not the text "leastconn"',
    ]);
    for (const weight of ['0', '1001', '1.5', 'x'])
      expect((await one(`url: "direct:", weight: ${weight}`))[0]).toContain(
        'weight must be a whole number from 1 to 1000',
      );
  });

  it('refuses more than the engine has room for', async () => {
    const entries = Array.from({ length: 17 }, (_, i) => `{ name: u${i}, url: "direct:" }`);
    expect(await errorsOf(`{ upstreams: [${entries.join(', ')}] }`)).toEqual([
      'x.yaml:4:21: relay.upstreams must have at most 16 entries',
    ]);
  });
});
