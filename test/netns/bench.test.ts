/** `sidetrack bench`: in a lab of its own, and between machines that it reaches by ssh. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type BenchDocument, parseBenchDocument, type Run } from '../../control/bench/document.js';
import type { RunResult } from '../../control/command/command.js';
import { runProcess } from '../../control/hosts/process.js';
import type { LabProcess } from '../../control/lab/lab.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { CLI, Fixture, waitFor } from './fixture.js';
import { sshConfig } from './machines/config.js';
import { LAPTOP, Machines } from './machines/machines.js';
import { canMakeMachines, findProgram } from './machines/programs.js';
import { requireAll } from './rivals/installed.js';

const hasIperf3 = requireAll || findProgram('iperf3') !== undefined;
const isRoot = process.getuid!() === 0;

/** Input of nft. */
const closing = (table: string, rule: string): string => `table inet ${table} {
  chain in {
    type filter hook input priority 0;
    ${rule}
  }
}`;

const SHORT = ['--runs', '1', '--duration', '1'];

function documentOf({ status, stdout, stderr }: RunResult): BenchDocument {
  if (status !== 0) throw new Error(`it ended with ${status}: ${stderr}${stdout}`);
  return parseBenchDocument('its output', stdout);
}

const counted = ({ runs }: BenchDocument): Run[] => runs.filter(({ round }) => round > 0);

/** What no run of iperf3 in the lab can miss, and what it cannot reach. */
function expectPlausible({ figures, problem }: Run): void {
  expect(problem).toBeUndefined();
  const { bitsPerSecond = 0, receivedBytes = 0, sentBytes = 0 } = figures;
  expect(bitsPerSecond).toBeGreaterThan(10e6);
  expect(bitsPerSecond).toBeLessThan(1e12);
  // Nothing arrives that was not sent; what is under way at the end is less than a second's worth.
  expect(sentBytes).toBeGreaterThanOrEqual(receivedBytes);
  expect(receivedBytes).toBeGreaterThan(bitsPerSecond / 8 / 4);
}

describe.skipIf(!hasIperf3)('in a lab of its own', () => {
  const bench = (...args: string[]) =>
    runProcess([process.execPath, CLI, 'bench', '--lab', '--json', ...SHORT, ...args]);

  it('measures directly and steered, and the relay pays for what is steered', async () => {
    const tests = ['--tests', 'parallel', '--family', '4', '--streams', '4'];
    const document = documentOf(await bench(...tests));
    expect(document).toMatchObject({ interrupted: false, tests: [{ streams: 4 }] });
    const runs = counted(document);
    expect(runs.map(({ variant }) => variant).sort()).toEqual(['direct', 'steered']);
    runs.forEach(expectPlausible);
    for (const { variant, figures, busy } of runs) {
      expect(busy.client).toBeGreaterThan(0);
      if (variant === 'steered') expect(figures.relayPerGigabyte).toBeGreaterThan(0);
      else expect(figures.relayPerGigabyte).toBeUndefined();
      expect(figures.latencyP99).toBeGreaterThan(0);
    }
    expect(document.machines.map(({ name, iperf3 }) => [name, iperf3])).toEqual([
      ['client', expect.stringMatching(/^3\./)],
      ['server', expect.stringMatching(/^3\./)],
    ]);
  });

  it('an old result that cannot be read costs no minute', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sidetrack-bench-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const old = join(directory, 'old.json');
    writeFileSync(old, '{"version": 1, "runs": [');
    const { status, stdout } = await bench('--compare', old);
    expect(status).toBe(2);
    expect(JSON.parse(stdout).error).toMatchObject({
      code: 'bench-file',
      message: `${old} is no result of sidetrack bench: its JSON has no end; was the file cut off?`,
    });
    expect((await bench('--html', join(directory, 'none/report.html'))).status).toBe(2);
  });

  it('compares with an earlier result, and writes a report', { tags: ['long'] }, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sidetrack-bench-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const [old, html] = [join(directory, 'old.json'), join(directory, 'report.html')];
    const few = ['--tests', 'download', '--family', '4', '--variants', 'steered'];
    const first = await bench(...few);
    writeFileSync(old, first.stdout);
    const { status, stdout } = await bench(...few, '--compare', old, '--html', html);
    expect(status).toBe(0);
    const kinds = JSON.parse(stdout).comparison.rows.map(
      ({ verdict }: { verdict: { kind: string } }) => verdict.kind,
    );
    expect(kinds).toEqual(['too few runs', 'too few runs']);
    expect(readFileSync(html, 'utf8')).toContain(`Compared with ${old}`);
    const other = ['--tests', 'upload', '--family', '4', '--variants', 'steered'];
    const nothing = await bench(...other, '--compare', old);
    expect(nothing.status).toBe(1);
    expect(JSON.parse(nothing.stdout).comparison.remarks[0]).toContain('no test in common');
  });

  it('moves more flows than one iperf3 can report, by several', { tags: ['long'] }, async () => {
    const tests = ['--tests', 'parallel', '--family', '4', '--streams', '120'];
    const document = documentOf(await bench(...tests, '--variants', 'steered'));
    counted(document).forEach(expectPlausible);
    expect(counted(document)).toHaveLength(1);
  });

  it.skipIf(!isRoot)('changes the set-up between its runs', { tags: ['long'] }, async () => {
    const variants = ['--variants', 'direct,steered,tproxy,no-splice,ebpf'];
    const document = documentOf(
      await bench('--tests', 'download,connections', '--family', '4', ...variants),
    );
    const runs = counted(document);
    expect(runs).toHaveLength(2 * 5);
    for (const run of runs) {
      if (run.test.startsWith('download')) expectPlausible(run);
      else expect(run.figures.connectionsPerSecond).toBeGreaterThan(10);
    }
  });
});

describe.skipIf(!hasIperf3 || !canMakeMachines)('between machines', () => {
  let fixture: Fixture;
  let machines: Machines;

  beforeAll(async () => {
    fixture = await Fixture.start();
    machines = await Machines.prepare(fixture);
    await machines.debian('server1');
    await machines.openWrt('router', { with: ['iperf3'] });
    fixture.configure(sshConfig());
  });
  afterAll(() => fixture?.stop());

  const OVER_SSH = `ssh://root@${ADDRESS.server1.v4}`;
  /** The laptop is where it is typed; traffic goes from server1 there. */
  const way = (client = OVER_SSH) => ['--client', client, '--server', 'local'];
  const bench = (...args: string[]) => machines.sidetrack('bench', '--json', ...SHORT, ...args);
  const errorOf = ({ status, stdout }: RunResult) => {
    expect(status).not.toBe(0);
    return JSON.parse(stdout).error;
  };

  /** Anywhere in the lab. */
  async function iperf3Running(): Promise<string[]> {
    const script = `for d in /proc/[0-9]*; do
      read -r name <$d/comm && [ "$name" = iperf3 ] && tr '\\0' ' ' <$d/cmdline && echo
    done 2>/dev/null; :`;
    const stdout = await fixture.lab.check(undefined, ['sh', '-c', script]);
    return stdout.split('\n').filter(Boolean);
  }

  it('the client is reached by ssh; processors of all hosts are looked at', async () => {
    const result = await bench(...way(), '--tests', 'upload,latency', '--family', '4');
    const document = documentOf(result);
    const [upload, latency] = counted(document);
    expectPlausible(upload!);
    expect(upload!.figures.retransmits).toBeGreaterThanOrEqual(0);
    expect(latency!.figures.latencyP50).toBeGreaterThan(0);
    expect(document.machines.map(({ name }) => name)).toEqual([
      'client',
      'server',
      'router',
      'server1',
    ]);
    expect(document.machines[0]).toMatchObject({ address: OVER_SSH, device: 'eth0', mtu: 1500 });
    expect(await iperf3Running()).toEqual([]);
  });

  it('from BusyBox, without an interpreter: what latency is then', { tags: ['long'] }, async () => {
    const router = `ssh://root@${ADDRESS.router.v4}`;
    const document = documentOf(
      await bench(...way(router), '--tests', 'upload,parallel,latency', '--family', '4'),
    );
    counted(document).forEach(expectPlausible);
    expect(document.tests.map(({ name }) => name)).toEqual(['upload-4', 'parallel-4']);
    expect(document.prober).toMatch(/not measured from end to end \(no node, python3 or perl/);
    expect(document.notes.join()).toContain('nothing there answers small requests');
    expect(counted(document)[0]!.figures.rtt).toBeGreaterThan(0);
  });

  it('no iperf3 on a side: which package to install', async () => {
    const wrapper = `${machines.get('server1').setUp.wrappers}/iperf3`;
    await fixture.lab.check(undefined, [
      'sh',
      '-c',
      'printf "#!/bin/sh\nexit 127\n" >"$1"; chmod +x "$1"',
      'sh',
      wrapper,
    ]);
    const { code, message, hint } = errorOf(await bench(...way()));
    await fixture.lab.check(undefined, ['rm', wrapper]);
    expect(code).toBe('iperf3-missing');
    expect(message).toBe(`there is no iperf3 on the client (${OVER_SSH})`);
    expect(hint).toMatch(/Debian: apt-get install iperf3; OpenWrt: opkg install iperf3/);
  });

  it('a firewall that drops: which port to open', async () => {
    const stdin = closing('closed', 'tcp dport 5201-5202 drop');
    await fixture.lab.check(LAPTOP, ['nft', '-f', '-'], { stdin });
    const { code, hint } = errorOf(await bench(...way(), '--family', '4'));
    await fixture.lab.check(LAPTOP, ['nft', 'delete', 'table', 'inet', 'closed']);
    expect(code).toBe('iperf3-timeout');
    expect(hint).toContain('open TCP 5201');
    expect(await iperf3Running()).toEqual([]);
  });

  async function startServer(): Promise<LabProcess> {
    const server = fixture.lab.spawn(LAPTOP, ['iperf3', '-s'], { stdio: 'ignore' });
    const listens = async () =>
      / 00000000000000000000000000000000:1451 /.test(
        await fixture.lab.check(LAPTOP, ['cat', '/proc/net/tcp6']),
      );
    await waitFor('iperf3 to listen', listens);
    return server;
  }

  it('a port that is taken', async () => {
    const server = await startServer();
    expect(errorOf(await bench(...way()))).toMatchObject({
      code: 'bench-port',
      hint: expect.stringContaining('--port'),
    });
    server.signal('SIGKILL');
    await server.exited;
  });

  it('a server that runs already, and one that is busy', { tags: ['long'] }, async () => {
    const server = await startServer();
    const there = ['--client', OVER_SSH, '--server', `${ADDRESS.client.v4}:5201`];
    const document = documentOf(await bench(...there, '--tests', 'download'));
    counted(document).forEach(expectPlausible);
    const long = ['iperf3', '-c', ADDRESS.client.v4, '-t', '60'];
    const other = fixture.lab.spawn('server1', long, { stdio: 'ignore' });
    await waitFor('a test', async () => (await iperf3Running()).length === 2);
    expect(errorOf(await bench(...there))).toMatchObject({
      code: 'iperf3-busy',
      hint: expect.stringContaining('restart it there'),
    });
    other.signal('SIGKILL');
    server.signal('SIGKILL');
    await Promise.all([other.exited, server.exited]);
  });

  describe('nothing is left on either side', () => {
    /** Well under way: a server there, a client here. */
    async function running(): Promise<{ bench: LabProcess; printed: () => string }> {
      const argv = [process.execPath, CLI, 'bench', ...way(), '--runs', '50', '--duration', '3'];
      const config = ['-c', fixture.configFile];
      const env = machines.environment;
      const bench = fixture.lab.spawn(LAPTOP, [...argv, ...config, '--tests', 'upload'], { env });
      let [printed, said] = ['', ''];
      bench.child.stdout!.on('data', (chunk: Buffer) => {
        printed += chunk;
      });
      bench.child.stderr!.on('data', (chunk: Buffer) => {
        said += chunk;
      });
      await waitFor('runs', () => /runs, about/.test(said), 60_000);
      const pair = async () => (await iperf3Running()).some((line) => line.includes('--time 3'));
      await waitFor('a run of it', pair);
      return { bench, printed: () => printed };
    }

    it('at Ctrl-C, which shows what there is', async () => {
      const { bench, printed } = await running();
      bench.signal('SIGINT');
      expect(await bench.exited).toBe(1);
      expect(printed()).toContain('It was ended early');
      expect(await iperf3Running()).toEqual([]);
    });

    it('when it is killed, as soon as a run is over', { tags: ['long'] }, async () => {
      const { bench } = await running();
      bench.signal('SIGKILL');
      await bench.exited;
      await waitFor('iperf3 to end', async () => (await iperf3Running()).length === 0, 20_000);
    });

    it('when the network is cut, as soon as the lease is over', { tags: ['long'] }, async () => {
      const argv = ['--client', 'local', '--server', OVER_SSH, '--runs', '50', '--tests', 'upload'];
      const bench = fixture.lab.spawn(
        LAPTOP,
        [process.execPath, CLI, 'bench', ...argv, '-c', fixture.configFile],
        { env: machines.environment, stdio: 'ignore' },
      );
      const isThere = async () =>
        (await machines.get('server1').processes('iperf3 --server')).length > 0;
      await waitFor('the server', isThere, 30_000);
      const stdin = closing('cut', 'iif != lo drop');
      await fixture.lab.check(LAPTOP, ['nft', '-f', '-'], { stdin });
      await waitFor('the server to end', async () => !(await isThere()), 60_000);
      bench.signal('SIGKILL');
      await bench.exited;
      await fixture.lab.check(LAPTOP, ['nft', 'delete', 'table', 'inet', 'cut']);
    });
  });
});
