/** From the checked file to `Config`: what a minimal file means, and one form for what can be written in several. */
import { describe, expect, it } from 'vitest';
import type { Config } from '../../../control/config/config.js';
import { parseConfig } from '../../../control/config/load.js';

interface Written {
  router?: string;
  server?: string;
  rest?: string;
}

const read = ({ router = '', server = '', rest = '' }: Written = {}): Promise<Config> =>
  parseConfig(
    '/etc/sidetrack/a.yaml',
    `router: { host: local, interfaces: [br-lan]${router} }
servers: [{ host: local, interface: eth0, address: 192.168.1.2${server} }]
${rest}`,
  );

describe('a minimal file', () => {
  it('sends private networks directly and proxies all other TCP', async () => {
    const { rules } = await read();
    expect(rules.map(({ name, proto, action }) => [name, proto, action])).toEqual([
      ['private', undefined, 'direct'],
      ['rest', 'tcp', 'proxy'],
    ]);
  });

  it('has a server with a name, and no warnings', async () => {
    const { servers, warnings } = await read();
    expect(servers[0]!.name).toBe('server1');
    expect(warnings).toEqual([]);
  });
});

describe('a client’s share', () => {
  const share = async (router: string) => (await read({ router })).router.maxFlowsPerClient;

  it.each([
    ['a quarter of a large flow table', ', flow_table_size: 65536', 16384],
    ['what an ordinary client has, however small the table', ', flow_table_size: 1024', 1024],
    ['what the file says', ', flow_table_size: 65536, max_flows_per_client: 7', 7],
    ['no limit where the file says so', ', max_flows_per_client: 0', 0],
  ])('is %s', async (_name, router, expected) => {
    expect(await share(router)).toBe(expected);
  });
});

it('one value and a list of one are the same', async () => {
  const rules = (from: string, port: string) =>
    read({
      rest: `rules: [{ name: a, proto: tcp, from: ${from}, port: ${port}, action: direct }]`,
    });
  const one = await rules('192.168.1.7', '22');
  const list = await rules('[192.168.1.7]', '[22]');
  expect(one.rules[0]!.ports).toEqual([{ first: 22, last: 22 }]);
  expect(list.rules).toEqual(
    one.rules.map((rule) => ({ ...rule, position: list.rules[0]!.position })),
  );
});

it('addresses, MACs and names of sets are told apart, and each is in one form', async () => {
  const from = '[192.168.1.40, "02-00-00-00-00-4A", private, "fd00::/8"]';
  const { rules } = await read({
    rest: `rules: [{ from: ${from}, action: direct }]`,
  });
  expect(rules[0]).toMatchObject({
    name: 'rule-1',
    from: { sets: ['private'], macs: ['02:00:00:00:00:4a'] },
  });
  expect(rules[0]!.from!.entries).toHaveLength(2);
});

it('a rule that proxies is one for TCP, also when it does not say so', async () => {
  const { rules } = await read({ rest: 'rules: [{ port: 80, action: proxy }]' });
  expect(rules[0]!.proto).toBe('tcp');
});

it('addresses of a server are one of each family, written as the kernel writes them', async () => {
  const config = await parseConfig(
    'a.yaml',
    `router: { host: local, interfaces: [br-lan] }
servers: [{ host: local, interface: eth0, address: ["FD00:0:0::2", 192.168.1.2] }]`,
  );
  expect(config.servers[0]!.address).toEqual({ v4: '192.168.1.2', v6: 'fd00::2' });
});

it.each([
  ['secret', '/etc/sidetrack/secret'],
  ['/run/secret', '/run/secret'],
])('a password file %s counts from the folder of the file', async (written, expected) => {
  const upstream = `{ name: up, url: "socks5://192.0.2.1:1080", username: me, password_file: ${written} }`;
  const { relay } = await read({ rest: `relay: { upstreams: [${upstream}] }` });
  expect(relay.upstreams[0]!.passwordFile).toBe(expected);
});

it('a stop has a deadline by default, a hand-over none; what the file says is for both', async () => {
  const usual = (await read()).relay;
  expect([usual.drainSeconds, usual.handOverSeconds]).toEqual([30, 'unlimited']);
  const { relay } = await read({ rest: 'relay: { drain_seconds: 5 }' });
  expect([relay.drainSeconds, relay.handOverSeconds]).toEqual([5, 5]);
});
