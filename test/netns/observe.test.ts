/** Looking into a running relay: the list, closing, top, the access log, what a scrape shows. */
import { existsSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RunResult } from '../../control/command/command.js';
import { LAB_CONFIG } from '../../control/lab/demo.js';
import type { LabProcess } from '../../control/lab/lab.js';
import { ADDRESS } from '../../control/lab/topology.js';
import type { OpenConnection } from '../../proxy/open-connections.js';
import { CLI, Fixture, url, waitFor } from './fixture.js';

const QUICK = 10_000;
const METRICS = 'http://127.0.0.1:9150/metrics';

let fixture: Fixture;
let relay: LabProcess;
const running: LabProcess[] = [];

beforeAll(async () => {
  fixture = await Fixture.start();
  fixture.configure(`${LAB_CONFIG}relay: { access_log: { file: access.log } }\n`);
  relay = await fixture.startRelay();
  await fixture.succeed('apply');
  fixture.lab.spawn('internet', ['iperf3', '-s'], { stdio: 'ignore' });
});
afterAll(() => fixture?.stop());
afterEach(async () => {
  for (const client of running.splice(0)) {
    client.signal('SIGKILL');
    await client.exited;
  }
  await waitFor('all connections to end', async () => (await list()).length === 0);
});

/** A command that needs no configuration, as root on server1. */
const onServer = (...args: string[]): Promise<RunResult> =>
  fixture.lab.run('server1', [process.execPath, CLI, ...args]);

async function list(...args: string[]): Promise<(OpenConnection & { downloadRate: number })[]> {
  const { stdout, stderr } = await onServer('connections', '--json', ...args);
  if (!stdout) throw new Error(stderr);
  return JSON.parse(stdout).connections;
}

/** An echo connection; `say` is one round trip. */
async function interactive() {
  const client = fixture.spawnClient('client', 'hold', ADDRESS.internet.v4);
  running.push(client);
  const lines = createInterface({ input: client.child.stdout! })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value) as Record<string, unknown>;
  expect(await next()).toEqual({ connected: true });
  let said = '';
  client.child.stderr!.on('data', (chunk: Buffer) => {
    said += chunk;
  });
  return {
    /** What the client says when its connection has failed. */
    end: async () => {
      await client.exited;
      return said;
    },
    say: async (word: string) => {
      client.child.stdin!.write(`${word}\n`);
      expect(await next()).toEqual({ echoed: word });
    },
  };
}

function bulk(...flags: string[]): void {
  const argv = ['iperf3', '-c', ADDRESS.internet.v4, '-t', '120', ...flags];
  running.push(fixture.lab.spawn('client', argv, { stdio: 'ignore' }));
}

const to = (port: number) => (one: OpenConnection) =>
  one.originalDestination === `${ADDRESS.internet.v4}:${port}`;

const logFile = () => join(fixture.directory, 'access.log');
const readLog = (file = logFile()) =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('the list of connections', () => {
  it('shows a bulk download that splices and a session that copies, with their clients', async () => {
    const session = await interactive();
    await session.say('hello');
    bulk('-R', '-b', '400M', '--cport', '45001');
    await waitFor('the download to splice', async () =>
      (await list()).some((one) => one.download.mode === 'splice'),
    );
    const all = await list();
    const download = all.find((one) => one.download.mode === 'splice')!;
    expect(download).toMatchObject({
      client: `${ADDRESS.client.v4}:45001`,
      clientFrom: 'conntrack',
      originalDestination: `${ADDRESS.internet.v4}:5201`,
      upstream: 'direct',
      state: 'relaying',
      upload: { mode: 'copy', stalled: false, ended: false },
    });
    expect(download.download.bytes).toBeGreaterThan(1_000_000);
    expect(download.downloadRate).toBeGreaterThan(1_000_000);
    expect(download.rtt.client).toBeGreaterThan(0);
    expect(download.rtt.upstream).toBeGreaterThan(0);
    expect(all.find(to(7))).toMatchObject({
      upload: { bytes: 6, mode: 'copy' },
      download: { bytes: 6, mode: 'copy' },
    });
    // What people see, in a window of 80 columns and without one.
    const { stdout, status } = await onServer('top', '--sort', 'rate');
    expect(status).toBe(0);
    expect(stdout).toMatch(/relay on port 12345: 3 open, up .*bit\/s, down .*Mbit\/s/);
    expect(stdout.split('\n')[3]).toContain(`${ADDRESS.client.v4}:45001`);
  });

  it('tells two connections from one port apart from what the relay sees', async () => {
    // Both leave the client from port 45010: one to port 7, one to port 9001.
    for (const port of [7, 9001]) {
      const argv = ['node', '-e', fromPort(port)];
      const client = fixture.lab.spawn('client', argv);
      running.push(client);
      const lines = createInterface({ input: client.child.stdout! })[Symbol.asyncIterator]();
      expect((await lines.next()).value).toBe('connected');
    }
    const all = await list();
    expect(all.map(({ client }) => client)).toEqual(Array(2).fill(`${ADDRESS.client.v4}:45010`));
    expect(all.map(({ clientFrom }) => clientFrom)).toEqual(['conntrack', 'conntrack']);
  });

  const fromPort = (port: number) =>
    `require('net').connect({ host: '${ADDRESS.internet.v4}', port: ${port}, localPort: 45010 }, () => console.log('connected'))`;

  it('can be filtered, and says when a filter is wrong', async () => {
    await (await interactive()).say('x');
    expect(await list('--to', '198.51.100.0/24', '--client', ADDRESS.client.v4)).toHaveLength(1);
    expect(await list('--to', '192.0.2.0/24')).toHaveLength(0);
    expect(await list('--upstream', 'vps')).toHaveLength(0);
    const { status, stderr } = await onServer('connections', '--to', '198.51.100.0/33');
    expect(status).toBe(2);
    expect(stderr).toMatch(/--to: .*prefix length/);
  });

  // An ordinary user's namespace knows no other user.
  it.skipIf(process.getuid!() !== 0)('is for the user of the relay only', async () => {
    const { stderr, status } = await fixture.lab.run('server1', [
      ...['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'],
      ...[process.execPath, CLI, 'connections'],
    ]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/not allowed to talk to the relay/);
  });
});

describe('close', () => {
  it('resets both ends of one connection and leaves the others', async () => {
    const [victim, other] = [await interactive(), await interactive()];
    await victim.say('a');
    const id = String((await list()).find((one) => one.upload.bytes === 2)!.id);
    expect((await onServer('close', id)).stdout).toMatch(
      new RegExp(`^closed ${id}: .* to ${ADDRESS.internet.v4}:7\n$`),
    );
    expect(await victim.end()).toContain('ECONNRESET');
    await other.say('still here');
    expect(await fixture.metric('sidetrack_relay_closed_total{reason="closed"}')).toBe(1);
    const again = await onServer('close', id);
    expect(again.status).toBe(1);
    expect(again.stderr).toContain('no such connection any more');
    await waitFor('its line', async () => readLog().some((one) => one.outcome === 'closed'));
  });

  it('wants numbers', async () => {
    const { status, stderr } = await onServer('close', 'all');
    expect(status).toBe(2);
    expect(stderr).toContain('"all" is not the number of a connection');
  });
});

describe('the access log', () => {
  it(`has a line for each of ${QUICK} quick connections`, async () => {
    await waitFor('what came before', async () => (await list()).length === 0);
    const accepted = () => fixture.metric('sidetrack_relay_connections_total{family="ipv4"}');
    const before = { lines: readLog().length, accepted: await accepted() };
    const client = await fixture.lab.run(
      'client',
      [process.execPath, 'test/netns/peers/client.mjs', 'quick', ADDRESS.internet.v4, `${QUICK}`],
      { timeoutMs: 100_000 },
    );
    expect(JSON.parse(client.stdout)).toEqual({ done: QUICK });
    await waitFor('the last line', async () => readLog().length === before.lines + QUICK);
    expect(await accepted()).toBe(before.accepted + QUICK);
    expect(await fixture.metric('sidetrack_relay_access_log_dropped_total')).toBe(0);
    const lines = readLog().slice(before.lines);
    expect(new Set(lines.map((one) => one.id)).size).toBe(QUICK);
    const port = `${ADDRESS.internet.v4}:9002`;
    for (const line of lines)
      expect(line).toMatchObject({ original_destination: port, download_bytes: 5 });
    expect(lines[0]).toMatchObject({
      upstream: 'direct',
      connect_seconds: expect.any(Number),
      first_byte_seconds: expect.any(Number),
      duration_seconds: expect.any(Number),
      client_rtt_seconds: expect.any(Number),
      upstream_rtt_seconds: expect.any(Number),
      client_retransmits: expect.any(Number),
    });
  }, 150_000);

  it('goes on in a new file when the old one is renamed', async () => {
    renameSync(logFile(), `${logFile()}.1`);
    const old = readLog(`${logFile()}.1`).length;
    await waitFor('the new file', async () => existsSync(logFile()));
    await fixture.download('client', url(ADDRESS.internet.v4, '/bytes/1000'));
    await waitFor('the line', async () => readLog().length === 1);
    expect(readLog(`${logFile()}.1`)).toHaveLength(old);
    expect(statSync(logFile()).mode & 0o777).toBe(0o640);
  });

  it('to a full disk loses lines, not connections, and says so', async () => {
    fixture.configure(`${LAB_CONFIG}relay: { access_log: { file: /dev/full } }\n`);
    relay.signal('SIGTERM');
    await relay.exited;
    relay = await fixture.startRelay();
    let said = '';
    relay.child.stderr!.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    for (let i = 0; i < 3; i++)
      expect((await fixture.download('client', url(ADDRESS.internet.v4, '/who'))).status).toBe(0);
    await waitFor('the warning', async () =>
      said.includes('/dev/full: cannot be written (ENOSPC)'),
    );
    await fixture.download('client', url(ADDRESS.internet.v4, '/who'));
    expect(said.split('ENOSPC')).toHaveLength(2);
  });

  it('that cannot be opened is an error at the start', async () => {
    fixture.configure(`${LAB_CONFIG}relay: { access_log: { file: /nowhere/access.log } }\n`);
    relay.signal('SIGTERM');
    await relay.exited;
    const { status, stderr } = await fixture.sidetrackOn('server1', 'relay');
    expect(status).toBe(1);
    expect(stderr).toMatch(/cannot open the access log \/nowhere\/access.log \(ENOENT\)/);
    fixture.configure(LAB_CONFIG);
    relay = await fixture.startRelay();
  });
});

describe('a scrape', () => {
  it('shows residency, round trips and what is left', async () => {
    await fixture.download('client', url(ADDRESS.internet.v4, '/bytes/3000000'));
    await waitFor('the end', async () => (await list()).length === 0);
    const residency = 'sidetrack_relay_residency_seconds_count{direction="download"}';
    expect(await fixture.metric(residency)).toBeGreaterThan(1);
    expect(await fixture.metric('sidetrack_relay_rtt_seconds_count{leg="client"}')).toBe(1);
    expect(await fixture.metric('sidetrack_relay_rtt_seconds_count{leg="upstream"}')).toBe(1);
    for (const resource of ['connections', 'descriptors', 'pipes', 'pipe_pages', 'conntrack'])
      expect(
        await fixture.metric(`sidetrack_relay_resource_limit{resource="${resource}"}`),
      ).toBeGreaterThan(0);
    const used = 'sidetrack_relay_resource_used{resource="descriptors"}';
    expect(await fixture.metric(used)).toBeGreaterThan(10);
    // Each destination has as many ports, so there is no limit for all.
    expect(await fixture.lab.check('server1', ['curl', '-sf', METRICS])).not.toContain(
      'sidetrack_relay_upstream_ports_limit{upstream="direct"}',
    );
  });
});

describe('metrics by client', () => {
  beforeAll(async () => {
    fixture.configure(`${LAB_CONFIG}relay: { metrics: { per_client: 1 } }\n`);
    relay.signal('SIGTERM');
    await relay.exited;
    relay = await fixture.startRelay();
  });

  /** Of one metric, by its labels as they are written. */
  const series = async (name: string) => {
    const text = await fixture.lab.check('server1', ['curl', '-sf', METRICS]);
    const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`));
    return new Map(
      lines.map((line) => [
        line.slice(name.length, line.lastIndexOf(' ')),
        Number(line.split(' ').at(-1)),
      ]),
    );
  };

  it('are of as many clients as asked for, and add up to what all have done', async () => {
    for (const node of ['client', 'client', 'client2'])
      expect((await fixture.download(node, url(ADDRESS.internet.v4, '/bytes/300000'))).status).toBe(
        0,
      );
    await waitFor('all connections to end', async () => (await list()).length === 0);
    const connections = await series('sidetrack_relay_client_connections_total');
    const bytes = await series('sidetrack_relay_client_bytes_total');
    const own = `client="${ADDRESS.client.v4}"`;
    expect([...connections.keys()]).toEqual([`{${own}}`, '{client="other"}']);
    expect(bytes.get('{client="other",direction="download"}')).toBeGreaterThan(300_000);
    expect(bytes.get(`{${own},direction="download"}`)).toBeGreaterThan(600_000);
    const total = await series('sidetrack_relay_bytes_total');
    for (const direction of ['upload', 'download'])
      expect(
        bytes.get(`{${own},direction="${direction}"}`)! +
          bytes.get(`{client="other",direction="${direction}"}`)!,
      ).toBe(total.get(`{direction="${direction}"}`));
    const accepted = await series('sidetrack_relay_connections_total');
    const sum = (all: Map<string, number>) => [...all.values()].reduce((a, b) => a + b);
    expect(sum(connections)).toBe(sum(accepted));
  });

  it('tell how busy the threads are, and what the process uses', async () => {
    const busy = await series('sidetrack_relay_thread_busy_seconds_total');
    expect(busy.get('{thread="0"}')).toBeGreaterThan(0);
    const cpu = await fixture.metric('process_cpu_seconds_total');
    expect(cpu).toBeGreaterThan([...busy.values()].reduce((a, b) => a + b));
    const used = await fixture.metric('sidetrack_relay_resource_used{resource="descriptors"}');
    expect(Math.abs((await fixture.metric('process_open_fds')) - used)).toBeLessThan(5);
  });
});

describe('the control socket', () => {
  const sockets = async () =>
    (await fixture.lab.check('server1', ['sh', '-c', 'ls -l /run/sidetrack'])).match(
      /^s.*relay-\d+\.sock$/gm,
    ) ?? [];

  it('belongs to its user alone; one left by a killed relay is replaced', async () => {
    const before = await sockets();
    expect(before).toHaveLength(1);
    expect(before[0]).toMatch(/^srw------- /);
    relay.signal('SIGKILL');
    await relay.exited;
    const { status, stderr } = await onServer('connections');
    expect([status, stderr]).toEqual([1, expect.stringContaining('no relay runs')]);
    relay = await fixture.startRelay();
    const after = await sockets();
    expect(after).toHaveLength(1);
    expect(after).not.toEqual(before);
    relay.signal('SIGTERM');
    await relay.exited;
    expect(await sockets()).toEqual([]);
    relay = await fixture.startRelay();
  });
});
