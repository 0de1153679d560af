/** Changes over the network that they change: kept when they are confirmed, else put back by the hosts themselves. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RunResult } from '../../control/command/command.js';
import type { LabProcess } from '../../control/lab/lab.js';
import { CLASSIFIER, CLI, Fixture, waitFor } from './fixture.js';
import type { Machine } from './machines/machine.js';
import { LAPTOP, type MachineNode, Machines } from './machines/machines.js';
import { canMakeMachines } from './machines/programs.js';
import { snapshot } from './snapshot.js';

const NODES = ['router', 'server1'] as const;

const CONFIG = `router:
  host: ssh://root@router
  interfaces: [br-lan]
servers:
  - name: server1
    host: ssh://root@server1
    interface: eth0
    address: [192.168.1.2, "fd00:1::2"]
    mac: 02:00:00:00:01:02
    health: route
`;

/** A table of another program's that lets no ssh in to the router; the change of the test's brings it along. */
const CUT =
  'nft add table inet cut; nft add chain inet cut in "{ type filter hook input priority 0; }"; nft add rule inet cut in tcp dport 22 drop';

describe.skipIf(!canMakeMachines || CLASSIFIER !== 'nftables')('a change from afar', () => {
  let fixture: Fixture;
  let machines: Machines;
  let router: Machine;
  let before: unknown;

  beforeAll(async () => {
    fixture = await Fixture.start();
    fixture.configure(CONFIG);
    machines = await Machines.prepare(fixture);
    router = await machines.openWrt('router');
    await router.shell('[ -e /dev/stdin ] || ln -s /proc/self/fd/0 /dev/stdin');
    await machines.debian('server1');
    before = await snapshots();
  });
  afterAll(() => fixture?.stop());
  afterEach(async () => {
    await router.shell('rm -f /usr/sbin/ip');
    await machines.sidetrack('down');
    expect(await snapshots()).toEqual(before);
    expect(await kept()).toEqual([]);
  });

  const snapshots = () => Promise.all(NODES.map((node) => snapshot(fixture.lab, node)));

  /** What is left of it in /run, and what still runs. */
  async function kept(): Promise<string[]> {
    const left = NODES.map(async (node: MachineNode) => {
      const machine = machines.get(node);
      const files = await machine.shell('find /run/sidetrack -type f 2>/dev/null; :');
      const watchdogs = await machine.processes('change/program');
      return [...files.split('\n'), ...watchdogs.map(String)].filter(Boolean);
    });
    return (await Promise.all(left)).flat();
  }

  /** An `ip` of the router's that runs the script once, before it adds its last rule. */
  const whenLastRule = (script: string) =>
    router.check(['sh', '-c', 'cat >/usr/sbin/ip; chmod +x /usr/sbin/ip'], {
      stdin: `#!/bin/sh\ncase "$*" in *"-6 rule add"*unreachable*) ${script} ;; esac\nexec /sbin/ip "$@"\n`,
    });

  function start(...args: string[]): { process: LabProcess; said: () => string } {
    const argv = [process.execPath, CLI, ...args, '-c', fixture.configFile];
    const started = fixture.lab.spawn(LAPTOP, argv, { env: machines.environment });
    let said = '';
    for (const stream of [started.child.stdout!, started.child.stderr!])
      stream.on('data', (chunk: Buffer) => {
        said += chunk;
      });
    return { process: started, said: () => said };
  }

  const apply = (...args: string[]): Promise<RunResult> => machines.sidetrack('apply', ...args);

  async function startManual(timeout: string) {
    const applying = start('apply', '--confirm', 'manual', '--confirm-timeout', timeout);
    await waitFor(
      'the apply to wait for its confirmation',
      () => applying.said().includes('waiting for `sidetrack confirm`'),
      60_000,
    );
    return applying;
  }

  it('is kept over a new connection, and leaves no watchdog', async () => {
    const { status, stderr, stdout } = await apply();
    expect({ status, stdout }, stderr).toEqual({
      status: 0,
      stdout: expect.stringContaining('Done.'),
    });
    expect(await kept()).toEqual(['/run/sidetrack/state.json', '/run/sidetrack/state.json']);
    expect((await machines.sidetrack('status')).status).toBe(0);
    expect((await apply()).stdout).toContain('Nothing changes');
  });

  it('that cuts the way for good is put back all the same', { tags: 'long' }, async () => {
    await whenLastRule(CUT);
    const { status, stderr } = await apply('--confirm-timeout', '4');
    await router.shell('nft delete table inet cut');
    expect({ status }, stderr).toEqual({ status: 4 });
    expect(stderr).toContain('router does not answer: it puts everything back by itself');
    expect(await snapshots()).toEqual(before);
    const told = await machines.sidetrack('status');
    expect(told.stderr).toMatch(
      /ssh:\/\/root@router: the last change by .* was reverted \d+ s ago: not confirmed within 4 s/,
    );
  });

  it('that cuts the way to the router is put back by the router itself', async () => {
    // The way is there again once the router has put everything back.
    await whenLastRule(
      `${CUT}; ( while [ -e /run/sidetrack/change/pending ] || [ -e /run/sidetrack/change/reverting ]; do sleep 1; done; nft delete table inet cut ) </dev/null >/dev/null 2>&1 9>&- &`,
    );
    const { status, stderr } = await apply('--confirm-timeout', '4');
    expect(stderr).toMatch(
      /error: (router: not confirmed|no new connection) within 4 s.*; every change was put back/,
    );
    expect(status).toBe(3);
    expect(await snapshots()).toEqual(before);
  });

  it('is kept by `sidetrack confirm` from another terminal', async () => {
    const applying = await startManual('60');
    const second = await apply();
    expect(second.stderr).toMatch(
      /a change by \S+ on \S+ waits to be confirmed; it is reverted in \d+ s/,
    );
    expect(second.status).toBe(1);
    expect((await machines.sidetrack('plan')).stderr).toContain('waits to be confirmed');
    const confirmed = await machines.sidetrack('confirm');
    expect(confirmed.stdout).toMatch(
      /Confirmed\. server1: .*\nConfirmed\. router: the change by \S+ on \S+ is kept\./,
    );
    expect(confirmed.status).toBe(0);
    expect(await applying.process.exited).toBe(0);
    expect(await machines.sidetrack('confirm')).toMatchObject({
      status: 1,
      stdout: 'Nothing waits to be confirmed on server1 and router.\n',
    });
    expect((await machines.sidetrack('status')).status).toBe(0);
  });

  it('is kept on the host itself, too, where there is no sidetrack', { tags: 'long' }, async () => {
    const applying = await startManual('60');
    for (const node of NODES)
      expect(await machines.get(node).shell('sh /run/sidetrack/change/program confirm')).toBe(
        'confirmed: the change of this host is kept\n',
      );
    expect(await applying.process.exited).toBe(0);
    expect((await machines.sidetrack('status')).status).toBe(0);
  });

  it('that is not confirmed in time is put back, and a late confirm says so', async () => {
    const applying = await startManual('3');
    expect(await applying.process.exited).toBe(3);
    expect(applying.said()).toContain('not confirmed within 3 s; every change was put back');
    expect(await snapshots()).toEqual(before);
    const late = await machines.sidetrack('confirm');
    expect(late.stderr).toContain('there is nothing to confirm any more: the last change');
    expect(late.status).toBe(3);
    const again = await apply();
    expect(again.stderr).toContain('was reverted');
    expect(again.status).toBe(0);
    expect((await machines.sidetrack('status')).stderr).not.toContain('was reverted');
  });

  const expectPutBack = async (signal: NodeJS.Signals) => {
    const applying = await startManual('60');
    applying.process.signal(signal);
    expect(await applying.process.exited).toBe(3);
    expect(applying.said()).toContain('interrupted; every change was put back');
    expect(await snapshots()).toEqual(before);
  };
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'is put back at once by %s',
    { tags: 'long' },
    expectPutBack,
  );

  // Whose watchdogs are killed, too, is what `make test` shows.
  it('whose apply is killed is put back at once, and the next command says so', {
    tags: 'long',
  }, async () => {
    const applying = await startManual('60');
    applying.process.signal('SIGKILL');
    await applying.process.exited;
    await waitFor(
      'both to be as before',
      async () => JSON.stringify(await snapshots()) === JSON.stringify(before),
    );
    expect((await machines.sidetrack('plan')).stderr).toContain('was reverted');
    expect((await apply()).status).toBe(0);
  });

  it('whose apply and watchdogs are killed is put back by the next apply', async () => {
    const applying = await startManual('60');
    for (const node of NODES)
      await machines.get(node).shell('kill -9 $(cat /run/sidetrack/change/pid)');
    applying.process.signal('SIGKILL');
    await applying.process.exited;
    await waitFor('the lock to be free', async () => {
      const { stderr } = await machines.sidetrack('status');
      return stderr.includes('was interrupted behind');
    });
    const again = await apply();
    expect(again.stderr).toContain('has ended before it was confirmed');
    expect(again.status).toBe(0);
  });
});
