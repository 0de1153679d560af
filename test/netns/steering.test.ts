/** What each classifier must and must not do to traffic: `make test` runs this file with all of them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../control/lab/topology.js';
import { expectDownload } from './download.js';
import { CLASSIFIER, FAMILIES, Fixture, url } from './fixture.js';
import { holdConnection } from './hold.js';

/** What the other way of the eBPF classifier shows already. */
const tags = CLASSIFIER === 'ebpf-redirect' ? ['long'] : [];

let fixture: Fixture;

beforeAll(async () => {
  fixture = await Fixture.start();
  await fixture.startRelay();
  await fixture.succeed('apply');
});
afterAll(() => fixture?.stop());

/** What a test has changed is put back by it, since an apply is most of what this file takes. */
async function reconfigure(changes: Parameters<Fixture['configureWith']>[0]): Promise<string> {
  fixture.configureWith(changes);
  return fixture.succeed('apply');
}

const steered = () => fixture.counted('steered');

describe('rules', () => {
  it('steers what a rule proxies and leaves what a rule sends direct', async () => {
    const before = await steered();
    await expectDownload(fixture, 'client', ADDRESS.internet.v4, 25);
    expect(await steered()).toBe(before);
    await expectDownload(fixture, 'client', ADDRESS.internet.v4, 8080);
    expect(await steered()).toBeGreaterThan(before);
  });

  it('blocks what a rule blocks, and nothing else', { tags }, async () => {
    await reconfigure([
      [
        '{ name: mail, proto: tcp, port: [25, 465, 587], action: direct }',
        '{ name: no, proto: tcp, port: 8080, action: block }',
      ],
    ]);
    const blocked = await fixture.lab.run('client', [
      'curl',
      '-sf',
      '--max-time',
      '1',
      url(ADDRESS.internet.v4, '/bytes/1', 8080),
    ]);
    expect(blocked.status).toBe(28);
    await expectDownload(fixture, 'client', ADDRESS.internet.v4);
    await reconfigure([]);
  });
});

describe('clients of another subnet', () => {
  it('are served, also where the router filters reverse paths strictly', { tags }, async () => {
    const strict = 'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 > $f; done';
    await fixture.succeed('down');
    await fixture.lab.check('router', ['sh', '-c', strict]);
    expect(await fixture.succeed('plan')).toContain('set net.ipv4.conf.br-lan.rp_filter to 2');
    await fixture.succeed('apply');
    expect(await fixture.succeed('apply')).toContain('Nothing changes');
    for (const family of FAMILIES)
      await expectDownload(fixture, 'client2', ADDRESS.internet[family]);
    await fixture.succeed('down');
    const restored = await fixture.lab.check('router', [
      'cat',
      '/proc/sys/net/ipv4/conf/br-lan/rp_filter',
    ]);
    expect(restored.trim()).toBe('1');
    await fixture.lab.check('router', ['sh', '-c', strict.replace('echo 1', 'echo 0')]);
    await fixture.succeed('apply');
  });
});

describe('a router firewall that drops what conntrack calls invalid', () => {
  const firewall = (verb: string) => `table inet firewall ${verb}`;
  const rules = `{
    chain forward {
      type filter hook forward priority filter; policy drop;
      ct state invalid drop
      ct state established,related,untracked accept
      iifname { "br-lan", "lan2" } accept
    }
  }`;

  it.each(['client', 'client2'])('lets steered flows of %s through', async (client) => {
    await fixture.lab.check('router', ['nft', '-f', '-'], { stdin: firewall(rules) });
    try {
      for (const family of FAMILIES)
        await expectDownload(fixture, client, ADDRESS.internet[family]);
    } finally {
      await fixture.lab.check('router', ['nft', 'delete', 'table', 'inet', 'firewall']);
    }
  });
});

describe('connections that are not ours', () => {
  it('leaves an inbound port-forward to a client alone', { tags }, async () => {
    const forward = `table ip inbound {
      chain prerouting {
        type nat hook prerouting priority dstnat;
        iifname "wan" tcp dport 2222 dnat to ${ADDRESS.client.v4}:7
      }
    }`;
    await fixture.lab.check('router', ['nft', '-f', '-'], { stdin: forward });
    const echo = await fixture.startPeer('client', 'server', 'listening');
    const before = await steered();
    const script = 'exec 3<>/dev/tcp/203.0.113.1/2222; echo hello >&3; head -n1 <&3';
    const { stdout } = await fixture.lab.run('internet', ['timeout', '10', 'bash', '-c', script]);
    expect(stdout).toBe('hello\n');
    expect(await steered()).toBe(before);
    echo.signal('SIGKILL');
    await fixture.lab.check('router', ['nft', 'delete', 'table', 'ip', 'inbound']);
  });

  it('leaves flows alone that lived before the first apply', { tags }, async () => {
    await fixture.succeed('down');
    const held = await holdConnection(fixture, 'client', ADDRESS.internet.v4);
    await held.roundTrip('before');
    await fixture.succeed('apply');
    const before = await steered();
    await held.roundTrip('after');
    expect(await steered()).toBe(before);
    await held.end();
  });
});

describe('rule changes under live flows', () => {
  it('keep every live flow on its way and judge new ones by the new rules', async () => {
    const flows = await Promise.all(
      FAMILIES.map((family) => holdConnection(fixture, 'client', ADDRESS.internet[family])),
    );
    for (const held of flows) await held.roundTrip('one');
    const direct = await reconfigure([
      ['{ name: rest, proto: tcp, action: proxy }', '{ name: rest, proto: tcp, action: direct }'],
    ]);
    expect(direct).not.toContain('Nothing changes');
    let before = await steered();
    for (const held of flows) {
      await held.roundTrip('two');
      const after = await steered();
      expect(after).toBeGreaterThan(before);
      before = after;
    }
    for (const family of FAMILIES)
      await expectDownload(fixture, 'client', ADDRESS.internet[family]);
    expect(await steered()).toBe(before);
    await reconfigure([]);
    for (const held of flows) {
      await held.roundTrip('three');
      await held.end();
    }
  });
});
