/** Changes that would cut the connection by which they are made, and the usual set-ups, which do not. */
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../control/config/load.js';
import { parseManagement } from '../../../control/plan/management.js';
import { checkManagement } from '../../../control/plan/management-check.js';
import { routerState } from '../../../control/plan/router.js';
import { serverState } from '../../../control/plan/server.js';
import type {
  Family,
  InterfaceFacts,
  ObservedHost,
  ObservedIpRule,
  ObservedRoute,
} from '../../../control/plan/state.js';
import { compilePolicy } from '../../../control/policy/compile.js';
import { bareRouter } from './fixtures.js';

const SERVER_MAC = '02:00:00:00:00:09';
const ROUTER_MAC = '02:00:00:00:00:01';

const familyOf = (text: string): Family => (text.includes(':') ? 6 : 4);

function link(name: string, mac: string, ...addresses: string[]): InterfaceFacts {
  return {
    name,
    mac,
    up: true,
    addresses: addresses.map((text) => {
      const [address = '', length] = text.split('/');
      return { family: familyOf(address), address, prefixLength: Number(length) };
    }),
  };
}

/** `via` empty: attached. */
function way(destination: string, dev: string, via = '', family = familyOf(via || destination)) {
  const attached = via === '';
  return {
    family,
    table: 254,
    destination,
    type: 'unicast',
    dev,
    ...(attached ? { protocol: 2 } : { via }),
  } satisfies ObservedRoute;
}

const KERNEL_RULES: ObservedIpRule[] = ([4, 6] as const).flatMap((family) => [
  { family, priority: 0, table: 255, protocol: 2 },
  { family, priority: 32766, table: 254, protocol: 2 },
]);

const ALL_RULES = (...more: ObservedIpRule[]) =>
  [...KERNEL_RULES, ...more].sort((a, b) => a.priority - b.priority);

/** With the routes that the kernel makes for addresses. */
function machine(
  interfaces: InterfaceFacts[],
  routes: ObservedRoute[],
  more: Partial<ObservedHost> = {},
) {
  const local = interfaces.flatMap(({ name, addresses }) =>
    addresses.map(
      ({ family, address }): ObservedRoute => ({
        family,
        table: 255,
        destination: address,
        type: '2',
        dev: name,
        protocol: 2,
      }),
    ),
  );
  const ipRules = ALL_RULES();
  return bareRouter({ interfaces, routes: [...local, ...routes], ipRules, ...more });
}

const LAN = link('br-lan', ROUTER_MAC, '192.168.1.1/24', 'fd00:1::1/64');
const LAN2 = link('lan2', '02:00:00:00:00:02', '192.168.2.1/24', 'fd00:2::1/64');
const WAN = link('wan', '02:00:00:00:00:03', '203.0.113.1/24', '2001:db8:f::1/64');
const ROUTER_WAYS = [
  way('192.168.1.0/24', 'br-lan'),
  way('fd00:1::/64', 'br-lan'),
  way('192.168.2.0/24', 'lan2'),
  way('fd00:2::/64', 'lan2'),
  way('default', 'wan', '203.0.113.10'),
  way('default', 'wan', '2001:db8:f::10'),
];
const router = (more: Partial<ObservedHost> = {}, routes = ROUTER_WAYS, wan = WAN) =>
  machine([LAN, LAN2, wan], routes, more);

const ETH0 = link('eth0', SERVER_MAC, '192.168.1.2/24', 'fd00:1::2/64');
/** A second uplink with an address that the file does not name. */
const ETH1 = link('eth1', '02:00:00:00:00:19', '198.51.100.2/24', '2001:db8:2::2/64');
const SERVER_WAYS = [
  way('192.168.1.0/24', 'eth0'),
  way('fd00:1::/64', 'eth0'),
  way('198.51.100.0/24', 'eth1'),
  way('2001:db8:2::/64', 'eth1'),
  way('default', 'eth0', '192.168.1.1'),
  way('default', 'eth0', 'fd00:1::1'),
];
const server = (more: Partial<ObservedHost> = {}, routes = SERVER_WAYS) =>
  machine([ETH0, ETH1], routes, { address: 'netns://server1', ...more });

interface Case {
  /** SSH_CONNECTION on each host. */
  toRouter?: string;
  toServer?: string;
  rest?: string;
  routerKeys?: string;
  serverKeys?: string;
  routerHost?: string;
  serverHost?: string;
  /** Where the router is reached over ssh. */
  dialled?: { host: string; port?: number };
  router?: ObservedHost;
  server?: ObservedHost;
  only?: 'router' | 'server1';
}

async function check(given: Case) {
  const config = await parseConfig(
    'a.yaml',
    `router: { host: "${given.routerHost ?? 'local'}", interfaces: [br-lan, lan2]${given.routerKeys ?? ''} }
servers: [{ host: "${given.serverHost ?? 'netns://server1'}", interface: eth0, address: [192.168.1.2, "fd00:1::2"]${given.serverKeys ?? ''} }]
${given.rest ?? ''}`,
  );
  if (given.dialled) config.router.host = { kind: 'ssh', user: 'root', port: 22, ...given.dialled };
  const policy = compilePolicy(config);
  const [one, other] = [given.router ?? router(), given.server ?? server()];
  const managed = (text?: string) => {
    const management = text === undefined ? undefined : parseManagement(text);
    return management && { management };
  };
  const hosts = new Map([
    [
      'server1',
      {
        observed: other,
        desired: serverState({
          config,
          server: config.servers[0]!,
          host: other,
          routerMacs: [ROUTER_MAC],
          freshKey: '00'.repeat(32),
        }),
        ...managed(given.toServer),
      },
    ],
    [
      'router',
      {
        observed: one,
        desired: routerState({
          config,
          policy,
          router: one,
          serverMacs: new Map([['server1', SERVER_MAC]]),
        }),
        ...managed(given.toRouter),
      },
    ],
  ]);
  for (const name of hosts.keys())
    if (given.only !== undefined && given.only !== name) hosts.delete(name);
  const found = [...checkManagement({ config, policy, hosts }).values()];
  return {
    errors: found.flatMap(({ errors }) => errors),
    warnings: found.flatMap(({ warnings }) => warnings),
  };
}

const BLOCK_SSH = 'rules: [{ name: no-ssh, port: 22, action: block }]';
const PROXY_ALL = 'rules: [{ name: everything, action: proxy }]';
const DEFAULTS = '';

describe('usual set-ups', () => {
  const quiet: [string, Case][] = [
    ['laptop and router on the LAN', { toRouter: '192.168.1.10 50022 192.168.1.1 22' }],
    ['the same over IPv6', { toRouter: 'fd00:1::10 50022 fd00:1::1 22' }],
    [
      'an IPv4 connection to a socket of both',
      {
        toRouter: '::ffff:192.168.1.10 50022 ::ffff:192.168.1.1 22',
      },
    ],
    ['link-local addresses', { toRouter: 'fe80::10%br-lan 50022 fe80::1%br-lan 22' }],
    [
      'the router by an address of another of its interfaces',
      {
        toRouter: '192.168.1.10 50022 203.0.113.1 22',
      },
    ],
    ['the router from the Internet', { toRouter: '198.51.100.77 50022 203.0.113.1 22' }],
    [
      'the router by an address that no interface shows, as of VRRP',
      {
        toRouter: '192.168.1.10 50022 192.168.1.254 22',
      },
    ],
    ['server1 from its own LAN', { toServer: '192.168.1.10 50022 192.168.1.2 22' }],
    ['server1 from another LAN', { toServer: '192.168.2.10 50022 192.168.1.2 22' }],
    [
      'server1 from the Internet, by DNAT on the router',
      {
        toServer: '198.51.100.77 50022 192.168.1.2 22',
      },
    ],
    [
      'server1 by hairpin NAT, which shows the router as the client',
      {
        toServer: '192.168.1.1 50022 192.168.1.2 22',
      },
    ],
    [
      'server1 by an uplink of its own',
      {
        toServer: '198.51.100.99 50022 198.51.100.2 22',
      },
    ],
    [
      'server1 applies to the router',
      {
        toRouter: '192.168.1.2 50022 192.168.1.1 22',
        serverHost: 'local',
        routerHost: 'netns://router',
      },
    ],
    [
      'server1 diverts, and applies to the router',
      {
        toRouter: '192.168.1.2 50022 192.168.1.1 22',
        serverKeys: ', capture: tproxy',
        serverHost: 'local',
        routerHost: 'netns://router',
      },
    ],
    [
      'on_failure: block',
      {
        toRouter: '192.168.2.10 50022 192.168.1.1 22',
        toServer: '192.168.2.10 50023 192.168.1.2 22',
        rest: `${PROXY_ALL}\non_failure: block`,
      },
    ],
    [
      'mwan3 on the router',
      {
        toRouter: '192.168.1.10 50022 192.168.1.1 22',
        router: router({
          ipRules: ALL_RULES(
            { family: 4, priority: 1001, iif: 'wan', table: 1 },
            { family: 4, priority: 2001, mark: 0x100, mask: 0x3f00, table: 1 },
            { family: 4, priority: 2061, mark: 0x3d00, mask: 0x3f00, action: 'blackhole' },
          ),
          routes: [...router().routes, { ...way('default', 'wan', '203.0.113.10'), table: 1 }],
        }),
      },
    ],
    [
      'a VPN that takes everything but what it sends itself',
      {
        toRouter: '192.168.1.10 50022 192.168.1.1 22',
        router: router({
          ipRules: ALL_RULES(
            { family: 4, priority: 32764, table: 254, suppressPrefixLength: 0 },
            {
              family: 4,
              priority: 32765,
              inverted: true,
              mark: 0xca6c,
              mask: 0xffffffff,
              table: 51820,
            },
          ),
          routes: [...router().routes, { ...way('default', 'wg0', '10.0.0.1'), table: 51820 }],
        }),
      },
    ],
    [
      'a rule by users, which only the kernel can judge',
      {
        toRouter: '192.168.1.10 50022 192.168.1.1 22',
        router: router({
          ipRules: ALL_RULES({ family: 4, priority: 100, unknown: ['dscp'], table: 77 }),
          routes: [...router().routes, { ...way('default', 'wan', '203.0.113.11'), table: 77 }],
        }),
      },
    ],
  ];
  it.each(quiet)('%s: nothing is said', async (_, given) => {
    for (const rest of [given.rest ?? DEFAULTS, PROXY_ALL, BLOCK_SSH]) {
      const found = await check({ ...given, rest });
      expect(found).toEqual({ errors: [], warnings: [] });
    }
  });

  it('says nothing of a host that no connection carries the change of', async () => {
    expect(await check({ rest: BLOCK_SSH })).toEqual({ errors: [], warnings: [] });
  });
});

describe('the policy', () => {
  const second = '192.168.2.10 50022 198.51.100.2 22';
  it.each([
    ['drops it', BLOCK_SSH, 'rule "no-ssh" would drop', { line: 3, column: 9 }],
    [
      'hands it over',
      PROXY_ALL,
      'rule "everything" would hand over to the server',
      { line: 3, column: 9 },
    ],
    [
      'drops it by default',
      'rules: [{ to: private, action: direct }]\ndefault: block',
      'default: block would drop',
      { line: 4, column: 10 },
    ],
  ])(
    '%s where server1 is managed by an address of it that the file does not name',
    async (_, rest, said, where) => {
      const { errors } = await check({ toServer: second, rest });
      expect(errors).toMatchObject([{ file: 'a.yaml', ...where }]);
      expect(errors[0]!.message).toContain(said);
      expect(errors[0]!.message).toContain('192.168.2.10:50022 to 198.51.100.2:22, in by lan2');
      expect(errors[0]!.hint).toContain(
        '- { name: management, to: [198.51.100.2], port: 22, action: direct }',
      );
    },
  );

  it('lets it pass with the rule that the error asks for', async () => {
    const rest = `rules:
  - { name: management, to: [198.51.100.2], port: 22, action: direct }
  - { name: everything, action: proxy }`;
    expect(await check({ toServer: second, rest })).toEqual({ errors: [], warnings: [] });
  });

  it('of a file without rules is to be written out', async () => {
    const { errors } = await check({ toServer: '192.168.2.10 50022 198.51.100.2 2222' });
    expect(errors[0]!.hint).toBe(
      'write the rules of this file out, with this one first: rules: [{ name: management, to: [198.51.100.2], port: 2222, action: direct }, { to: [private], action: direct }, { action: proxy }]',
    );
  });

  it('is asked for IPv6 too, and the address is in quotes', async () => {
    const { errors } = await check({
      toServer: 'fd00:2::10 50022 2001:db8:2::2 22',
      rest: PROXY_ALL,
    });
    expect(errors[0]!.message).toContain('[fd00:2::10]:50022 to [2001:db8:2::2]:22');
    expect(errors[0]!.hint).toContain('to: ["2001:db8:2::2"]');
  });

  it('does not cut what the server cannot be given, unless on_failure does', async () => {
    const given = { toServer: 'fd00:2::10 50022 2001:db8:2::2 22' };
    const rest = `${PROXY_ALL}\nrelay: { upstreams: [{ name: old, url: "direct:", families: ipv4 }] }`;
    expect((await check({ ...given, rest })).errors).toEqual([]);
    expect((await check({ ...given, rest: `${rest}\non_failure: block` })).errors).toHaveLength(1);
  });

  it('is asked about the address that is dialled, where that is another one', async () => {
    const given = { toRouter: '192.168.1.10 50022 192.168.1.1 22', rest: PROXY_ALL };
    const dialled = await check({ ...given, dialled: { host: '198.51.100.50', port: 2222 } });
    expect(dialled.errors[0]?.message).toContain('dialled as 198.51.100.50, port 2222');
    expect(await check({ ...given, dialled: { host: '192.168.1.1' } })).toMatchObject({
      errors: [],
    });
    expect(await check({ ...given, dialled: { host: '203.0.113.1' } })).toMatchObject({
      errors: [],
    });
  });

  it('is a warning where it depends on a MAC that is not known, and none where it is', async () => {
    const rest = 'rules: [{ name: kid, mac: "02:00:00:00:00:77", action: block }]';
    const unknown = await check({ toServer: second, rest });
    expect(unknown.errors).toEqual([]);
    expect(unknown.warnings[0]!.message).toContain("if the sender's MAC is 02:00:00:00:00:77");
    const seen = (mac: string) =>
      check({
        toServer: second,
        rest,
        router: router({ neighbours: [{ address: '192.168.2.10', dev: 'lan2', mac }] }),
      });
    expect(await seen('02:00:00:00:00:78')).toEqual({ errors: [], warnings: [] });
    expect((await seen('02:00:00:00:00:77')).errors).toHaveLength(1);
  });

  it('is not asked where the router is not part of the run', async () => {
    const found = await check({ toServer: second, rest: BLOCK_SSH, only: 'server1' });
    expect(found).toEqual({ errors: [], warnings: [] });
  });
});

describe('rules and routes', () => {
  it('refuses a table that a rule of others looks into, empty as it is now', async () => {
    const ipRules = ALL_RULES({
      family: 4,
      priority: 100,
      from: { address: '192.168.1.1', length: 32 },
      table: 250,
    });
    const given = { toRouter: '192.168.1.10 50022 192.168.1.1 22', router: router({ ipRules }) };
    const { errors } = await check(given);
    expect(errors).toMatchObject([
      {
        message: expect.stringContaining(
          'IPv4 rule 100 (from 192.168.1.1/32 lookup 250) on netns://router would take its answers',
        ),
        hint: expect.stringContaining('write another router.table.id'),
      },
    ]);
    expect((await check({ ...given, routerKeys: ', table: { id: 260 }' })).errors).toEqual([]);
  });

  it('finds on_failure: block, where the rule for local addresses has been moved back', async () => {
    const moved = KERNEL_RULES.map((rule) =>
      rule.priority === 0 ? { ...rule, priority: 32765 } : rule,
    );
    const ipRules = moved.sort((a, b) => a.priority - b.priority);
    const given = { toServer: '192.168.1.10 50022 192.168.1.2 22', server: server({ ipRules }) };
    expect((await check(given)).errors).toEqual([]);
    const { errors } = await check({ ...given, rest: 'on_failure: block' });
    expect(errors[0]).toMatchObject({
      message: expect.stringContaining('rule 32764'),
      hint: expect.stringContaining('on_failure: direct'),
    });
  });

  /** The laptop is behind server1, which routes it without translating it. */
  const behind = {
    toRouter: '10.9.0.5 50022 192.168.1.1 22',
    router: router({}, [...ROUTER_WAYS, way('10.9.0.0/24', 'br-lan', '192.168.1.2')]),
    server: server({}, [...SERVER_WAYS, way('10.9.0.0/24', 'eth1')]),
  };

  it('finds answers that server1 would divert on their way to a machine behind it', async () => {
    expect((await check(behind)).errors).toEqual([]);
    const { errors } = await check({ ...behind, serverKeys: ', capture: tproxy' });
    expect(errors).toMatchObject([
      {
        message: expect.stringContaining(
          'server1 routes to 10.9.0.5, and would capture the answers',
        ),
        hint: expect.stringContaining('write capture: redirect'),
      },
    ]);
  });

  it('finds answers that on_failure: block would keep server1 from passing on by its default route', async () => {
    const away = { ...behind, toRouter: '172.31.0.5 50022 192.168.1.1 22' };
    const routes = [...ROUTER_WAYS, way('172.31.0.0/16', 'br-lan', '192.168.1.2')];
    const given = { ...away, router: router({}, routes), rest: 'on_failure: block' };
    expect((await check(given)).errors[0]?.message).toContain('rule 32765 (iif eth0 unreachable)');
    expect((await check({ ...behind, rest: 'on_failure: block' })).errors).toEqual([]);
  });
});

describe('a jump host', () => {
  const given = { toRouter: '192.168.1.2 50022 192.168.1.1 22', routerHost: 'netns://router' };
  it('is warned of, where it is the server that is changed', async () => {
    const { errors, warnings } = await check(given);
    expect(errors).toEqual([]);
    expect(warnings[0]!.message).toContain(
      'comes from server1 (192.168.1.2), which looks like a jump host',
    );
  });
  it('is any other client, where it is not', async () => {
    expect(await check({ ...given, toRouter: '192.168.1.77 50022 192.168.1.1 22' })).toEqual({
      errors: [],
      warnings: [],
    });
  });
});

describe('SSH_CONNECTION', () => {
  it.each([
    '',
    'UNKNOWN 65535 UNKNOWN 65535',
    '192.168.1.10 50022 fd00::1 22',
    '192.168.1.10 70000 192.168.1.1 22',
    '192.168.1.10 50022 192.168.1.1',
    '\u001b[2J 1 2 3',
  ])('that is none is passed over: "%s"', (text) => {
    expect(parseManagement(text)).toBeUndefined();
  });
});
