/** Apply and down on real hosts. */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Fixture, waitFor } from './fixture.js';
import { leftovers, snapshot } from './snapshot.js';

let fixture: Fixture;
const NODES = ['router', 'server1'] as const;

beforeAll(async () => {
  fixture = await Fixture.start();
});
afterAll(() => fixture?.stop());
beforeEach(async () => {
  fixture.configureWith([]);
  await fixture.sidetrack('down');
});

const snapshots = async () => Promise.all(NODES.map((node) => snapshot(fixture.lab, node)));

describe('apply and down', () => {
  it('a second apply says that nothing changes, and changes nothing', async () => {
    expect(await fixture.succeed('apply')).toContain('Done.');
    const after = await snapshots();
    expect(await fixture.succeed('apply')).toContain('Nothing changes');
    expect(await snapshots()).toEqual(after);
    expect(JSON.parse(await fixture.succeed('apply', '--json'))).toMatchObject({ changed: false });
  });

  it('down leaves every host as it was', async () => {
    const before = await snapshots();
    await fixture.succeed('apply');
    expect(await snapshots()).not.toEqual(before);
    await fixture.succeed('down');
    expect(await snapshots()).toEqual(before);
    expect(await leftovers(fixture.lab)).toBe('');
    expect(await fixture.succeed('down')).toContain('Nothing to remove');
  });

  it('down restores sysctls that were already off, as they were', async () => {
    const key = '/proc/sys/net/ipv4/conf/all/send_redirects';
    await fixture.lab.check('router', ['sh', '-c', `echo 0 > ${key}`]);
    const before = await snapshots();
    await fixture.succeed('apply');
    await fixture.succeed('apply');
    await fixture.succeed('down');
    expect(await snapshots()).toEqual(before);
    await fixture.lab.check('router', ['sh', '-c', `echo 1 > ${key}`]);
  });

  it('a changed mark, table and priority replace the old ones', async () => {
    const before = await snapshots();
    await fixture.succeed('apply');
    fixture.configureWith([
      [
        'interfaces: [br-lan, lan2]',
        'interfaces: [br-lan]\n  mark: { value: 0x100, mask: 0xf00 }\n  table: { id: 77, name: other }\n  rule_priority: 900',
      ],
    ]);
    await fixture.succeed('apply');
    const rules = await fixture.lab.check('router', ['ip', 'rule']);
    expect(rules).toContain('900:	from all fwmark 0x100/0xf00 iif br-lan lookup 77');
    expect(rules).not.toContain('1500:');
    const routes = await fixture.lab.check('router', ['ip', 'route', 'show', 'table', 'all']);
    expect(routes).not.toContain('table 250');
    await fixture.succeed('down');
    expect(await snapshots()).toEqual(before);
  });

  it('--only acts on one host alone', async () => {
    const [router] = await snapshots();
    await fixture.succeed('apply', '--only', 'server1');
    expect((await snapshots())[0]).toEqual(router);
    expect(await fixture.lab.check('server1', ['nft', 'list', 'ruleset'])).toContain('12345');
  });

  it('never touches other tables', async () => {
    const stdin =
      'table ip mine { chain c { type filter hook prerouting priority raw; counter; }; }';
    await fixture.lab.check('router', ['nft', '-f', '-'], { stdin });
    const mine = () => fixture.lab.check('router', ['nft', 'list', 'table', 'ip', 'mine']);
    const before = await mine();
    await fixture.succeed('apply');
    await fixture.succeed('down');
    expect((await mine()).replace(/packets \d+ bytes \d+/, '')).toBe(
      before.replace(/packets \d+ bytes \d+/, ''),
    );
    await fixture.lab.check('router', ['nft', 'delete', 'table', 'ip', 'mine']);
  });
});

describe('one change at a time', () => {
  it('two applies at once: one waits for nobody, the other is told who holds the lock', async () => {
    const results = await Promise.all([fixture.sidetrack('apply'), fixture.sidetrack('apply')]);
    for (const { status, stderr } of results)
      if (status !== 0) expect(stderr).toContain('is changing this host');
    expect(results.some(({ status }) => status === 0)).toBe(true);
    expect(await fixture.succeed('apply')).toContain('Nothing changes');
  });
});

describe('the lab itself', () => {
  it('runs twice side by side and never reaches the machine around it', async () => {
    const outside = await fixture.hostSnapshot();
    const second = await Fixture.start();
    await second.succeed('apply');
    expect((await second.sidetrack('status')).status).toBe(0);
    expect((await fixture.sidetrack('status')).status).toBe(1);
    second.stop();
    await waitFor('the second lab to be gone', () => !existsSync(`/proc/${second.lab.holder.pid}`));
    expect(await fixture.hostSnapshot()).toEqual(outside);
    expect(await fixture.lab.check('client', ['ip', '-br', 'address'])).toContain('192.168.1.10');
  });
});
