/** What fails half-way through an apply or a down: every change is put back, or brought to its end. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../control/lab/topology.js';
import { CLASSIFIER, Fixture } from './fixture.js';
import { leftovers, snapshot } from './snapshot.js';

let fixture: Fixture;
const NODES = ['router', 'server1'] as const;

/** For a program that a step runs: the session's shell is its parent, and ours is the parent of that. */
const OURS = '$(cut -d" " -f4 /proc/$PPID/stat)';

beforeAll(async () => {
  fixture = await Fixture.start();
});
afterAll(() => fixture?.stop());
beforeEach(async () => {
  fixture.configureWith([]);
  await fixture.sidetrack('down');
});

const snapshots = async () => Promise.all(NODES.map((node) => snapshot(fixture.lab, node)));

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

  async function expectPutBack(program: string, pattern: string): Promise<void> {
    const before = await snapshots();
    const { status, stderr } = await applyWithBroken(program, pattern);
    expect(status).toBe(1);
    expect(stderr).toContain('broken on purpose');
    expect(stderr).toMatch(/(router|server1), step "/);
    expect(stderr).toContain('every change was put back');
    expect(await snapshots()).toEqual(before);
    await fixture.succeed('apply');
  }

  it.each([
    ['ip', '-6 rule add priority 1500 iif lan2'],
    ['nft', '-j -f /proc/self/fd/0'],
  ])('when "%s %s" fails, every change is put back', expectPutBack);

  it.each([
    ['ip', 'route replace'],
    ['ip', '-6 route replace'],
    ['ip', 'rule add'],
    ['tee', 'conf/br-lan/send_redirects'],
  ])('when "%s %s" fails, every change is put back', { tags: 'long' }, expectPutBack);

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
    `mkdir ${fixture.directory}/once 2>/dev/null && kill -${signal} ${OURS}`;
  afterEach(() => fixture.lab.run(undefined, ['rm', '-rf', `${fixture.directory}/once`]));

  // Ctrl-C, a shutdown, and an ssh session that is lost.
  async function expectUndone(signal: string): Promise<void> {
    const before = await snapshots();
    const { status, stderr } = await withWrappedIp(signalOnce(signal), () =>
      fixture.sidetrackWith({ env: wrappedPath() }, 'apply'),
    );
    expect(stderr).toContain('interrupted; every change was put back');
    expect(status).toBe(1);
    expect(await snapshots()).toEqual(before);
    expect(await leftovers(fixture.lab)).toBe('');
  }
  it.each(['INT'])('SIG%s puts every change back', expectUndone);
  it.each(['TERM', 'HUP'])('SIG%s puts every change back', { tags: 'long' }, expectUndone);

  async function expectDownFinished(signal: string): Promise<void> {
    const before = await snapshots();
    await fixture.succeed('apply');
    const { status, stderr } = await withWrappedIp(signalOnce(signal), () =>
      fixture.sidetrackWith({ env: wrappedPath() }, 'down'),
    );
    expect(stderr).toContain('going on to the end');
    expect(status).toBe(0);
    expect(await snapshots()).toEqual(before);
  }
  it.each(['TERM'])('SIG%s lets down go on to its end', expectDownFinished);
  it.each(['INT', 'HUP'])('SIG%s lets down go on to its end', { tags: 'long' }, expectDownFinished);

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
    const { status } = await withWrappedIp(`kill -9 ${OURS}; exit 1`, () =>
      fixture.sidetrackWith({ env: wrappedPath() }, 'apply'),
    );
    expect(status).not.toBe(0);
    expect(await snapshots()).not.toEqual(before);
    await fixture.succeed('apply');
    await fixture.succeed('down');
    expect(await snapshots()).toEqual(before);
  });
});
