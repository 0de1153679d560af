/** The routes of the relay as the file may and may not write them. */
import { describe, expect, it } from 'vitest';
import { errorsOf, load, MINIMAL, warningsOf } from './temporary.js';

const UPSTREAMS =
  'relay:\n  upstreams: [{ name: vps, url: "socks5://h:1" }, { name: direct, url: "direct:" }]\n';
const file = (...routes: string[]) =>
  `${MINIMAL}${UPSTREAMS}  routes:\n${routes.map((route) => `    - ${route}\n`).join('')}`;

describe('routes', () => {
  it('take one value or many, and are named by number', async () => {
    const { relay } = await load(
      file('{ to: private, port: 443, upstreams: vps }', '{ name: x, upstreams: [direct, vps] }'),
    );
    expect(relay.routes).toEqual([
      {
        name: 'route-1',
        to: { entries: [], sets: ['private'] },
        ports: [{ first: 443, last: 443 }],
        upstreams: ['vps'],
      },
      { name: 'x', upstreams: ['direct', 'vps'] },
    ]);
  });

  it.each([
    ['{ upstreams: [vsp] }', /:11:21: unknown upstream "vsp"; did you mean "vps"\?/],
    ['{ upstreams: [] }', /:11:20: .*must be one value or a list of them|at least one/],
    ['{ to: [netflix], upstreams: vps }', /:11:14: unknown set "netflix"/],
    ['{ to: [10.0.0.1/8], upstreams: vps }', /:11:14: .*has bits set beyond/],
    ['{ to: ["02:00:00:00:00:40"], upstreams: vps }', /:11:14: a MAC address cannot be/],
    ['{ port: "9-1", upstreams: vps }', /:11:15: .*ends before it starts; write "1-9"/],
    ['{ name: default, upstreams: vps }', /:11:15: a route cannot be named "default"/],
    ['{ to: private }', /:11:7: .*upstreams/],
    ['{ from: private, upstreams: vps }', /unknown key "from"/],
  ])('%s is refused', async (route, message) => {
    const errors = await errorsOf(file(route));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(message);
  });

  it('knows the upstream of a file that names none', async () => {
    const yaml = (name: string) => `${MINIMAL}relay: { routes: [{ upstreams: ${name} }] }\n`;
    expect((await load(yaml('direct'))).relay.routes).toHaveLength(1);
    expect(await errorsOf(yaml('vps'))).toEqual([
      expect.stringContaining('unknown upstream "vps"; '),
    ]);
  });

  it('refuses the same name twice and more ports than the engine has room for', async () => {
    const twice = file('{ name: a, upstreams: vps }', '{ name: a, port: 1, upstreams: vps }');
    expect((await errorsOf(twice))[0]).toMatch(/duplicate route name "a"/);
    const ports = Array.from({ length: 65 }, (_, i) => 2 * i + 1).join(', ');
    expect(await errorsOf(file(`{ port: [${ports}], upstreams: vps }`))).toEqual([
      expect.stringMatching(/at most 64 ports and ranges, this one has 65/),
    ]);
  });

  it('warns of routes that can never match', async () => {
    const yaml = `${file(
      '{ name: all443, port: "400-500", upstreams: vps }',
      '{ name: late, to: private, port: 443, upstreams: direct }',
      '{ name: fine, to: private, port: [443, 80], upstreams: direct }',
      '{ name: none, to: empty, upstreams: direct }',
    )}sets: { empty: { file: empty.txt, min_entries: 0 } }\n`;
    const warnings = warningsOf(await load(yaml, { 'empty.txt': '# none\n' }));
    expect(warnings).toEqual([
      expect.stringMatching(/:12:7: route "late" never matches: "all443" before it/),
      expect.stringMatching(/:14:7: route "none" never matches: "to" is empty/),
    ]);
  });

  it('reads the probe, and says what a destination is', async () => {
    const file = (probe: string) => `${MINIMAL}relay: { probe: { destination: ${probe} } }\n`;
    expect((await load(file('"[2001:DB8::1]:53"'))).relay.probe).toEqual({
      answer: 'none',
      targets: [{ address: '2001:db8::1', port: 53 }],
      intervalSeconds: 10,
      timeoutSeconds: 5,
    });
    for (const wrong of ['1.1.1.1', 'one.one:443', '"2001:db8::1:53"', '1.1.1.1:0', '0.0.0.0:1'])
      expect(await errorsOf(file(wrong))).toEqual([
        expect.stringMatching(/:8:32: .*write for example "1.1.1.1:443"/),
      ]);
  });

  it('reads what a probe waits for, for each family, and one thing only', async () => {
    const file = (probe: string) => `${MINIMAL}relay: { probe: { ${probe} } }\n`;
    const probeOf = async (text: string) => (await load(file(text))).relay.probe;
    expect(
      await probeOf('url: ["http://192.0.2.1/a?b", "http://[2001:db8::1]:8080"]'),
    ).toMatchObject({
      answer: 'http',
      targets: [
        { address: '192.0.2.1', port: 80, path: '/a?b' },
        { address: '2001:db8::1', port: 8080, path: '/' },
      ],
    });
    expect(await probeOf('tls: "192.0.2.1:443"')).toMatchObject({ answer: 'tls' });
    expect(await probeOf('banner: "192.0.2.1:22"')).toMatchObject({ answer: 'banner' });
    for (const [wrong, what] of [
      ['interval_seconds: 1', /:8:17: the probe has no destination; write destination/],
      ['tls: "192.0.2.1:1", banner: "192.0.2.1:1"', /"tls" and "banner" at once/],
      ['destination: ["192.0.2.1:1", "192.0.2.2:1"]', /one address of each family/],
      ['url: "http://one.one/"', /write for example "http:\/\/1.1.1.1\/"/],
      ['url: "https://192.0.2.1/"', /https is what "tls" is for/],
    ] as const)
      expect(await errorsOf(file(wrong))).toEqual([expect.stringMatching(what)]);
  });

  it('takes the families of upstreams; what none carries is not captured', async () => {
    const server = 'address: [192.168.1.2, "fd00::2"]';
    const file = (relay: string, more = '') =>
      `${MINIMAL.replace(/address: [^ ,}\n]+/, server)}relay: ${relay}\n${more}`;
    const direct = '{ name: direct, url: "direct:", families: ipv4 }';
    const vps = '{ name: vps, url: "socks5://192.0.2.1:1" }';
    const both = await load(file(`{ upstreams: [${direct}, ${vps}] }`));
    expect(both.servers[0]?.address).toEqual({ v4: '192.168.1.2', v6: 'fd00::2' });
    expect(both.relay.upstreams[0]?.families).toEqual(['ipv4']);
    const routes = 'routes: [{ upstreams: direct }]';
    for (const relay of [
      `{ upstreams: [${direct}] }`,
      `{ upstreams: [${direct}, ${vps}], ${routes} }`,
    ]) {
      const one = await load(file(relay, 'on_failure: block\n'));
      expect(one.servers[0]?.address).toEqual({ v4: '192.168.1.2' });
      expect(warningsOf(one)).toEqual([
        expect.stringMatching(/no upstream carries IPv6, .*\(on_failure: block\)/),
      ]);
    }
    expect(await errorsOf(file(`{ upstreams: [${direct.replace('ipv4', 'ipx')}] }`))).toEqual([
      expect.stringMatching(/must be "ipv4" or "ipv6"/),
    ]);
  });

  it('takes more addresses of a proxy, and none of direct', async () => {
    const upstream = (entry: string) => `${MINIMAL}relay: { upstreams: [{ name: a, ${entry} }] }\n`;
    const addresses = 'addresses: [192.0.2.2, "fd00:0::2"]';
    const { relay } = await load(upstream(`url: "socks5://192.0.2.1:1", ${addresses}`));
    expect(relay.upstreams[0]?.addresses).toEqual(['192.0.2.2', 'fd00::2']);
    expect(await errorsOf(upstream(`url: "direct:", ${addresses}`))).toEqual([
      expect.stringMatching(/direct: has no addresses/),
    ]);
    expect(await errorsOf(upstream('url: "http://h:1", addresses: [proxy]'))).toEqual([
      expect.stringMatching(/"proxy" is not an IP address/),
    ]);
  });
});
