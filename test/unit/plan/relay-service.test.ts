/** What a server should have of the relay, and what a configuration for it says. */
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../control/config/load.js';
import { checkServer } from '../../../control/plan/preflight.js';
import { relayConfigText } from '../../../control/plan/relay-config.js';
import { desiredRelay } from '../../../control/plan/relay-service.js';
import type { ObservedRelay, RelayPackage } from '../../../control/plan/state.js';
import { folderOf } from '../config/temporary.js';
import { bareRouter } from './fixtures.js';

const YAML = `router: { host: "ssh://root@192.168.1.1", interfaces: [br-lan], nat64: ["64:ff9b::/96"] }
servers:
  - { name: server1, host: "ssh://root@192.168.1.2", interface: br-lan, address: [192.168.1.1], capture: tproxy }
sets: { office: { file: office.txt } }
relay:
  upstreams:
    - { name: vps, url: "socks5://192.0.2.1:1080", username: me, password_file: vps.pass }
    - { name: direct, url: "direct:" }
  routes: [{ name: work, to: [office, private, 203.0.113.0/24], upstreams: vps }]
  allow: [office]
rules: [{ proto: tcp, action: proxy }]
`;

const FOUND: ObservedRelay = {
  hasSystemd: true,
  architecture: 'amd64',
  node: '20.19.2-1',
  isActive: false,
  isEnabled: false,
};
const OFFERED: RelayPackage = {
  version: '2',
  architecture: 'amd64',
  contents: 'b',
  base64: 'AA==\n',
};
const INSTALLED = { ...FOUND, installed: { version: '2', contents: 'b' } };

async function load(yaml = YAML) {
  const folder = await folderOf({ 'office.txt': '10.8.0.0/24\n10.8.1.0/24\n' });
  const config = await parseConfig(`${folder}/sidetrack.yaml`, yaml);
  return { config, server: config.servers[0]! };
}

async function desired(relay: ObservedRelay | undefined, offered?: RelayPackage, yaml = YAML) {
  const { config, server } = await load(yaml);
  return desiredRelay(config, server, bareRouter(relay && { relay }), offered);
}

async function told(relay: ObservedRelay | undefined, offered?: RelayPackage, yaml = YAML) {
  const { config, server } = await load(yaml);
  const offer = { version: '2', ...(offered && { package: offered }) };
  const { errors, warnings } = checkServer(config, server, bareRouter(relay && { relay }), offer);
  const lines = (all: typeof errors) => all.map(({ message, hint }) => `${message}: ${hint}`);
  return { errors: lines(errors), warnings: lines(warnings) };
}

describe('the configuration of a relay on another machine', () => {
  it('is what the relay needs, without the files of sets, and loads there', async () => {
    const { config, server } = await load();
    const text = relayConfigText(config, server);
    expect(text).toContain('password_file: /etc/sidetrack/vps.pass');
    expect(text).not.toContain('office');
    const read = await parseConfig('/etc/sidetrack/sidetrack.yaml', text);
    expect(read.servers[0]).toEqual({ ...server, host: { kind: 'local' } });
    expect(read.router.nat64).toEqual(config.router.nat64);
    expect(read.relay.upstreams.map(({ name }) => name)).toEqual(['vps', 'direct']);
    expect(read.relay.routes[0]!.to).toMatchObject({ sets: ['private'] });
    expect(read.relay.routes[0]!.to!.entries).toHaveLength(2);
    expect(read.relay.allow).toMatchObject({ sets: [], entries: [{}] });
    expect(relayConfigText(read, read.servers[0]!)).toBe(text);
  });
});

describe('the relay of a server', () => {
  it('is left alone where nothing of ours is there and nothing was asked for', async () => {
    expect(await desired(FOUND)).toBeUndefined();
    expect(await desired(undefined, OFFERED)).toBeUndefined();
  });

  it('is installed when asked, and not again', async () => {
    expect(await desired(FOUND, OFFERED)).toMatchObject({ package: OFFERED, port: 12345 });
    expect(await desired(INSTALLED, OFFERED)).not.toHaveProperty('package');
    const other = { ...INSTALLED, installed: { version: '2', contents: 'a' } };
    expect(await desired(other, OFFERED)).toHaveProperty('package');
  });

  it('is kept as configured where it is installed, unless its configuration is by other hands', async () => {
    expect(await desired(INSTALLED)).toMatchObject({ passwordFiles: ['/etc/sidetrack/vps.pass'] });
    const foreign = { ...INSTALLED, config: { content: 'router:\n', mode: 0o644 } };
    expect(await desired(foreign)).toBeUndefined();
    const external = YAML.replace('capture: tproxy', 'program: external');
    expect(await desired(INSTALLED, undefined, external)).toBeUndefined();
  });

  it('is that of this machine only where apply has made it so', async () => {
    const local = YAML.replace('ssh://root@192.168.1.2', 'local');
    expect(await desired(INSTALLED, undefined, local)).toBeUndefined();
    const config = { content: '# Written by sidetrack apply\n', mode: 0o644 };
    expect(await desired({ ...INSTALLED, config }, undefined, local)).toBeDefined();
    expect(await desired(FOUND, OFFERED, local)).toMatchObject({
      passwordFiles: [expect.stringMatching(/^\/.*\/vps\.pass$/)],
    });
  });
});

describe('what is missing for it', () => {
  const foreign = { content: 'router:\n', mode: 0o644 };
  it.each([
    ['no dpkg', { ...FOUND, architecture: undefined }, /has no dpkg.*npm tarball/],
    ['no systemd', { ...FOUND, hasSystemd: false }, /runs no systemd/],
    [
      'another processor',
      { ...FOUND, architecture: 'arm64' },
      /is arm64, and the package is for amd64.*_arm64\.deb/,
    ],
    ['no node', { ...FOUND, node: undefined }, /has no nodejs, and the relay needs 20/],
    ['an old node', { ...FOUND, node: '18.20.4+dfsg-1~deb12u3' }, /has nodejs 18\.20/],
    ['a configuration of other hands', { ...FOUND, config: foreign }, /apply did not write/],
    ['a unit of its own', { ...FOUND, unitFile: '/etc/systemd/system/x' }, /rm \/etc\/systemd/],
  ])('is one error: %s', async (_, found, message) => {
    const { architecture, node, ...rest } = found;
    const relay = { ...rest, ...(architecture && { architecture }), ...(node && { node }) };
    expect((await told(relay, OFFERED)).errors).toEqual([expect.stringMatching(message)]);
  });

  it('is no network namespace, and no program of its own', async () => {
    expect((await told(undefined, OFFERED)).errors[0]).toMatch(/is a network namespace/);
    const external = YAML.replace('capture: tproxy', 'program: external');
    expect((await told(FOUND, OFFERED, external)).errors[0]).toMatch(/a program of its own/);
  });

  it('is said where nothing was asked for, and only then', async () => {
    const missing = /the relay is not installed on server1: run sidetrack apply --install/;
    expect((await told(FOUND)).warnings).toContainEqual(expect.stringMatching(missing));
    expect((await told(FOUND, OFFERED)).warnings.join()).not.toMatch(/nothing listens/);
    const old = { ...INSTALLED, installed: { version: '1', contents: 'a' } };
    expect((await told(old)).warnings.join()).toMatch(/has sidetrack 1, and this is 2/);
    expect((await told(old, OFFERED)).warnings.join()).not.toMatch(/has sidetrack 1/);
  });
});
