/** Apply, down, roll-back and repair on real hosts. */
import { existsSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../control/lab/topology.js';
import { CLASSIFIER, Fixture, waitFor } from './fixture.js';
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

  it('plan --sh does exactly what apply does', async () => {
    const script = await fixture.succeed('plan', '--sh');
    await fixture.lab.check(undefined, ['sh'], { stdin: script });
    const byHand = await snapshots();
    await fixture.succeed('down');
    await fixture.succeed('apply');
    expect(await snapshots()).toEqual(byHand);
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

/** What there is to spoil in our table. Beside the eBPF classifier it holds neither rules nor their sets. */
const SPOILT =
  CLASSIFIER === 'nftables'
    ? { chain: 'classify', set: 'set_private_4', element: '9.9.9.9' }
    : { chain: 'prerouting', set: 'server_macs', element: '02:00:00:00:00:99' };

describe('drift', () => {
  it.each([
    ['a deleted rule', ['nft', 'flush', 'chain', 'inet', 'sidetrack', SPOILT.chain]],
    [
      'a foreign rule in our table',
      ['nft', 'insert', 'rule', 'inet', 'sidetrack', 'prerouting', 'return'],
    ],
    [
      'an added set element',
      ['nft', 'add', 'element', 'inet', 'sidetrack', SPOILT.set, `{ ${SPOILT.element} }`],
    ],
    ['a removed policy rule', ['ip', 'rule', 'del', 'priority', '1500']],
    ['a removed route', ['ip', 'route', 'flush', 'table', '250']],
    ['a changed sysctl', ['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/all/send_redirects']],
    ['a flushed ruleset', ['nft', 'flush', 'ruleset']],
  ])('%s is seen by status and repaired by apply', async (_name, argv) => {
    await fixture.succeed('apply');
    const good = await snapshot(fixture.lab, 'router');
    await fixture.lab.check('router', argv);
    expect((await fixture.sidetrack('status')).status).toBe(1);
    expect(await fixture.succeed('apply')).toContain('Done.');
    expect((await fixture.sidetrack('status')).status).toBe(0);
    const repaired = await snapshot(fixture.lab, 'router');
    // A flushed ruleset also took the lab's own masquerading, which is not ours to repair.
    const ours = (text: string) => text.slice(text.indexOf('table inet sidetrack'));
    const nft = 'nft -s list ruleset';
    expect({ ...repaired, [nft]: ours(repaired[nft]!) }).toEqual({
      ...good,
      [nft]: ours(good[nft]!),
    });
  });
});

describe('failure half-way', () => {
  /** Makes one of the programs on every host fail from its `count`-th changing call on. */
  async function applyWithBroken(program: string, pattern: string) {
    const directory = `${fixture.directory}/bin`;
    const real = (await fixture.lab.check(undefined, ['sh', '-c', `command -v ${program}`])).trim();
    const wrapper = `#!/bin/sh\ncase "$*" in *"${pattern}"*) echo broken on purpose >&2; exit 1 ;; esac\nexec ${real} "$@"\n`;
    const install = `mkdir -p ${directory} && cat > ${directory}/${program} && chmod +x ${directory}/${program}`;
    await fixture.lab.check(undefined, ['sh', '-c', install], { stdin: wrapper });
    const env = { PATH: `${directory}:${process.env.PATH}` };
    const result = await fixture.sidetrackWith({ env }, 'apply');
    await fixture.lab.check(undefined, ['rm', `${directory}/${program}`]);
    return result;
  }

  const wrappedPath = () => ({ PATH: `${fixture.directory}/bin:${process.env.PATH}` });

  /** Runs `work` with an `ip` that does `first` before it adds, or removes, a rule. */
  async function withWrappedIp<T>(first: string, work: () => Promise<T>): Promise<T> {
    const directory = `${fixture.directory}/bin`;
    const real = (await fixture.lab.check(undefined, ['sh', '-c', 'command -v ip'])).trim();
    const wrapper = `#!/bin/sh\ncase "$*" in *"rule add"*|*"rule del"*) ${first} ;; esac\nexec ${real} "$@"\n`;
    const install = `mkdir -p ${directory} && cat > ${directory}/ip && chmod +x ${directory}/ip`;
    await fixture.lab.check(undefined, ['sh', '-c', install], { stdin: wrapper });
    const result = await work();
    await fixture.lab.check(undefined, ['rm', `${directory}/ip`]);
    return result;
  }

  it.each([
    ['ip', 'route replace'],
    ['ip', '-6 route replace'],
    ['ip', 'rule add'],
    ['ip', '-6 rule add priority 1500 iif lan2'],
    ['nft', '-j -f -'],
    ['tee', 'conf/br-lan/send_redirects'],
  ])('when "%s %s" fails, every change is put back', async (program, pattern) => {
    const before = await snapshots();
    const { status, stderr } = await applyWithBroken(program, pattern);
    expect(status).toBe(1);
    expect(stderr).toContain('broken on purpose');
    expect(stderr).toMatch(/(router|server1), step "/);
    expect(stderr).toContain('every change was put back');
    expect(await snapshots()).toEqual(before);
    await fixture.succeed('apply');
  });

  it('an update that fails puts the former policy back and keeps the flow table', async () => {
    await fixture.succeed('apply');
    await enterFlow();
    const before = await snapshots();
    fixture.configureWith([
      [
        '{ name: mail, proto: tcp, port: [25, 465, 587], action: direct }',
        '{ name: new, proto: tcp, port: [26], action: direct }',
      ],
      ['interfaces: [br-lan, lan2]', 'interfaces: [br-lan]'],
    ]);
    // Removing the stale rule comes after the new table, so the table has to be put back too.
    const { status } = await applyWithBroken('ip', 'rule del');
    expect(status).toBe(1);
    const withoutTimes = (text: string) => JSON.stringify(text).replace(/expires [0-9a-z]+/g, '');
    expect(withoutTimes(JSON.stringify(await snapshots()))).toBe(
      withoutTimes(JSON.stringify(before)),
    );
    fixture.configureWith([]);
    await fixture.succeed('apply');
    expect(await knowsFlow()).toBe(true);
  });

  it('an update with another flow table that fails puts the former one back', async () => {
    await fixture.succeed('apply');
    const before = await snapshots();
    fixture.configureWith([
      ['interfaces: [br-lan, lan2]', 'interfaces: [br-lan]\n  flow_table_size: 5000'],
    ]);
    const { status, stderr } = await applyWithBroken('ip', 'rule del');
    expect(status).toBe(1);
    expect(stderr).toContain('every change was put back');
    expect(await snapshots()).toEqual(before);
    fixture.configureWith([]);
    expect(await fixture.succeed('apply')).toContain('Nothing changes');
  });

  /** nft is told of a flow. The eBPF flow table has to see one: a SYN, which server1 refuses. */
  async function enterFlow(): Promise<void> {
    const element = '{ 192.168.1.10 . 1234 . 198.51.100.7 . 80 }';
    const add = ['nft', 'add', 'element', 'inet', 'sidetrack', 'flows4', element];
    if (CLASSIFIER === 'nftables') await fixture.lab.check('router', add);
    else await fixture.client('client', 'dial', ADDRESS.internet.v4, '80');
  }

  async function knowsFlow(): Promise<boolean> {
    const list = ['nft', 'list', 'set', 'inet', 'sidetrack', 'flows4'];
    if (CLASSIFIER === 'nftables')
      return (await fixture.lab.check('router', list)).includes('1234');
    const { stdout } = await fixture.sidetrack('status', '--json', '--only', 'router');
    return JSON.parse(stdout).hosts[0].flows === 1;
  }

  /** For withWrappedIp: a second signal would end the process. */
  const signalOnce = (signal: string) =>
    `mkdir ${fixture.directory}/once 2>/dev/null && kill -${signal} $PPID`;
  afterEach(() => fixture.lab.run(undefined, ['rm', '-rf', `${fixture.directory}/once`]));

  // Ctrl-C, a shutdown, and an ssh session that is lost.
  it.each(['INT', 'TERM', 'HUP'])('SIG%s puts every change back', async (signal) => {
    const before = await snapshots();
    const { status, stderr } = await withWrappedIp(signalOnce(signal), () =>
      fixture.sidetrackWith({ env: wrappedPath() }, 'apply'),
    );
    expect(stderr).toContain('interrupted; every change was put back');
    expect(status).toBe(1);
    expect(await snapshots()).toEqual(before);
    expect(await leftovers(fixture.lab)).toBe('');
  });

  it.each(['INT', 'TERM', 'HUP'])('SIG%s lets down go on to its end', async (signal) => {
    const before = await snapshots();
    await fixture.succeed('apply');
    const { status, stderr } = await withWrappedIp(signalOnce(signal), () =>
      fixture.sidetrackWith({ env: wrappedPath() }, 'down'),
    );
    expect(stderr).toContain('going on to the end');
    expect(status).toBe(0);
    expect(await snapshots()).toEqual(before);
  });

  it.each([
    ['nobody reads', '"$@" 2>&1 | head -1'],
    ['there is no room for it', '"$@" 2>/dev/full'],
    ['there is no room for any', 'exec "$@" >/dev/full 2>&1'],
  ])('output that %s stops neither apply nor down', async (_why, script) => {
    const before = await snapshots();
    await fixture.sidetrackPrefixed(['sh', '-c', script, 'sh'], 'apply');
    expect((await fixture.sidetrack('status')).status).toBe(0);
    await fixture.sidetrackPrefixed(['sh', '-c', script, 'sh'], 'down');
    expect(await snapshots()).toEqual(before);
    expect(await leftovers(fixture.lab)).toBe('');
  });

  it('output that finds no room is told in one line', async () => {
    const script = '"$@" >/dev/full';
    const { status, stderr } = await fixture.sidetrackPrefixed(['sh', '-c', script, 'sh'], 'check');
    expect(stderr).toBe('error: the output could not be written: no space left on the device\n');
    expect(status).toBe(1);
  });

  it('a killed apply is repaired by the next one, and down still knows the originals', async () => {
    const before = await snapshots();
    const { status } = await withWrappedIp('kill -9 $PPID; exit 1', () =>
      fixture.sidetrackWith({ env: wrappedPath() }, 'apply'),
    );
    expect(status).not.toBe(0);
    expect(await snapshots()).not.toEqual(before);
    await fixture.succeed('apply');
    await fixture.succeed('down');
    expect(await snapshots()).toEqual(before);
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
