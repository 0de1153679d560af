import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../control/config/diagnostic.js';
import { parseConfig } from '../../../control/config/load.js';
import { errorsOf, load, MINIMAL } from './temporary.js';

const withRule = (rule: string): string => `${MINIMAL}rules:\n  - ${rule}\n`;
const withRouter = (line: string): string => MINIMAL.replace('servers:\n', `  ${line}\nservers:\n`);
const withServer = (line: string): string => `${MINIMAL}    ${line}\n`;
const withAddress = (address: string): string => MINIMAL.replace('192.168.1.2', address);

describe('an error in a single value', () => {
  it.each([
    // keys
    [withServer('adress: x'), '8:5: unknown key "adress"; did you mean "address"?'],
    [withServer('Capture: x'), '8:5: unknown key "Capture"; did you mean "capture"?'],
    [`${MINIMAL}on-failure: block\n`, '8:1: unknown key "on-failure"; did you mean "on_failure"?'],
    [withRouter('table: { zzzzzzz: 1 }'), '4:12: unknown key "zzzzzzz"; known here: id, name'],
    [
      MINIMAL.replace('  interfaces: [br-lan]\n', ''),
      '2:3: router lacks the key "interfaces"; for example: interfaces: [br-lan]',
    ],
    [withRule('{ name: x }'), '9:5: rules[0] lacks the key "action"; for example: action: direct'],
    [
      `${MINIMAL}default: direct\ndefault: block\n`,
      '9:1: the key "default" is there twice; keep one of them',
    ],
    // types
    [
      withServer('port: "80"'),
      '8:11: servers[0].port must be a whole number from 1 to 65535, not the text "80"; write the number without quotes',
    ],
    [
      withServer('port: 70000'),
      '8:11: servers[0].port must be a whole number from 1 to 65535, not the number 70000',
    ],
    [
      withServer('port: 0'),
      '8:11: servers[0].port must be a whole number from 1 to 65535, not the number 0',
    ],
    [
      withServer('port: 1.5'),
      '8:11: servers[0].port must be a whole number from 1 to 65535, not the number 1.5',
    ],
    [
      withServer('program: socks'),
      '8:14: servers[0].program must be "relay" or "external", not the text "socks"',
    ],
    [
      withServer('program: realy'),
      '8:14: servers[0].program must be "relay" or "external", not the text "realy"; did you mean "relay"?',
    ],
    [`${MINIMAL}rules:\n`, '8:7: rules must be a list, not nothing'],
    [`${MINIMAL}sets: []\n`, '8:7: sets must be a section of keys, not a list'],
    [
      MINIMAL.replace('eth0', '1e3'),
      '6:16: servers[0].interface must be text, not the number 1e3; put it in quotes: "1e3"',
    ],
    [MINIMAL.replace('[br-lan]', '[]'), '3:15: router.interfaces must have at least one entry'],
    [
      MINIMAL.replace('[br-lan]', 'br-lan'),
      '3:15: router.interfaces must be a list, not the text "br-lan"',
    ],
    ['- 1\n', '1:1: the file must be a section of keys, not a list'],
    // names, hosts, interfaces, MACs
    ...['@lan', 'lan*'].map((name): [string, string] => [
      MINIMAL.replace('br-lan', `"${name}"`),
      `3:16: "${name}" cannot be named in nftables; there a "@" at the beginning means a set, and a "*" at the end any name`,
    ]),
    [
      MINIMAL.replace('br-lan', '"a b"'),
      '3:16: "a b" is not an interface name; 1 to 15 characters, no white space, "/", ":", "%", quotes or backslash',
    ],
    [
      MINIMAL.replace('br-lan', 'abcdefghijklmnop'),
      '3:16: "abcdefghijklmnop" is not an interface name; 1 to 15 characters, no white space, "/", ":", "%", quotes or backslash',
    ],
    [
      MINIMAL.replace('[br-lan]', '[br0, br0]'),
      '3:21: duplicate interface "br0"; the first one is in line 3',
    ],
    [
      MINIMAL.replace('host: local', 'host: remote'),
      '2:9: "remote" is not a host; write local, ssh://user@host[:port] or netns://name',
    ],
    [
      MINIMAL.replace('host: local', 'host: netns://a/b'),
      '2:9: "netns://a/b" is no name of a network namespace; write netns://name, as "ip netns list" shows it',
    ],
    [
      withServer('mac: 02:00:00:00:00:4g'),
      '8:10: "02:00:00:00:00:4g" is not a MAC address; write six pairs of hexadecimal digits, like 02:00:00:00:00:40',
    ],
    [
      withServer('mac: 03:00:00:00:00:40'),
      '8:10: "03:00:00:00:00:40" is a group MAC address; write the address of one machine',
    ],
    [
      withServer('mac: 00:00:00:00:00:00'),
      '8:10: "00:00:00:00:00:00" is no machine\'s MAC address',
    ],
    [withRule('{ name: default, action: direct }'), '9:13: a rule cannot be named "default"'],
    [
      withRule('{ name: "a b", action: direct }'),
      '9:13: "a b" is not a name; use up to 63 letters, digits, "_", "." and "-", not starting with "." or "-"',
    ],
    // marks, tables, priorities
    [
      withRouter('mark: { value: 0x1ff }'),
      '4:18: mark 511 (0x1ff) has bits outside mask 0xff; widen the mask or choose a smaller mark',
    ],
    [
      withRouter('mark: { value: 0x80000001, mask: 0x80000000 }'),
      '4:18: mark 2147483649 (0x80000001) has bits outside mask 0x80000000; widen the mask or choose a smaller mark',
    ],
    [
      withRouter('mark: { value: 0 }'),
      '4:18: router.mark.value must be a whole number from 1 to 4294967295, not the number 0',
    ],
    [
      withRouter('mark: { mask: 0x100 }'),
      '4:9: mark 150 (0x96) has bits outside mask 0x100; widen the mask or choose a smaller mark',
    ],
    [
      withRouter('table: { id: 254 }'),
      '4:16: routing table 254 is reserved; the kernel uses 0 and 253 to 255; take any other number',
    ],
    [
      withRouter('table: { id: 0 }'),
      '4:16: routing table 0 is reserved; the kernel uses 0 and 253 to 255; take any other number',
    ],
    [
      withRouter('table: { id: 4294967296 }'),
      '4:16: router.table.id must be a whole number from 0 to 4294967295, not the number 4294967296',
    ],
    [withRouter('table: { name: main }'), '4:18: the table name "main" is reserved'],
    [
      withRouter('rule_priority: 32766'),
      '4:18: router.rule_priority must be "auto" or a whole number from 1 to 32765, not the number 32766',
    ],
    [
      withRouter('rule_priority: 0'),
      '4:18: router.rule_priority must be "auto" or a whole number from 1 to 32765, not the number 0',
    ],
    [
      withRouter('rule_priority: high'),
      '4:18: router.rule_priority must be "auto" or a whole number from 1 to 32765, not the text "high"',
    ],
    [
      withRouter('nat64: 64:ff9b:1::/96'),
      '4:10: router.nat64 must be a list, not the text "64:ff9b:1::/96"',
    ],
    [
      `${withRouter('mac: [auto, 02-00-00-00-00-0A]')}    mac: 02:00:00:00:00:0a\n`,
      '4:15: "02:00:00:00:00:0a" is the MAC of a server; write the MAC of the router, or auto',
    ],
    [
      withRouter('flow_table_size: 0'),
      '4:20: router.flow_table_size must be a whole number from 1 to 16777216, not the number 0',
    ],
    [
      withRouter('nat64: ["64:ff9b::/95"]'),
      '4:11: "64:ff9b::/95": the length of a NAT64 prefix is 32, 40, 48, 56, 64 or 96; write prefixes such as 64:ff9b::/96',
    ],
    [
      withRouter('nat64: ["64:ff9b::/96", "64:ff9b::/32"]'),
      '4:27: overlaps a NAT64 prefix above; keep one of them',
    ],
    // server addresses
    [
      withAddress('[192.168.1.2, 192.168.1.3]'),
      '7:28: a second IPv4 address of one server; keep one IPv4 address',
    ],
    [
      withAddress('["fd00::2", "fd00::3"]'),
      '7:26: a second IPv6 address of one server; keep one IPv6 address',
    ],
    [
      withAddress('fe80::2'),
      '7:14: "fe80::2" is link-local; as next hop it makes the router send ND redirects, after which clients bypass it; give the server a ULA (fd00::/8) or a global address and write that',
    ],
    [
      withAddress('192.168.1.2/24'),
      '7:14: "192.168.1.2/24" is not an IP address; write 192.168.1.2 without a length',
    ],
    [withAddress('127.0.0.1'), '7:14: "127.0.0.1" cannot be the address of a machine on the LAN'],
    [
      withAddress('[fd00::]'),
      '7:15: servers[0].address[0] must be text, not a section of keys; put an IPv6 address that ends in "::" in quotes: "fd00::"',
    ],
    [
      withAddress('fd00::'),
      '7:14: a key inside a value; put an IPv6 address that ends in "::" in quotes',
    ],
    // rules
    [
      withRule('{ to: 10.0.0.0/33, action: direct }'),
      '9:11: "10.0.0.0/33": an IPv4 prefix length is at most 32',
    ],
    [
      withRule('{ to: [10.1.2.3/8], action: direct }'),
      '9:12: "10.1.2.3/8" has bits set beyond its prefix length; write 10.0.0.0/8 for the network, or 10.1.2.3 for the one address',
    ],
    [
      withRule('{ from: [10.0.0.1-fd00::1], action: direct }'),
      '9:14: range "10.0.0.1-fd00::1" mixes IPv4 and IPv6; both ends must be of one family',
    ],
    [
      withRule('{ from: 10.1, action: direct }'),
      '9:13: rules[0].from must be one value or a list of them, not the number 10.1; put it in quotes: "10.1"',
    ],
    [
      withRule('{ from: [10.1], action: direct }'),
      '9:14: rules[0].from[0] must be text, not the number 10.1; put it in quotes: "10.1"',
    ],
    [
      withRule('{ from: [02:00:00:00:00:4], action: direct }'),
      '9:14: "02:00:00:00:00:4" is not a MAC address; write six pairs of hexadecimal digits, like 02:00:00:00:00:40',
    ],
    [
      withRule('{ to: [02:00:00:00:00:40], action: direct }'),
      '9:12: a MAC address cannot be a destination; move it to "from"',
    ],
    [
      withRule('{ to: "1.2.3", action: direct }'),
      '9:11: "1.2.3" is not an IP address; write an address, a CIDR, a range or the name of a set',
    ],
    [withRule('{ to: [], action: direct }'), '9:11: rules[0].to must have at least one entry'],
    [
      withRule('{ to: privat, action: direct }'),
      '9:11: unknown set "privat"; did you mean "private"?',
    ],
    [
      withRule('{ from: constructor, action: direct }'),
      '9:13: unknown set "constructor"; known here: private',
    ],
    [withRule('{ port: 0, action: direct }'), '9:13: port "0" is outside 1 to 65535'],
    [
      withRule('{ port: [22, 90-80], action: direct }'),
      '9:18: port range "90-80" ends before it starts; write "80-90"',
    ],
    [withRule('{ port: 1-65536, action: direct }'), '9:13: port "1-65536" is outside 1 to 65535'],
    [
      withRule('{ port: http, action: direct }'),
      '9:13: "http" is not a port; write 443 or "8000-8100"',
    ],
    [
      withRule('{ port: [true], action: direct }'),
      '9:14: rules[0].port[0] must be a port or a range like "8000-8100", not the boolean true',
    ],
    [
      withRule('{ action: porxy }'),
      '9:15: rules[0].action must be "proxy", "direct" or "block", not the text "porxy"; did you mean "proxy"?',
    ],
    [
      `${MINIMAL}rules:\n  - { action: direct }\n  - { name: rule-1, action: direct }\n`,
      '10:13: duplicate rule name "rule-1"; the first one is in line 9',
    ],
    // relay and sets
    [
      `${MINIMAL}relay:\n  metrics: { address: localhost }\n`,
      '9:23: "localhost" is not an IP address',
    ],
    [
      `${MINIMAL}sets:\n  private: { file: /dev/null, min_entries: 0 }\n`,
      '9:3: the set "private" is built in; give this set another name',
    ],
    [`${MINIMAL}sets:\n  x: { file: "" }\n`, '9:14: the path is empty'],
    // YAML itself
    ['', '1:1: the file is empty; run "sidetrack init"'],
    ['router:\n\thost: local\n', '2:1: a tab in the indentation; indent with spaces'],
    [`${MINIMAL}---\n${MINIMAL}`, '8:1: a second YAML document; remove the line "---"'],
    [
      withServer('mac: *m'),
      '8:10: the alias *m has no anchor before it; put a text that starts with "*" in quotes',
    ],
    [
      `${MINIMAL}rules: &r [*r]\n`,
      '8:12: the alias *r refers to what it is a part of; put a text that starts with "*" in quotes',
    ],
    [
      withServer('name: !x y'),
      '8:11: YAML tags have no meaning here; remove the word with the "!"',
    ],
  ])('%#: is the only thing told', async (yaml, error) => {
    expect(await errorsOf(yaml)).toEqual([`sidetrack.yaml:${error}`]);
  });
});

it.each([0, 253, 254, 255])('table %i is reserved', async (id) => {
  expect((await errorsOf(withRouter(`table: { id: ${id} }`))).join()).toContain('reserved');
});

it.each([1, 252, 256, 4294967295])('table %i is free', async (id) => {
  const config = await parseConfig('x.yaml', withRouter(`table: { id: ${id} }`));
  expect(config.router.table.id).toBe(id);
});

it('upstreams have names of their own', async () => {
  const upstreams = '{ name: a, url: "direct:" }, { name: a, url: "direct:" }';
  expect(await errorsOf(`${MINIMAL}relay: { upstreams: [${upstreams}] }\n`)).toEqual([
    'sidetrack.yaml:8:59: duplicate upstream name "a"; the first one is in line 8',
  ]);
});

describe('what is not built yet', () => {
  it.each([
    [
      withRule('{ proto: udp, action: proxy }'),
      '9:14: only TCP can be proxied yet; write proto: tcp, or action: direct',
    ],
  ])('%#: is told as such and nothing else', async (yaml, error) => {
    expect(await errorsOf(yaml)).toEqual([`sidetrack.yaml:${error}`]);
  });
});

describe('errors', () => {
  it('are told all at once, in the order of the file', async () => {
    const yaml = `router:
  host: local
  interfaces: [br-lan]
  clasifier: nftables
servers:
  - { name: a, host: local, interface: eth0, address: 192.168.1.2, capture: tprox }
  - { name: a, host: local, interface: eth0, address: fe80::1 }
sets:
  china: { file: missing.txt }
  bad: { file: bad.txt }
rules:
  - { to: [chnia, 10.0.0.0/40], action: direct }
  - { action: dierct }
default: direct
default: block
`;
    const places = (await errorsOf(yaml, { 'bad.txt': 'x' })).map((line) =>
      line.split(':').slice(0, 3).join(':'),
    );
    expect(places).toEqual([
      'sidetrack.yaml:4:3',
      'sidetrack.yaml:6:77',
      'sidetrack.yaml:7:13',
      'sidetrack.yaml:7:55',
      'sidetrack.yaml:9:18',
      'sidetrack.yaml:12:12',
      'sidetrack.yaml:12:19',
      'sidetrack.yaml:13:15',
      'sidetrack.yaml:15:1',
      'bad.txt:1:1',
    ]);
  });

  it('name the error for scripts', async () => {
    const error = await parseConfig('x.yaml', '').catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ConfigError);
    expect(error).toMatchObject({ code: 'config-invalid', source: 'user', name: 'ConfigError' });
  });

  it.each([
    'relay: { upstreams: [{ name: a, url: "socks5://me:hunter2@h:1" }] }',
    'relay: { upstreams: [{ name: a, url: "direct:", password: hunter2 }] }',
    'relay: { upstreams: [{ name: a, url: "direct:", password_file: [hunter2] }] }',
    'relay: { upstreams: [{ name: a, url: [hunter2], username: { hunter2: 1 } }] }',
    'relay: { upstreams: ["socks5://me:hunter2@h:1"] }',
    'relay: { upstreams: [hunter2] }',
    'relay: "socks5://me:hunter2@h:1"',
    '"socks5://me:hunter2@h:1": 3',
    'default: "ssh://root:hunter2@h"',
    'relay: { upstreams: "x" "hunter2" }',
    'relay: |x hunter2',
    'hunter2',
    '}: hunter2',
    '- "hunter2"',
    'rules: [{ from: "ssh://root:hunter2@h", action: direct }]',
  ])('never show a secret: %s', async (line) => {
    expect((await errorsOf(`${MINIMAL}${line}\n`)).join()).not.toContain('hunter2');
  });

  it('never show the password of an ssh host', async () => {
    const yaml = MINIMAL.replace('host: local', 'host: ssh://root:hunter2@h');
    expect((await errorsOf(yaml)).join()).not.toContain('hunter2');
  });

  it('stop an alias bomb', async () => {
    const bomb = Array.from({ length: 12 }, (_, i) => {
      const references =
        i === 0
          ? '1'
          : Array(9)
              .fill(`*a${i - 1}`)
              .join(', ');
      return `a${i}: &a${i} [${references}]`;
    }).join('\n');
    expect(await errorsOf(`${bomb}\n`)).toEqual([
      'sidetrack.yaml:2:10: YAML aliases that grow beyond measure; write them out',
    ]);
  });

  it('do not count aliases that are only many', async () => {
    const rules = Array.from(
      { length: 500 },
      (_, i) => `  - { name: r${i}, to: *a, action: direct }\n`,
    );
    const yaml = `${MINIMAL}rules:\n  - { name: a, to: &a [192.0.2.0/24], action: direct }\n${rules.join('')}`;
    expect((await load(yaml)).rules).toHaveLength(501);
  }, 60_000);

  it('have the place of a key that is no text', async () => {
    const yaml = `${MINIMAL}? [a, b]\n: c\n`;
    expect((await errorsOf(yaml)).join()).toContain('sidetrack.yaml:8:3: ');
  });

  it('are diagnostics with places inside the file, whatever is cut out of a valid file', async () => {
    const valid = `${MINIMAL}rules:
  - { name: a, from: [10.0.0.1, 02:00:00:00:00:40], port: [1, "2-3"], action: proxy }
  - { name: b, to: [private, "fd00::/8"], action: block }
`;
    const cut = fc.record({
      start: fc.nat(valid.length),
      length: fc.nat(12),
      insert: fc.constantFrom('', ':', '[', '{', '"', '- ', '\n', '&a ', '*a', '!', '\t', '0', '#'),
    });
    await fc.assert(
      fc.asyncProperty(cut, async ({ start, length, insert }) => {
        const yaml = valid.slice(0, start) + insert + valid.slice(start + length);
        const error = await parseConfig('x.yaml', yaml).then(
          () => undefined,
          (e: unknown) => e,
        );
        if (error === undefined) return;
        expect(error).toBeInstanceOf(ConfigError);
        const { diagnostics } = error as ConfigError;
        expect(diagnostics.length).toBeGreaterThan(0);
        const lines = yaml.split('\n');
        for (const { line, column, message } of diagnostics) {
          expect(line).toBeLessThanOrEqual(lines.length);
          expect(column).toBeLessThanOrEqual(lines[line - 1]!.length + 1);
          expect(message).not.toMatch(/Invalid input|undefined|\[object/);
        }
      }),
      { numRuns: 400 },
    );
  });
});
