/** The guard's table, asked as the engine asks it, against what the documentation says. */
import { describe, expect, it } from 'vitest';
import { attachedTo } from '../../../control/cli/relay/attached.js';
import { parseAddress } from '../../../control/config/address.js';
import { parseConfig } from '../../../control/config/load.js';
import {
  NOTHING_ATTACHED,
  relayGuard,
  relayGuardWarnings,
} from '../../../control/policy/relay-guard.js';
import { guardBit } from '../../../proxy/abi.js';
import type { DestinationTable } from '../../../proxy/routes.js';

const config = (relay: string, rest = '') =>
  parseConfig(
    'test.yaml',
    `router: { host: local, interfaces: [br-lan] }
servers: [{ host: local, interface: eth0, address: 192.168.1.2 }]
relay: ${relay}
${rest}`,
  );

const interfaces = {
  eth0: [
    { family: 'IPv4', address: '192.168.1.2', cidr: '192.168.1.2/24' },
    { family: 'IPv6', address: '2001:db8:1::2', cidr: '2001:db8:1::2/64' },
  ],
  wan: [{ family: 'IPv4', address: '203.0.113.9', cidr: '203.0.113.9/28' }],
  odd: [{ family: 'IPv4', address: '10.9.9.9', cidr: '10.9.9.9/0' }],
} as unknown as Parameters<typeof attachedTo>[0];

function bitsOf(table: DestinationTable, text: string): number {
  const address = parseAddress(text)!;
  const starts: ArrayLike<number | bigint> =
    typeof address === 'number' ? table.v4Starts : table.v6Starts;
  const bits = typeof address === 'number' ? table.v4Routes : table.v6Routes;
  const next = Array.from(starts).findIndex((start) => start > address);
  return bits[(next < 0 ? starts.length : next) - 1] ?? 0;
}

async function judge(relay: string, ...addresses: string[]) {
  const table = relayGuard(await config(relay), attachedTo(interfaces));
  return addresses.filter((one) => (bitsOf(table, one) & guardBit.denied) !== 0);
}

const REFUSED = [
  ...['10.1.2.3', '172.17.0.2', '192.168.7.7', '127.0.0.1', '169.254.169.254', '0.0.0.0'],
  ...['100.64.0.1', '203.0.113.1', '203.0.113.15', '255.255.255.255', '224.0.0.1'],
  ...['::1', 'fe80::1', 'fd00::1', '2001:db8:1::77', 'ff02::1'],
  ...['64:ff9b::10.1.2.3', '64:ff9b::203.0.113.1', '64:ff9b::169.254.169.254'],
];
const ALLOWED = [
  '198.51.100.7',
  ...['203.0.113.16', '198.18.0.1', '8.8.8.8', '2001:db8::7', '2001:db8:2::1'],
  ...['64:ff9b::8.8.8.8', '64:ff9b:1::10.1.2.3'],
];

describe('the guard of the relay', () => {
  it('refuses what is private or attached, also behind a translator, and nothing else', async () => {
    expect(await judge('{}', ...REFUSED, ...ALLOWED)).toEqual(REFUSED);
  });

  it('allows what the file names, and denies before it allows', async () => {
    const relay = '{ allow: [10.1.0.0/16, fd00::/16, 203.0.113.0/24], deny: [10.1.2.3, 8.8.8.8] }';
    expect(
      await judge(relay, '10.1.2.2', '10.1.2.3', '10.2.0.1', 'fd00::5', 'fd01::5', '203.0.113.1'),
    ).toEqual(['10.1.2.3', '10.2.0.1', 'fd01::5']);
    expect(await judge(relay, '8.8.8.8', '64:ff9b::8.8.8.8', '64:ff9b::10.1.2.2')).toEqual([
      '8.8.8.8',
      '64:ff9b::8.8.8.8',
    ]);
  });

  it('refuses the same behind the translators of router.nat64', async () => {
    const text = `router: { host: local, interfaces: [br-lan], nat64: ['2001:db8:64::/96', '2001:db8:8::/48'] }
servers: [{ host: local, interface: eth0, address: 192.168.1.2 }]
relay: { allow: [10.1.0.0/16] }`;
    const table = relayGuard(await parseConfig('test.yaml', text), attachedTo(interfaces));
    const refused = [
      '2001:db8:64::169.254.169.254',
      '2001:db8:64::203.0.113.1',
      '2001:db8:8:c0a8:7:700::',
      '64:ff9b::10.2.0.1',
    ];
    const others = ['2001:db8:64::10.1.2.3', '2001:db8:8:808:8:800::', '2001:db8:64::8.8.8.8'];
    expect(
      [...refused, ...others].filter((one) => (bitsOf(table, one) & guardBit.denied) !== 0),
    ).toEqual(refused);
  });

  it('knows this machine whatever is allowed', async () => {
    const allowed = await config('{ allow: [private, 203.0.113.0/24] }');
    const table = relayGuard(allowed, attachedTo(interfaces));
    const own = ['192.168.1.2', '192.168.1.3', '203.0.113.9', '2001:db8:1::2', '10.9.9.9'].filter(
      (one) => (bitsOf(table, one) & guardBit.own) !== 0,
    );
    expect(own).toEqual(['192.168.1.2', '203.0.113.9', '2001:db8:1::2', '10.9.9.9']);
  });

  it('knows the other servers, which are neither clients nor destinations', async () => {
    const relay = '{ other_servers: [192.168.1.8, "fd00:1::8"], allow: [192.168.1.0/24] }';
    const one = await config(relay);
    const servers = one.servers.flatMap((server) => [
      server,
      { ...server, name: 'server2', address: { v4: '192.168.1.7', v6: 'fd00:1::7' } },
    ]);
    const table = relayGuard({ ...one, servers }, NOTHING_ATTACHED);
    const isOwn = (text: string) => (bitsOf(table, text) & guardBit.own) !== 0;
    const known = ['192.168.1.2', '192.168.1.7', '192.168.1.8', 'fd00:1::7', 'fd00:1::8'];
    expect([...known, '192.168.1.3', 'fd00:1::9'].filter(isOwn)).toEqual(known);
  });

  it('takes sets, and says which one is unknown', async () => {
    await expect(config('{ deny: [nosuch] }')).rejects.toMatchObject({
      diagnostics: [{ message: 'unknown set "nosuch"', line: 3 }],
    });
    expect(await judge('{ allow: [private] }', '10.1.2.3', '203.0.113.1')).toEqual(['203.0.113.1']);
  });
});

describe('warnings of rules that hand over what the relay refuses', () => {
  const warnings = async (relay: string, rules: string) =>
    relayGuardWarnings(await config(relay, `rules: ${rules}`)).map(({ message }) => message);

  it('names the rule and what to write', async () => {
    const rules = '[{ name: office, to: [10.0.0.0/8, 198.51.100.0/24], action: proxy }]';
    const [warning] = relayGuardWarnings(await config('{}', `rules: ${rules}`));
    expect(warning).toMatchObject({
      message: 'rule "office" hands over 10.0.0.0/8, which the relay refuses',
      hint: expect.stringContaining('relay: { allow: ["10.0.0.0/8"] }'),
      line: 4,
    });
    expect(await warnings('{ allow: 10.0.0.0/8 }', rules)).toEqual([]);
  });

  it('says nothing of rules for the Internet, or behind one that has decided', async () => {
    expect(await warnings('{}', '[{ name: rest, action: proxy }]')).toEqual([]);
    const behind = '[{ to: private, action: direct }, { to: [10.0.0.0/8], action: proxy }]';
    expect(await warnings('{}', behind)).toEqual([]);
    const part =
      '[{ to: private, port: 22, action: direct }, { name: p, to: [10.0.0.0/8], action: proxy }]';
    expect(await warnings('{}', part)).toHaveLength(1);
  });

  it('names a route for what the guard refuses, whatever rule hands it over', async () => {
    const routes = 'routes: [{ name: office, to: [10.8.0.0/24], upstreams: [direct] }]';
    const rest = '[{ name: rest, action: proxy }]';
    expect(await warnings(`{ ${routes} }`, rest)).toEqual([
      'route "office" is for 10.8.0.0/24, which the relay refuses',
    ]);
    expect(await warnings(`{ ${routes}, allow: 10.8.0.0/24 }`, rest)).toEqual([]);
  });
});
