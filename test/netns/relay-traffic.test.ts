/** What users do through server1 with our own relay, over v4 and v6. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../control/lab/topology.js';
import { FAMILIES, Fixture, url, waitFor } from './fixture.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await Fixture.start();
  await fixture.startRelay();
  await fixture.succeed('apply');
});
afterAll(() => fixture?.stop());

const connections = async () =>
  (await fixture.metric('sidetrack_relay_connections_total{family="ipv4"}')) +
  (await fixture.metric('sidetrack_relay_connections_total{family="ipv6"}'));

describe.each(FAMILIES)('through the relay over %s', (family) => {
  const host = ADDRESS.internet[family];

  it('delivers downloads of many sizes unchanged, and they did pass the relay', async () => {
    const before = await connections();
    for (const size of [0, 1, 1447, 65_537, 3_000_000]) {
      const { status, digest } = await fixture.download('client', url(host, `/bytes/${size}`));
      expect({ size, status, digest }).toEqual({
        size,
        status: 0,
        digest: pseudoRandomDigest(size),
      });
    }
    expect(await connections()).toBe(before + 5);
  });

  it('delivers an upload unchanged', async () => {
    const script = `head -c 2000000 /dev/urandom | tee >(sha256sum | cut -d' ' -f1 >&2) | curl -gsSf --max-time 20 --data-binary @- ${url(host, '/sha256')}`;
    const { stdout, stderr } = await fixture.lab.run('client', ['bash', '-c', script]);
    expect(stdout).toMatch(/^[0-9a-f]{64}$/);
    expect(stdout.trim()).toBe(stderr.trim());
  });

  it('carries an interactive session byte by byte', async () => {
    expect(await fixture.client('client', 'echo', host, '200')).toEqual({ rounds: 200 });
    expect(await fixture.client('client', 'chunks', host, '300')).toEqual({ ok: true });
  });

  it('keeps the download open after the client has finished sending', async () => {
    expect(await fixture.client('client', 'half-close', host, '5000000')).toEqual({ match: true });
  });

  it('keeps the upload open after the server has finished sending', async () => {
    const { greeting, digest } = await fixture.client('client', 'server-first', host, '5000000');
    expect(greeting).toBe('hello');
    await expect
      .poll(async () => fixture.lab.check('client', ['curl', '-gsf', url(host, '/last')]))
      .toBe(digest);
  });

  it('carries 200 parallel flows of random sizes', async () => {
    const result = await fixture.client('client', 'many', host, '200', '1000000');
    expect(result).toEqual({ flows: 200, wrong: 0 });
  });

  it('works with small and odd segment sizes', async () => {
    for (const mss of [88, 536, 1001]) {
      const route = `${host} via ${ADDRESS.router[family]} advmss ${mss}`.split(' ');
      await fixture.lab.check('client', ['ip', 'route', 'replace', ...route]);
      const { digest } = await fixture.download('client', url(host, '/bytes/200001'));
      await fixture.lab.check('client', ['ip', 'route', 'del', ...route]);
      expect(digest).toBe(pseudoRandomDigest(200_001));
    }
  });

  it('refuses what the server refuses, before any data', async () => {
    const reason = 'sidetrack_relay_connect_errors_total{reason="refused"}';
    const before = await fixture.metric(reason);
    const { outcome } = await fixture.client('client', 'dial', host, '81');
    expect(['ECONNRESET', 'closed', 'ECONNREFUSED']).toContain(outcome);
    expect(await fixture.metric(reason)).toBe(before + 1);
  });
});

describe('bulk', () => {
  const bytes = (direction: string) =>
    fixture.metric(`sidetrack_relay_bytes_total{direction="${direction}"}`);
  const iperf = (...args: string[]) => ['iperf3', '-c', ADDRESS.internet.v4, ...args];

  beforeAll(async () => {
    fixture.lab.spawn('internet', ['iperf3', '-s'], { stdio: 'ignore' });
    await waitFor('iperf3 to listen', async () => {
      const { stdout } = await fixture.lab.run('internet', ['cat', '/proc/net/tcp6']);
      return /:1451 /.test(stdout);
    });
  });

  it.each([
    ['upload', []],
    ['download', ['-R']],
  ])('passes iperf3 %s', async (direction, flags) => {
    const before = await bytes(direction);
    await fixture.lab.check('client', iperf('-n', '400M', ...flags));
    // iperf3 ends when it has counted enough. What need not have arrived: 32 MiB where server1 receives
    // (tcp_rmem), 4 MiB where the sender waits (tcp_wmem), a pipe.
    expect((await bytes(direction)) - before).toBeGreaterThan(360 * 1024 * 1024);
  });

  it('counts every byte, once', async () => {
    const before = await bytes('download');
    const size = 30_000_000;
    await fixture.download('client', url(ADDRESS.internet.v4, `/bytes/${size}`));
    const headers = (await bytes('download')) - before - size;
    expect(headers).toBeGreaterThan(0);
    // Status line, a few fields, and a line for each 64 KiB chunk.
    expect(headers).toBeLessThan(10_000);
  });

  it('counts bytes while they move, not when the connection ends', async () => {
    const client = fixture.lab.spawn('client', iperf('-t', '60'), { stdio: 'ignore' });
    let running = true;
    client.exited.then(() => {
      running = false;
    });
    for (let seen = await bytes('upload'), rises = 0; rises < 3; rises++) {
      const last = seen;
      await waitFor('the counter to move', async () => {
        seen = await bytes('upload');
        return seen > last;
      });
      expect(running).toBe(true);
    }
    client.signal('SIGKILL');
    await client.exited;
  });
});

describe('loops', () => {
  it("never catches server1's own traffic", async () => {
    const before = await connections();
    const steered = await fixture.counted('steered');
    for (const family of FAMILIES) {
      const { digest } = await fixture.download(
        'server1',
        url(ADDRESS.internet[family], '/bytes/9999'),
      );
      expect(digest).toBe(pseudoRandomDigest(9999));
    }
    expect(await connections()).toBe(before);
    expect(await fixture.counted('steered')).toBe(steered);
  });

  it('resets whoever dials the relay itself, and counts it', async () => {
    for (const family of FAMILIES) {
      const before = await fixture.metric('sidetrack_relay_rejected_total{reason="loop"}');
      const { outcome } = await fixture.client('client', 'dial', ADDRESS.server1[family], '12345');
      expect(['ECONNRESET', 'closed']).toContain(outcome);
      expect(await fixture.metric('sidetrack_relay_rejected_total{reason="loop"}')).toBe(
        before + 1,
      );
    }
  });
});
