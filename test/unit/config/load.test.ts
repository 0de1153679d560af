import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig, parseConfig } from '../../../control/config/load.js';
import { SidetrackError } from '../../../control/error.js';
import { errorsOf, folderOf, load, MINIMAL } from './temporary.js';

const FULL = `router:
  host: netns://router
  interfaces: [br-lan, wlan0]
  mac: [auto, 02-00-00-00-00-01]
  classifier: nftables
  mark: { value: 0x200, mask: 0xff00 }
  table: { id: 77, name: detour }
  rule_priority: 900
  nat64: ['64:ff9b::/96', '2001:db8::/40']
  flow_table_size: 1000
  max_flows_per_client: 300
servers:
  - name: box
    host: netns://box
    interface: eth0
    address: [192.168.1.2, "FD00:0::2"]
    mac: 02-00-00-00-00-AB
    capture: tproxy
    tproxy: { mark: { value: 0x10, mask: 0xf0 }, table: 78, rule_priority: 901 }
    program: external
    port: 1080
    weight: 7
    health: none
    check: { url: "http://127.0.0.1:9090/", interval_seconds: 2, timeout_seconds: 1 }
    mark: 0x300
    table: { id: 79, name: box }
health: { rise: 5, reset_after_seconds: 20, port: 9999 }
balance: client_destination
relay:
  upstreams:
    - { name: out, url: "socks5://[fd00::9]:1080", weight: 3, username: u, password_file: secret }
  threads: 2
  metrics:
    { address: "::1", port: 9200, socket: /run/s.sock, connections: true, per_client: 5, hosts: Server1.lan,
      auth: { bearer_token_file: token, username: me, password_file: /etc/pass },
      tls: { certificate_file: cert.pem, key_file: key.pem } }
  tcp_info: false
  access_log: { file: access.log }
  drain_seconds: 1
  strategy: weighted
  deny: 8.8.8.8
  allow: [private, china]
  keepalive_seconds: 8
  connect_timeout_seconds: 2
  handshake_timeout_seconds: 6
  idle_timeout_seconds: 3
  half_close_timeout_seconds: 4
  max_connections: 5
  max_connections_per_client: 6
  max_handshakes: 7
  congestion_control: { client: cubic, upstream: bbr }
  read_ahead: 524288
  read_ahead_budget_mib: 100
  express: on
  express_after: 1000000
  fast_open: true
sets:
  china: { file: china.txt }
rules:
  - { name: lan, to: [private], action: direct }
  - { proto: tcp, port: [25, "465-587"], action: direct }
  - { name: tv, from: [192.168.1.40, 02:00:00:00:00:40, china], mac: 02:00:00:00:00:41, action: block }
  - { name: rest, to: [china, 198.51.100.0/24, 10.0.0.1-10.0.0.3], port: 443, action: { proxy: [box] } }
default: block
on_failure: block
`;

describe('loadConfig', () => {
  it('fills in every default of a minimal file', async () => {
    const {
      positionOf: _,
      file: __,
      written: ___,
      text: ____,
      rules,
      ...config
    } = await load(MINIMAL);
    expect(config).toEqual({
      router: {
        host: { kind: 'local' },
        interfaces: ['br-lan'],
        macs: ['auto'],
        takesOver: false,
        classifier: 'nftables',
        forwarding: 'mark',
        mark: { value: 150, mask: 0xff },
        table: { id: 250, name: 'server1' },
        rulePriority: 'auto',
        nat64: [{ address: 0x64ff9bn << 96n, length: 96 }],
        flowTableSize: 262144,
        maxFlowsPerClient: 65536,
      },
      servers: [
        {
          name: 'server1',
          host: { kind: 'local' },
          interface: 'eth0',
          address: { v4: '192.168.1.2' },
          mac: 'auto',
          capture: 'redirect',
          tproxy: { mark: { value: 151, mask: 0xff }, table: 251, rulePriority: 'auto' },
          program: 'relay',
          port: 12345,
          weight: 1,
          backup: false,
          health: 'heartbeat',
          route: 'apply',
        },
      ],
      health: { rise: 3, resetAfterSeconds: 10, port: 9155 },
      balance: 'client',
      relay: {
        upstreams: [{ name: 'direct', target: { kind: 'direct' }, weight: 1 }],
        routes: [],
        deny: { entries: [], sets: [] },
        allow: { entries: [], sets: [] },
        strategy: 'failover',
        metrics: { address: '127.0.0.1', port: 9150, connections: false, hosts: [], perClient: 0 },
        tcpInfo: true,
        drainSeconds: 30,
        handOverSeconds: 'unlimited',
        keepaliveSeconds: 1800,
        connectTimeoutSeconds: 10,
        handshakeTimeoutSeconds: 20,
        idleTimeoutSeconds: 0,
        halfCloseTimeoutSeconds: 300,
        congestionControl: { client: 'auto', upstream: 'system' },
        readAhead: 1_048_576,
        express: 'off',
        expressAfter: 8_388_608,
        fastOpen: false,
      },
      sets: {},
      default: 'direct',
      confirm: {
        timeoutSeconds: 90,
        probeSeconds: 5,
        gateway: true,
        dns: ['example.com'],
        internet: [
          { address: '1.1.1.1', port: 443 },
          { address: '2606:4700:4700::1111', port: 443 },
        ],
        canary: [
          { address: '1.1.1.1', port: 80 },
          { address: '2606:4700:4700::1111', port: 80 },
        ],
      },
      exporter: {
        address: '127.0.0.1',
        port: 9151,
        hosts: [],
        timeoutSeconds: 5,
        compareSeconds: 60,
      },
      onFailure: 'direct',
      warnings: [],
    });
    expect(rules.map(({ position: _p, ...rule }) => rule)).toEqual([
      { name: 'private', to: { entries: [], sets: ['private'] }, action: 'direct' },
      { name: 'rest', proto: 'tcp', action: 'proxy' },
    ]);
  });

  it('takes every key that there is', async () => {
    const folder = await folderOf({ 'sidetrack.yaml': FULL, 'china.txt': '203.0.113.0/24\n' });
    const config = await loadConfig(join(folder, 'sidetrack.yaml'));
    expect(config.router).toEqual({
      host: { kind: 'netns', name: 'router' },
      interfaces: ['br-lan', 'wlan0'],
      macs: ['auto', '02:00:00:00:00:01'],
      takesOver: false,
      classifier: 'nftables',
      forwarding: 'mark',
      mark: { value: 0x200, mask: 0xff00 },
      table: { id: 77, name: 'detour' },
      rulePriority: 900,
      nat64: [
        { address: 0x64ff9bn << 96n, length: 96 },
        { address: 0x20010db8n << 96n, length: 40 },
      ],
      flowTableSize: 1000,
      maxFlowsPerClient: 300,
    });
    expect(config.servers).toEqual([
      {
        name: 'box',
        host: { kind: 'netns', name: 'box' },
        interface: 'eth0',
        address: { v4: '192.168.1.2', v6: 'fd00::2' },
        mac: '02:00:00:00:00:ab',
        capture: 'tproxy',
        tproxy: { mark: { value: 0x10, mask: 0xf0 }, table: 78, rulePriority: 901 },
        program: 'external',
        port: 1080,
        weight: 7,
        backup: false,
        health: 'none',
        route: 'apply',
        check: {
          url: { address: '127.0.0.1', port: 9090, path: '/' },
          intervalSeconds: 2,
          timeoutSeconds: 1,
        },
        mark: 0x300,
        table: { id: 79, name: 'box' },
      },
    ]);
    expect([config.health, config.balance]).toEqual([
      { rise: 5, resetAfterSeconds: 20, port: 9999 },
      'client_destination',
    ]);
    expect(config.relay).toEqual({
      upstreams: [
        {
          name: 'out',
          target: { kind: 'socks5', host: 'fd00::9', port: 1080 },
          weight: 3,
          username: 'u',
          passwordFile: join(folder, 'secret'),
        },
      ],
      routes: [],
      deny: { entries: [{ family: 4, first: 0x08080808, last: 0x08080808 }], sets: [] },
      allow: { entries: [], sets: ['private', 'china'] },
      strategy: 'weighted',
      threads: 2,
      metrics: {
        address: '::1',
        port: 9200,
        socket: '/run/s.sock',
        connections: true,
        perClient: 5,
        hosts: ['server1.lan'],
        auth: {
          bearerTokenFile: join(folder, 'token'),
          username: 'me',
          passwordFile: '/etc/pass',
        },
        tls: { certificateFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') },
      },
      tcpInfo: false,
      accessLog: { file: join(folder, 'access.log') },
      drainSeconds: 1,
      handOverSeconds: 1,
      keepaliveSeconds: 8,
      connectTimeoutSeconds: 2,
      handshakeTimeoutSeconds: 6,
      idleTimeoutSeconds: 3,
      halfCloseTimeoutSeconds: 4,
      maxConnections: 5,
      maxConnectionsPerClient: 6,
      maxHandshakes: 7,
      congestionControl: { client: 'cubic', upstream: 'bbr' },
      readAhead: 524_288,
      readAheadBudgetMib: 100,
      express: 'on',
      expressAfter: 1_000_000,
      fastOpen: true,
    });
    expect(Object.keys(config.sets)).toEqual(['china']);
    expect(config.sets.china?.file).toBe(join(folder, 'china.txt'));
    expect([...config.sets.china!.entries]).toEqual([
      { family: 4, first: 0xcb007100, last: 0xcb0071ff },
    ]);
    const first = FULL.split('\n').findIndex((line) => line.includes('name: lan')) + 1;
    expect(config.rules.map(({ position, ...rule }) => ({ ...rule, line: position.line }))).toEqual(
      [
        { name: 'lan', to: { entries: [], sets: ['private'] }, action: 'direct', line: first },
        {
          name: 'rule-2',
          proto: 'tcp',
          ports: [
            { first: 25, last: 25 },
            { first: 465, last: 587 },
          ],
          action: 'direct',
          line: first + 1,
        },
        {
          name: 'tv',
          from: {
            entries: [{ family: 4, first: 0xc0a80128, last: 0xc0a80128 }],
            sets: ['china'],
            macs: ['02:00:00:00:00:40'],
          },
          macs: ['02:00:00:00:00:41'],
          action: 'block',
          line: first + 2,
        },
        {
          name: 'rest',
          proto: 'tcp',
          to: {
            entries: [
              { family: 4, first: 0xc6336400, last: 0xc63364ff },
              { family: 4, first: 0x0a000001, last: 0x0a000003 },
            ],
            sets: ['china'],
          },
          ports: [{ first: 443, last: 443 }],
          action: 'proxy',
          servers: ['box'],
          line: first + 3,
        },
      ],
    );
    expect([config.default, config.onFailure]).toEqual(['block', 'block']);
  });

  it('takes an empty list of rules at its word', async () => {
    const config = await load(`${MINIMAL}rules: []\n`);
    expect(config.rules).toEqual([]);
    expect(config.default).toBe('direct');
  });

  it('points at values, and at what encloses a value that is not there', async () => {
    const config = await parseConfig('x.yaml', MINIMAL);
    const at = (...path: (string | number)[]) => {
      const { file, line, column } = config.positionOf(path);
      return `${file}:${line}:${column}`;
    };
    expect(at('servers', 0, 'interface')).toBe('x.yaml:6:16');
    expect(at('router', 'interfaces', 0)).toBe('x.yaml:3:16');
    expect(at('servers', 0, 'port')).toBe('x.yaml:5:5');
    expect(at('rules')).toBe('x.yaml:1:1');
    expect(config.rules[0]?.position).toEqual({ file: 'x.yaml', line: 1, column: 1 });
  });

  it('follows anchors', async () => {
    const config = await load(`${MINIMAL}rules:
  - { to: &nets [10.0.0.0/8], action: direct }
  - { to: *nets, action: block }
`);
    expect(config.rules[1]?.to?.entries).toEqual(config.rules[0]?.to?.entries);
  });

  it('reads YAML 1.2 even where the file claims 1.1, in which a MAC is a number', async () => {
    const config = await load(`%YAML 1.1\n---\n${MINIMAL}    mac: 02:00:00:00:00:40\n`);
    expect(config.servers[0]?.mac).toBe('02:00:00:00:00:40');
  });

  it('says in one line that the file cannot be read, and what to do', async () => {
    const folder = await folderOf({});
    const missing = await loadConfig(join(folder, 'sidetrack.yaml')).catch((e: unknown) => e);
    expect(missing).toBeInstanceOf(SidetrackError);
    expect(missing).toMatchObject({
      message: `cannot read ${join(folder, 'sidetrack.yaml')}: no such file`,
      code: 'config-unreadable',
      source: 'user',
      hint: expect.stringContaining('sidetrack init'),
    });
    const directory = await loadConfig(folder).catch((e: unknown) => e);
    expect(directory).toMatchObject({ message: expect.stringContaining('it is a directory') });
  });
});

describe('set files', () => {
  const yaml = `${MINIMAL}sets:
  china: { file: china.txt }
rules:
  - { to: china, action: direct }
`;

  it('hold entries of both families, comments, blank lines and Windows line ends', async () => {
    const text = '\ufeff# list\r\n10.0.0.0/8\r\n\r\n  fd00::1 # one\r\n10.1.0.1 - 10.1.0.2';
    const config = await load(yaml, { 'china.txt': text });
    expect([...config.sets.china!.entries]).toEqual([
      { family: 4, first: 0x0a000000, last: 0x0affffff },
      { family: 4, first: 0x0a010001, last: 0x0a010002 },
      { family: 6, first: (0xfd00n << 112n) | 1n, last: (0xfd00n << 112n) | 1n },
    ]);
  });

  it('are blamed by their own lines', async () => {
    const text = '1.2.3.4\n  10.0.0.0/33 # too long\nexample.com\n';
    expect(await errorsOf(yaml, { 'china.txt': text })).toEqual([
      'china.txt:2:3: "10.0.0.0/33": an IPv4 prefix length is at most 32',
      'china.txt:3:1: "example.com" is not an IP address',
    ]);
  });

  it('tell ten bad lines and count the others', async () => {
    const ten = await errorsOf(yaml, { 'china.txt': 'x\n'.repeat(10) });
    expect(ten).toHaveLength(10);
    const more = await errorsOf(yaml, { 'china.txt': `1.2.3.4\n${'x\n'.repeat(13)}1.2.3.4\n` });
    expect(more).toHaveLength(11);
    expect(more.at(-1)).toBe('china.txt:14:1: and 3 more bad lines up to here');
  });

  it('are blamed once when two sets share one', async () => {
    const shared = yaml.replace('rules:', '  asia: { file: china.txt }\nrules:');
    expect(await errorsOf(shared, { 'china.txt': 'x\n' })).toHaveLength(1);
    const config = await load(shared, { 'china.txt': '1.2.3.4\n' });
    expect(config.sets.asia?.entries).toEqual(config.sets.china?.entries);
  });

  it('cut a long line short', async () => {
    const [error] = await errorsOf(yaml, { 'china.txt': `${'9'.repeat(500)}\n` });
    expect(error!.length).toBeLessThan(100);
  });

  it('must not be empty, unless that is said', async () => {
    expect(await errorsOf(yaml, { 'china.txt': '# nothing\n' })).toEqual([
      'sidetrack.yaml:9:18: the set "china" is empty: china.txt has no entry; fetch the list again; where it may be empty, write min_entries: 0',
    ]);
    const allowed = yaml.replace('china.txt }', 'china.txt, min_entries: 0 }');
    expect((await load(allowed, { 'china.txt': '' })).sets.china?.entries).toHaveLength(0);
  });

  it('may be about to be filled when they are empty', async () => {
    const folder = await folderOf({ 'sidetrack.yaml': yaml, 'china.txt': '' });
    const error = await loadConfig(join(folder, 'sidetrack.yaml')).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'config-invalid', mayPass: true });
  });

  it('must have the entries that are asked for', async () => {
    const more = yaml.replace('china.txt }', 'china.txt, min_entries: 3 }');
    expect(await errorsOf(more, { 'china.txt': '192.0.2.1\n::ffff:1.2.3.4\n' })).toEqual([
      'sidetrack.yaml:9:42: the set "china" has 1 entry and not 3: china.txt; fetch the list again, or write a smaller min_entries',
    ]);
    expect(await errorsOf(yaml.replace('china.txt }', 'china.txt, min_entries: x }'))).toContain(
      'sidetrack.yaml:9:42: sets.china.min_entries must be a whole number from 0 to 16777216, not the text "x"',
    );
  });

  it('pass their warnings on', async () => {
    const config = await load(yaml, { 'china.txt': '192.0.2.1\n::ffff:1.2.3.4\n' });
    expect(config.warnings).toMatchObject([
      {
        file: expect.stringMatching(/china\.txt$/),
        line: 2,
        message: expect.stringMatching(/^left out: "::ffff:1\.2\.3\.4" is IPv4-mapped/),
        hint: 'write 1.2.3.4 if you mean the IPv4 address',
      },
    ]);
  });

  it('that cannot be read are blamed where they are named', async () => {
    expect(await errorsOf(yaml)).toEqual([
      'sidetrack.yaml:9:18: cannot read the set file china.txt: no such file',
    ]);
  });
});
