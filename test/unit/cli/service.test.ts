/** The unit file: what is filled in, and what systemd itself thinks of it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { packagedUnit, relayUnit, unreadableByOthers } from '../../../control/cli/relay/unit.js';
import type { Config } from '../../../control/config/config.js';
import { loadConfig } from '../../../control/config/load.js';
import { unitDropIn, unitSettings } from '../../../control/plan/relay-unit.js';

const directory = mkdtempSync(join(tmpdir(), 'sidetrack-unit-'));
afterAll(() => rmSync(directory, { recursive: true }));

const YAML = `router: { host: local, interfaces: [br-lan] }
servers:
  - { name: server1, host: local, interface: eth0, address: [192.168.1.2] }
relay:
  drain_seconds: 7
  upstreams:
    - { name: vps, url: "socks5://192.0.2.1:1080", username: me, password_file: /etc/sidetrack/100%.pass }
    - { name: direct, url: "direct:" }
`;

async function configOf(yaml = YAML): Promise<Config> {
  const file = join(directory, 'sidetrack.yaml');
  writeFileSync(file, yaml);
  return loadConfig(file);
}

async function unit(server: object = {}, invocation: object = {}, yaml = YAML): Promise<string[]> {
  const config = await configOf(yaml);
  const paths = {
    node: '/usr/bin/node',
    program: '/opt/sidetrack/main.js',
    config: '/etc/sidetrack/sidetrack.yaml',
  };
  const text = relayUnit(config, { ...config.servers[0]!, ...server }, { ...paths, ...invocation });
  return text.split('\n');
}

describe('the unit', () => {
  it('names this program, its configuration and its passwords, and leaves nothing open', async () => {
    const lines = await unit();
    expect(lines).toContain(
      `ExecStart=/usr/bin/node /opt/sidetrack/main.js relay --config /etc/sidetrack/sidetrack.yaml`,
    );
    expect(lines).toContain('LoadCredential=upstream-vps:/etc/sidetrack/100%%.pass');
    expect(lines).toContain('TimeoutStopSec=22');
    expect(lines).toContain('ProtectHome=yes');
    expect(lines.join('\n')).not.toMatch(/@[A-Z_]+@|undefined/);
  });

  it('gives a stop as long as it may take, and no less', async () => {
    const drain = (words: string) => YAML.replace('  drain_seconds: 7\n', words);
    expect(await unit({}, {}, drain(''))).toContain('TimeoutStopSec=45');
    expect(await unit({}, {}, drain('  drain_seconds: unlimited\n'))).toContain(
      'TimeoutStopSec=infinity',
    );
  });

  it('grants a capability only for what needs one', async () => {
    expect(await unit()).toContain('CapabilityBoundingSet=');
    expect(await unit({ port: 80 })).toContain('AmbientCapabilities=CAP_NET_BIND_SERVICE');
    expect(await unit({ capture: 'tproxy' })).toContain('AmbientCapabilities=CAP_NET_RAW');
  });

  it('quotes what the shell would not have to', async () => {
    const lines = await unit({}, { config: '/srv/my "files"/$x/100%.yaml', server: 'a' });
    expect(lines.find((line) => line.startsWith('ExecStart='))).toMatch(
      / --config "\/srv\/my \\"files\\"\/\$\$x\/100%%\.yaml" --server a$/,
    );
  });

  it('sees homes only when something of it lies there', async () => {
    expect(await unit({}, { program: '/home/me/sidetrack/main.js' })).toContain(
      'ProtectHome=read-only',
    );
  });

  it('has no credentials without passwords', async () => {
    const lines = await unit({}, {}, YAML.replace(/, username.*pass/, ''));
    expect(lines.join('\n')).not.toContain('LoadCredential=');
  });
});

describe('the unit of the package', () => {
  const dropIn = async (yaml: string, server: object = {}) => {
    const config = await configOf(yaml);
    const place = ({ file }: { file: string }) => `/srv/${file}`;
    return unitDropIn(unitSettings(config, { ...config.servers[0]!, ...server }, place));
  };
  const plain = YAML.replace(/^relay:[\s\S]*/m, '');

  it('runs what the package installs, on the usual configuration', () => {
    expect(packagedUnit().split('\n')).toContain(
      'ExecStart=/usr/bin/node /usr/lib/sidetrack/build/control/cli/main.js relay --config /etc/sidetrack/sidetrack.yaml',
    );
  });

  it('is the unit of a plain configuration, but for the paths', async () => {
    const lines = await unit(
      {},
      { program: '/usr/lib/sidetrack/build/control/cli/main.js' },
      plain,
    );
    const others = (text: string[]) => text.filter((line) => !line.startsWith('Documentation='));
    expect(others(packagedUnit().split('\n'))).toEqual(others(lines));
    expect(await dropIn(plain)).toBeUndefined();
  });

  it('gets by a drop-in what another configuration needs', async () => {
    expect(await dropIn(YAML, { port: 80, capture: 'tproxy' })).toBe(`# Written by sidetrack apply.
[Service]
TimeoutStopSec=22
LoadCredential=upstream-vps:/srv//etc/sidetrack/100%%.pass
CapabilityBoundingSet=CAP_NET_RAW CAP_NET_BIND_SERVICE
AmbientCapabilities=CAP_NET_RAW CAP_NET_BIND_SERVICE
`);
  });
});

describe('unreadableByOthers', () => {
  it('finds a private folder above a public file', () => {
    writeFileSync(join(directory, 'public'), '', { mode: 0o644 });
    expect(unreadableByOthers(['/etc/passwd'])).toBeUndefined();
    // mkdtemp makes private folders.
    expect(unreadableByOthers(['/etc/passwd', join(directory, 'public')])).toBe(
      join(directory, 'public'),
    );
  });
});

const analyze = (...args: string[]) =>
  spawnSync('systemd-analyze', args, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });

describe.skipIf(analyze('--version').status !== 0)('systemd', () => {
  it.each([
    ['of a checkout', false],
    ['of the package', true],
  ])('understands every line of the unit %s, and finds little to attack', async (_, packaged) => {
    const file = join(directory, 'sidetrack-relay.service');
    const text = packaged
      ? packagedUnit().replace('/usr/bin/node', '/bin/true')
      : (await unit({}, { node: '/bin/true' })).join('\n');
    writeFileSync(file, text.replaceAll(/^Documentation=.*\n/gm, ''));
    const { status, stderr } = analyze('verify', '--man=no', file);
    expect(stderr.split('\n').filter((line) => line.includes('sidetrack'))).toEqual([]);
    expect(status).toBe(0);
    const security = analyze('security', '--offline=true', '--threshold=20', file);
    expect(security.stdout + security.stderr).toMatch(/Overall exposure level/);
    expect(security.status).toBe(0);
  });
});
