/** Which probes a deployment has, and what is made of their answers. */
import { describe, expect, it } from 'vitest';
import { queryFor } from '../../../control/apply/probes/dns.js';
import { ownConnection } from '../../../control/apply/probes/own-connection.js';
import { probesOf } from '../../../control/apply/probes/probes.js';
import { type ProbeReport, trialOf } from '../../../control/apply/probes/trial.js';
import { parseConfig } from '../../../control/config/load.js';
import { parseManagement } from '../../../control/plan/management.js';
import { compilePolicy } from '../../../control/policy/compile.js';
import { bareRouter } from '../plan/fixtures.js';

const parse = (rest: string, address = '[192.168.1.2, "fd00:1::2"]') =>
  parseConfig(
    'a.yaml',
    `router: { host: local, interfaces: [br-lan] }
servers: [{ host: local, interface: eth0, address: ${address} }]
${rest}`,
  );

const router = bareRouter({
  ipRules: ([4, 6] as const).map((family) => ({ family, priority: 32766, table: 254 })),
});

async function names(rest: string, name = 'router', address?: string): Promise<string[]> {
  const config = await parse(rest, address);
  return probesOf(config, compilePolicy(config), name, router).map((probe) => probe.name);
}

describe('the probes', () => {
  it('are there without a word of configuration', async () => {
    expect(await names('')).toEqual([
      'gateway-ping 203.0.113.10',
      'gateway-neighbour 203.0.113.10',
      'dns example.com',
      'forwarding br-lan 1.1.1.1',
      'canary 1.1.1.1:80',
      'canary [2606:4700:4700::1111]:80',
    ]);
    expect(await names('', 'server1')).toEqual([
      'gateway-ping 203.0.113.10',
      'gateway-neighbour 203.0.113.10',
      'internet 1.1.1.1:443',
      'internet [2606:4700:4700::1111]:443',
    ]);
  });

  it('can be turned off', async () => {
    const off = 'confirm: { gateway: false, dns: [], internet: [], canary: [] }';
    expect(await names(off)).toEqual([]);
    const config = await parse(off);
    expect(trialOf(config, compilePolicy(config), 'router', router)).toBeUndefined();
  });

  const canaries = async (rules: string, address?: string) =>
    (
      await names(
        `confirm: { gateway: false, dns: [], internet: [] }\nrules: ${rules}`,
        'router',
        address,
      )
    ).map((name) => name.split(' ')[1]);

  it('have a canary only where the policy hands it over, for some client', async () => {
    expect(await canaries('[{ to: 1.0.0.0/8, action: proxy }]')).toEqual(['1.1.1.1:80']);
    expect(await canaries('[{ to: 9.0.0.0/8, action: proxy }]')).toEqual([]);
    expect(await canaries('[{ port: 80, action: direct }, { action: proxy }]')).toEqual([]);
    expect(await canaries('[{ from: 10.9.9.9, to: 1.1.1.1, action: proxy }]')).toEqual([
      '1.1.1.1:80',
    ]);
    expect(await canaries('[{ mac: "02:00:00:00:00:77", to: 1.1.1.1, action: proxy }]')).toEqual([
      '1.1.1.1:80',
    ]);
    expect(await canaries('[{ action: proxy }]', '192.168.1.2')).toEqual(['1.1.1.1:80']);
  });
});

describe('a canary of this machine', () => {
  const lan = bareRouter({
    routes: [
      {
        family: 4,
        table: 254,
        destination: '192.168.1.0/24',
        type: 'unicast',
        dev: 'br-lan',
        protocol: 2,
      },
      ...router.routes,
    ],
    ipRules: router.ipRules,
  });
  const own = async (connection: string, addresses: string[], rules = '[{ action: proxy }]') => {
    const config = await parse(`rules: ${rules}`);
    return ownConnection(config, compilePolicy(config), lan, parseManagement(connection), addresses)
      ?.works;
  };
  const near = '192.168.1.10 50022 192.168.1.1 22';

  it('is one where it is a client whose connections are handed over', async () => {
    expect(await own(near, ['192.168.1.10'])).toBe(
      '1.1.1.1:80 answers this machine, a client of the router (192.168.1.10)',
    );
    expect(
      await own(near, ['192.168.1.10'], '[{ from: 192.168.1.11, action: proxy }]'),
    ).toBeUndefined();
  });

  it('is none behind a jump host or NAT, or on the side of the uplink', async () => {
    expect(await own(near, ['10.0.0.5'])).toBeUndefined();
    expect(await own('198.51.100.77 50022 203.0.113.1 22', ['198.51.100.77'])).toBeUndefined();
    expect(await own('', ['192.168.1.10'])).toBeUndefined();
  });
});

describe('their answers', () => {
  it('say what is demanded, and what does not work any more', async () => {
    const config = await parse(
      'confirm: { dns: [a.example, b.example], internet: [], canary: [] }',
    );
    let reports = (): ProbeReport[] => [];
    const trial = trialOf(config, compilePolicy(config), 'router', router, (known) => {
      reports = known;
    })!;
    const said = (stdout: string) => ({ status: 0, stdout, stderr: '' });
    // ping works, the neighbour table cannot tell, a resolves, b does not.
    const demand = trial.demand(said('0\n3\n0\n1\n'));
    expect(demand?.argv.slice(5)).toEqual([
      'pings 4 203.0.113.10 wan',
      expect.stringContaining('resolves a.example'),
    ]);
    expect(reports().map(({ before, demanded }) => [before, demanded])).toEqual([
      ['works', true],
      ['unmeasurable', false],
      ['works', true],
      ['fails', false],
    ]);
    expect(trial.failure(said('137\n0\n'))).toBe(
      'the router no longer reaches its gateway 203.0.113.10 (ping)',
    );
    expect(reports().map(({ after }) => after)).toEqual(['fails', undefined, 'works', undefined]);
    // A shell that ended early has said nothing of the last one.
    expect(trial.failure(said('0\n'))).toBe('the router no longer resolves a.example');
  });

  it('are none where nothing worked before', async () => {
    const config = await parse(
      'confirm: { dns: [a.example], gateway: false, internet: [], canary: [] }',
    );
    const trial = trialOf(config, compilePolicy(config), 'router', router)!;
    expect(trial.demand({ status: 0, stdout: '1\n', stderr: '' })).toBeUndefined();
  });
});

it('asks for a name in the form of RFC 1035', () => {
  expect(queryFor('a.bc')).toBe(
    '\\163\\164\\001\\000\\000\\001\\000\\000\\000\\000\\000\\000\\001\\141\\002\\142\\143\\000\\000\\001\\000\\001',
  );
});

it('takes no name that a shell or the DNS would read otherwise', async () => {
  for (const name of ['a b', '$(id)', "a'", 'a..b', '-a', `${'a'.repeat(64)}.b`])
    await expect(parse(`confirm: { dns: ["${name}"] }`)).rejects.toThrow(
      'is not a name of the DNS',
    );
});
