/** A host keeps what was applied: each kind of drift is repaired within two seconds, and no live flow is lost. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../../control/lab/topology.js';
import { Fixture, waitFor } from '../fixture.js';
import { holdConnection } from '../hold.js';
import { RELOAD } from './drifts.js';
import { Kept, type Watcher } from './kept.js';
import { SHELLS } from './shells.js';

let fixture: Fixture;
let watcher: Watcher | undefined;

beforeAll(async () => {
  fixture = await Fixture.start();
  await fixture.startRelay();
});
afterAll(() => fixture?.stop());
beforeEach(async () => {
  fixture.configureWith([]);
  await fixture.succeed('apply');
});
afterEach(async () => {
  await watcher?.end();
  watcher = undefined;
});

const REDIRECTS = '/proc/sys/net/ipv4/conf/all/send_redirects';
const turnBack = ['sh', '-c', `echo 1 >${REDIRECTS}`];
const ofTable = (...words: string[]) => ['nft', ...words, 'inet', 'sidetrack'];

const DRIFTS: [string, string, string[]][] = [
  ['a flushed chain', 'nft table', [...ofTable('flush', 'chain'), 'prerouting']],
  ['a rule in our chain', 'nft table', [...ofTable('insert', 'rule'), 'prerouting', 'return']],
  ['a chain in our table', 'nft table', [...ofTable('add', 'chain'), 'foreign']],
  ['an emptied set', 'nft table', [...ofTable('flush', 'set'), 'interfaces']],
  ['a lost table', 'nft table', ofTable('delete', 'table')],
  ['a removed policy rule', 'rule', ['ip', 'rule', 'del', 'priority', '1500']],
  ['a removed IPv6 rule', 'rule', ['ip', '-6', 'rule', 'del', 'priority', '1500']],
  ['a removed route', 'route', ['ip', 'route', 'flush', 'table', '250']],
  [
    'a changed route',
    'route',
    ['ip', '-6', 'route', 'replace', 'default', 'via', 'fd00:1::10', 'table', '250'],
  ],
  ['a changed sysctl', 'sysctl', turnBack],
];

describe('a host', () => {
  it('repairs what is lost within two seconds', async () => {
    const kept = await Kept.of(fixture, 'router');
    watcher = await kept.watch();
    await kept.repairs('a lost table', 'nft table', ofTable('delete', 'table'));
    await kept.repairs('a removed route', 'route', ['ip', 'route', 'flush', 'table', '250']);
    expect((await fixture.sidetrack('status')).status).toBe(0);
  });
});

describe.each(SHELLS)('in %s drift', { tags: ['long'] }, (_shell, shell) => {
  it('is repaired within two seconds, and is none to status', async () => {
    const kept = await Kept.of(fixture, 'router', shell);
    watcher = await kept.watch();
    const good = await kept.snapshot();
    for (const [name, kind, argv] of DRIFTS) {
      const start = Date.now();
      await kept.repairs(name, kind, argv);
      expect(Date.now() - start, name).toBeLessThan(2000);
      expect(await kept.snapshot(), name).toEqual(good);
    }
    expect((await fixture.sidetrack('status')).status).toBe(0);
  });

  it('is repaired on a server', async () => {
    const kept = await Kept.of(fixture, 'server1', shell);
    watcher = await kept.watch();
    const good = await kept.snapshot();
    await kept.repairs('a flushed ruleset', 'nft table', ['nft', 'flush', 'ruleset']);
    expect(await kept.snapshot()).toEqual(good);
  });

  it('ends at TERM and leaves nothing', async () => {
    const kept = await Kept.of(fixture, 'router', shell);
    const before = await kept.snapshot();
    watcher = await kept.watch();
    await watcher.end();
    watcher = undefined;
    await waitFor('all of it to end', async () => {
      const { stdout } = await fixture.lab.run(undefined, ['ps', '-eo', 'args']);
      return !/keep-router|(ip|nft) monitor|nft -e/.test(stdout);
    });
    expect(await kept.snapshot()).toEqual(before);
    expect((await fixture.lab.check('router', ['nft', 'list', 'tables'])).trim()).toBe(
      'table inet wan_nat\ntable inet sidetrack',
    );
  });
});

const LOSSES: [string, 'router' | 'server1', string[]][] = [
  ['a reload of the firewall, which flushes the ruleset', 'router', ['sh', '-c', RELOAD]],
  ['the loss of the table', 'router', ofTable('delete', 'table')],
  ['a flushed ruleset of the server', 'server1', ['nft', 'flush', 'ruleset']],
];

describe('live flows', { tags: ['long'] }, () => {
  it.each(LOSSES)('of every client and family outlive %s', async (_name, node, argv) => {
    const kept = await Kept.of(fixture, node);
    watcher = await kept.watch();
    const clients = ['client', 'client2'] as const;
    const hosts = [ADDRESS.internet.v4, ADDRESS.internet.v6] as const;
    const each = clients.flatMap((client) => hosts.map((host) => [client, host] as const));
    const held = await Promise.all(
      each.map(([client, host]) => holdConnection(fixture, client, host)),
    );
    const loaded = node === 'router' ? each : [];
    const loads = Promise.all(
      loaded.map(([client, host]) => fixture.client(client, 'same', host, '4', '8000000')),
    );
    const direct = await holdConnection(fixture, 'client', ADDRESS.internet.v4);
    await fixture.lab.check(node, argv);
    await Promise.all([...held, direct].map((one) => one.roundTrip('behind it')));
    for (const load of await loads) expect(load).toEqual({ flows: 4, wrong: 0 });
    await Promise.all([...held, direct].map((one) => one.roundTrip('at last')));
    await Promise.all([...held, direct].map((one) => one.end()));
    expect((await kept.state())!.repairs['nft table']).toBeGreaterThan(0);
    expect((await fixture.sidetrack('status')).status).toBe(0);
  });
});

describe('another program', { tags: ['long'] }, () => {
  it('that goes on changing a thing is not fought, and told of until someone says so', async () => {
    const kept = await Kept.of(fixture, 'router');
    watcher = await kept.watch();
    for (let n = 1; n <= 5; n++) await kept.repairs(`number ${n}`, 'sysctl', turnBack);
    await fixture.lab.check('router', turnBack);
    await waitFor('the alarm', async () => (await kept.state())!.alarms.length === 1);
    expect((await kept.state())!.alarms[0]).toMatchObject({
      kind: 'sysctl',
      name: 'net.ipv4.conf.all.send_redirects',
      why: 'it was 1',
    });
    // Others are looked after.
    await kept.repairs('a removed route', 'route', ['ip', 'route', 'flush', 'table', '250']);
    expect((await fixture.lab.check('router', ['cat', REDIRECTS])).trim()).toBe('1');
    expect(watcher.said.join('\n')).toContain('is changed by another program again and again');
    expect((await kept.run('resume')).status).toBe(0);
    await waitFor('the repair', async () => (await kept.state())!.alarms.length === 0);
    await waitFor('the value', async () => {
      return (await fixture.lab.check('router', ['cat', REDIRECTS])).trim() === '0';
    });
  });

  it('whose rule comes before ours is told of, as long as it does', async () => {
    const kept = await Kept.of(fixture, 'router');
    watcher = await kept.watch();
    expect((await kept.state())!.open).toEqual([]);
    const foreign = ['priority', '100', 'from', '192.168.1.0/24', 'lookup', 'main'];
    await fixture.lab.check('router', ['ip', 'rule', 'add', ...foreign]);
    await waitFor('the watcher to tell', async () => (await kept.state())!.open.length === 1);
    expect((await kept.state())!.open[0]).toMatchObject({
      kind: 'rule',
      name: 'IPv4 packets with mark 0x96 from br-lan',
      why: expect.stringContaining('another rule comes before ours'),
    });
    expect((await fixture.sidetrack('status')).stdout).toContain('not repaired yet: rule');
    await fixture.lab.check('router', ['ip', 'rule', 'del', ...foreign]);
    await waitFor('the watcher to be content', async () => (await kept.state())!.open.length === 0);
  });

  it('that changes very much of its own makes it neither spin nor miss what is ours', async () => {
    const kept = await Kept.of(fixture, 'router');
    watcher = await kept.watch();
    const storm = `
nft add table inet other; nft 'add set inet other s { type ipv4_addr; }'
for try in $(seq 10); do
  { for n in $(seq 200); do echo "route replace 203.0.113.$n/32 via 203.0.113.10 table 99"; done; } | ip -batch -
  { for n in $(seq 1000); do echo "add element inet other s { 10.$try.$((n / 200)).$((n % 200)) }"; done; } | nft -f -
done
nft delete table inet other; ip route flush table 99`;
    const before = await watcher.cpuSeconds();
    await fixture.lab.check('router', ['sh', '-c', storm]);
    await kept.repairs('a removed route', 'route', ['ip', 'route', 'flush', 'table', '250']);
    expect((await watcher.cpuSeconds()) - before).toBeLessThan(5);
    expect((await kept.state())!.alarms).toEqual([]);
  });
});

describe('apply', { tags: ['long'] }, () => {
  it('says what is kept from then on', async () => {
    const kept = await Kept.of(fixture, 'router');
    watcher = await kept.watch();
    fixture.configureWith([['port: [25, 465, 587]', 'port: [25, 465]']]);
    await watcher.meanwhile(async () => {
      await fixture.succeed('apply');
      await kept.write();
    });
    await waitFor('the new items', async () => (await kept.state())!.digest === kept.digest);
    await kept.repairs('a lost table', 'nft table', ofTable('delete', 'table'));
    // Of the configuration as it is now.
    expect((await fixture.sidetrack('status')).status).toBe(0);
  });

  it('that was killed before it could persist what it had changed is not taken back', async () => {
    const kept = await Kept.of(fixture, 'router');
    await kept.keepState();
    watcher = await kept.watch();
    const rules = [
      ['port: [25, 465, 587]', 'port: [25, 465]'],
      ['br-lan, lan2]', 'br-lan, lan2]\n  rule_priority: 1400'],
    ] as const;
    for (const rule of rules) {
      fixture.configureWith([rule]);
      const before = (await kept.state())!.repairs;
      // All of it but the files of the keeper.
      await fixture.succeed('apply');
      const changed = await kept.snapshot();
      await watcher.looksTwice();
      expect(await kept.snapshot()).toEqual(changed);
      expect((await kept.state())!.repairs).toEqual(before);
      await watcher.meanwhile(async () => {
        await kept.write();
        await kept.keepState();
      });
      await waitFor('the new items', async () => (await kept.state())!.digest === kept.digest);
      await kept.repairs('a lost table', 'nft table', ofTable('delete', 'table'));
      expect((await fixture.sidetrack('status')).status).toBe(0);
    }
  });

  it('has the lock to itself', async () => {
    const kept = await Kept.of(fixture, 'router');
    watcher = await kept.watch();
    const lock = `${kept.runDirectory}/../lock`;
    const script = `exec 9>>"$1"; flock 9 && echo ready && read -r line`;
    const holder = fixture.lab.spawn('router', ['sh', '-c', script, 'sh', lock]);
    await new Promise((resolve) => holder.child.stdout!.once('data', resolve));
    const before = (await kept.state())!.repairs;
    await fixture.lab.check('router', turnBack);
    await watcher.looksTwice();
    expect((await kept.state())!.repairs).toEqual(before);
    holder.child.stdin!.end();
    await holder.exited;
    await waitFor('the repair', async () => (await kept.state())!.repairs.sysctl === 1);
  });
});
