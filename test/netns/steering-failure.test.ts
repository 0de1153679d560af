/** What happens to packets that cannot be steered: no room, no family, no route. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../control/lab/topology.js';
import { expectDownload } from './download.js';
import { CLASSIFIER, type Classifier, FAMILIES, Fixture, url, waitFor } from './fixture.js';
import { CLASSIFIERS } from './health/classifiers.js';
import { holdConnection } from './hold.js';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await Fixture.start();
  await fixture.startRelay();
});
afterAll(() => fixture?.stop());

beforeEach(async () => {
  fixture.configureWith([]);
  await fixture.succeed('apply');
});

const steered = () => fixture.counted('steered');

describe('a client that opens more flows than its share', () => {
  it('goes the on_failure way with them, is counted, and named by status', async () => {
    const SHARE = 4;
    fixture.configureWith([['servers:', `  max_flows_per_client: ${SHARE}\nservers:`]]);
    await fixture.succeed('apply');
    for (let i = 0; i <= SHARE; i++) await expectDownload(fixture, 'client', ADDRESS.internet.v4);
    expect(await fixture.counted('client over max_flows_per_client')).toBeGreaterThan(0);
    const before = await steered();
    await expectDownload(fixture, 'client2', ADDRESS.internet.v4);
    expect(await steered()).toBeGreaterThan(before);
    const { stdout, status } = await fixture.sidetrack('status', '--json');
    const { hosts, warnings } = JSON.parse(stdout);
    expect(status).toBe(0);
    expect(hosts.find(({ name }: { name: string }) => name === 'router')).toMatchObject({
      overShare: [ADDRESS.client.v4],
    });
    expect(warnings.map(({ message }: { message: string }) => message).join()).toMatch(
      /192\.168\.1\.10 opened more connections than .*\(4\); those over it go out directly/,
    );
    expect((await fixture.sidetrack('status')).stdout).toContain(
      'client over max_flows_per_client',
    );
  });
});

describe('a server without IPv6', () => {
  it('lets IPv6 go out directly or, with on_failure: block, not at all, and says which', async () => {
    const onlyV4 = ['[192.168.1.2, "fd00:1::2"]', '[192.168.1.2]'] as const;
    fixture.configureWith([onlyV4]);
    const note = await fixture.sidetrack('check');
    expect(note.stdout).toMatch(
      /note: .*server1 has no IPv6 address, .* IPv6 that rules proxy goes out directly/,
    );
    const direct = await fixture.sidetrack('apply');
    expect(direct.stderr).toMatch(
      /clients on br-lan \(fd00:1::1\/64\), lan2 .* IPv6 that rules proxy goes out directly/,
    );
    await expectDownload(fixture, 'client', ADDRESS.internet.v6);
    fixture.configureWith([onlyV4, ['rules:', 'on_failure: block\nrules:']]);
    const blocked = await fixture.sidetrack('apply');
    expect(blocked.stderr).toMatch(/server1 has no IPv6 address: .* is dropped/);
    const address = url(ADDRESS.internet.v6, '/bytes/1');
    const argv = ['curl', '-gsf', '--max-time', '1', address];
    expect((await fixture.lab.run('client', argv)).status).toBe(28);
    await expectDownload(fixture, 'client', ADDRESS.internet.v4);
    const { status, stderr } = await fixture.sidetrack('status');
    expect(stderr).toContain('is dropped');
    expect(status).toBe(0);
  });
});

describe('on_failure: reset', () => {
  const RESET = 'on_failure: reset';
  const ONLY_V4 = ['[192.168.1.2, "fd00:1::2"]', '[192.168.1.2]'] as const;
  /** As many firewalls have it: a reset that the router makes belongs to no connection. */
  const FIREWALL = `table inet firewall {
    chain output { type filter hook output priority 0; ct state invalid drop; }
    chain postrouting { type filter hook postrouting priority 0; ct state invalid drop; }
  }`;
  const dial = async (address: string) =>
    (await fixture.client('client', 'dial', address, '80')).outcome;

  afterEach(async () => {
    fixture.classifier = CLASSIFIER;
    await fixture.lab.run('router', ['nft', 'delete', 'table', 'inet', 'firewall']);
    await fixture.succeed('down');
  });

  const isRefused = async (classifier: Classifier) => {
    fixture.classifier = classifier;
    fixture.configureWith([ONLY_V4, ['rules:', `${RESET}\nrules:`]]);
    expect((await fixture.sidetrack('check')).stdout).toContain('IPv6 that rules proxy is reset');
    await fixture.succeed('apply');
    await fixture.lab.check('router', ['nft', '-f', '-'], { stdin: FIREWALL });
    expect(await dial(ADDRESS.internet.v6)).toBe('ECONNREFUSED');
    await expectDownload(fixture, 'client', ADDRESS.internet.v4);
    expect(await fixture.counted('on_failure reset')).toBe(1);
    await fixture.lab.check('router', ['ip', 'route', 'del', 'default', 'table', '250']);
    if (classifier !== 'ebpf-redirect')
      expect(await dial(ADDRESS.internet.v4)).toBe('ECONNREFUSED');
    if (classifier === 'nftables') return;
    // Without the table that answers nothing goes out, either.
    await fixture.lab.check('router', ['nft', 'delete', 'table', 'inet', 'sidetrack']);
    expect(await dial(ADDRESS.internet.v6)).toMatch(/^E(HOST|NET)UNREACH$|^EACCES$/);
  };

  it('is refused before the handshake', () => isRefused(CLASSIFIER));
  const others = CLASSIFIERS.filter((one) => one !== CLASSIFIER);
  it.each(others)('the same with %s', { tags: 'long' }, isRefused);
});

describe('when the server cannot be reached', () => {
  const flap = async () => {
    await fixture.lab.check('router', ['ip', 'link', 'set', 'br-lan', 'down']);
    await fixture.lab.check('router', ['ip', 'link', 'set', 'br-lan', 'up']);
    for (const family of FAMILIES) {
      const length = family === 'v4' ? 24 : 64;
      const address = `${ADDRESS.router[family]}/${length}`;
      await fixture.lab.run('router', [
        'ip',
        'address',
        'add',
        address,
        'dev',
        'br-lan',
        ...(family === 'v6' ? ['nodad'] : []),
      ]);
    }
  };

  it('a link flap takes our routes: traffic goes direct, status says so, apply repairs', async () => {
    await flap();
    for (const family of FAMILIES)
      await expectDownload(fixture, 'client', ADDRESS.internet[family]);
    const { status, stdout } = await fixture.sidetrack('status');
    expect(status).toBe(1);
    expect(stdout).toContain('IPv4 route: table 250, default via 192.168.1.2');
    await fixture.succeed('apply');
    expect((await fixture.sidetrack('status')).status).toBe(0);
  });

  it('a steered connection that lost its route does not leave with a private address', async () => {
    const held = await holdConnection(fixture, 'client', ADDRESS.internet.v4);
    await held.roundTrip('steered');
    await fixture.lab.check('router', ['ip', 'route', 'flush', 'table', '250']);
    const dropped = 'steered flow without a route';
    const before = { dropped: await fixture.counted(dropped), steered: await steered() };
    const answer = held.roundTrip('without a route');
    if (CLASSIFIER === 'ebpf-redirect') {
      // It goes to the server's neighbour entry and asks for no route.
      await answer;
      expect(await steered()).toBeGreaterThan(before.steered);
      expect(await fixture.counted(dropped)).toBe(before.dropped);
    } else
      await waitFor(
        'the drop to be counted',
        async () => (await fixture.counted(dropped)) > before.dropped,
      );
    await fixture.succeed('apply');
    await answer;
    await held.end();
  });

  it('with on_failure: block nothing leaks after a link flap', async () => {
    fixture.configure(
      `${(await import('../../control/lab/demo.js')).LAB_CONFIG}on_failure: block\n`,
    );
    await fixture.succeed('apply');
    await flap();
    const { outcome } = await fixture.client('client', 'dial', ADDRESS.internet.v4, '80');
    expect(outcome).toBe('ETIMEDOUT');
    await fixture.succeed('apply');
    await expectDownload(fixture, 'client', ADDRESS.internet.v4);
  });
});
