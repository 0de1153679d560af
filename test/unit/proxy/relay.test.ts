/** A real engine in this process. Nobody redirects here, so every client is turned away. */
import { readdirSync, readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { RelayError } from '../../../proxy/error.js';
import { type Relay, type RelayOptions, startRelay } from '../../../proxy/relay.js';

const running: Relay[] = [];

function start(options: Partial<RelayOptions> = {}): Relay {
  const relay = startRelay({ port: 0, threads: 2, ...options });
  running.push(relay);
  return relay;
}

afterEach(() => {
  for (const relay of running.splice(0)) relay.stop();
});

/** The error that ends a connection to the port, or "end". */
function dial(port: number, host = '127.0.0.1'): Promise<string> {
  return new Promise((resolve) => {
    const socket: Socket = connect(port, host);
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
    socket.on('end', () => resolve('end'));
    socket.resume();
  });
}

function errorOf(work: () => unknown): RelayError {
  try {
    work();
  } catch (error) {
    if (error instanceof RelayError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** The engine names its threads; Node's own come and go as they like. */
const engineThreads = () =>
  readdirSync('/proc/self/task').filter((task) =>
    readFileSync(`/proc/self/task/${task}/comm`, 'utf8').startsWith('relay/'),
  ).length;

it('tells who asks after its end that it has ended, and does not look into its memory', async () => {
  let relay = start();
  /** Its threads may have answered before they were ended. */
  const endedUnderWay = async () => {
    relay = start({ threads: 4 });
    const underWay = relay.connections();
    await Promise.resolve();
    relay.destroy();
    const said = await underWay.then(
      () => 'answered',
      ({ message }: Error) => message,
    );
    expect(said).toMatch(/^answered$|the relay has ended/);
    return said !== 'answered';
  };
  let found = false;
  for (let tries = 0; tries < 50 && !found; tries++) found = await endedUnderWay();
  expect(found).toBe(true);
  for (const question of ['stats', 'clients', 'recent', 'active'] as const)
    expect(() => relay[question](), question).toThrow('the relay has ended');
});

describe('startRelay', () => {
  it('listens on a port of the kernel’s choice with the threads asked for', () => {
    const relay = start({ threads: 3, maxConnections: 7 });
    expect(relay.port).toBeGreaterThan(0);
    expect(relay).toMatchObject({ threads: 3, maxConnections: 7 });
    expect(relay.active()).toBe(0);
  });

  it('reckons the most connections from the descriptor limit', () => {
    expect(start().maxConnections).toBeGreaterThan(100);
  });

  it('refuses a port that another relay has, though both could share it', () => {
    const { port } = start();
    const error = errorOf(() => start({ port }));
    expect(error.code).toBe('EADDRINUSE');
    expect(error.message).toContain(String(port));
    expect(error.hint).toContain(`:${port}`);
  });

  it('refuses a port that anyone else has', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    expect(errorOf(() => start({ port })).code).toBe('EADDRINUSE');
    await new Promise((resolve) => server.close(resolve));
  });

  it('refuses an address that is not here', () => {
    const error = errorOf(() => start({ address: '192.0.2.1' }));
    expect(error.code).toBe('EADDRNOTAVAIL');
    expect(error.message).toContain('192.0.2.1');
  });

  it('listens on one address only, when told', async () => {
    const { port } = start({ address: '127.0.0.1' });
    expect(await dial(port, '127.0.0.1')).toBe('ECONNRESET');
    expect(await dial(port, '127.0.0.2')).toBe('ECONNREFUSED');
  });
});

describe('a client that nobody redirected', () => {
  it('is reset, counted and shown', async () => {
    const relay = start();
    expect(await dial(relay.port)).toBe('ECONNRESET');
    await expect.poll(() => relay.active()).toBe(0);
    const { counters, outcomes, histograms } = relay.stats();
    expect(counters).toMatchObject({ accepted_ipv4: 1, accepted_ipv6: 0, active: 0 });
    expect(counters).toMatchObject({ upload_bytes: 0, download_bytes: 0 });
    /* the kernel knows a destination (this machine) where conntrack runs, and none elsewhere */
    expect(outcomes.loop + outcomes.no_original_destination).toBe(1);
    expect(histograms.lifetime.buckets.reduce((a, b) => a + b)).toBe(1);
    const [connection, ...others] = relay.recent();
    expect(others).toEqual([]);
    expect(connection?.client).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(['loop', 'no_original_destination']).toContain(connection?.outcome);
    expect(Math.abs(Date.now() - connection!.acceptedAt.getTime())).toBeLessThan(60_000);
  });

  it('may come over IPv6', async () => {
    const relay = start();
    const outcome = await dial(relay.port, '::1');
    if (outcome === 'EADDRNOTAVAIL' || outcome === 'ENETUNREACH') return;
    expect(outcome).toBe('ECONNRESET');
    expect(relay.stats().counters.accepted_ipv6).toBe(1);
  });

  it('is one of many: nothing is lost in the counting over threads', async () => {
    const relay = start({ threads: 4 });
    await Promise.all(Array.from({ length: 300 }, () => dial(relay.port)));
    await expect.poll(() => relay.active()).toBe(0);
    const { counters, outcomes } = relay.stats();
    expect(counters.accepted_ipv4).toBe(300);
    expect(Object.values(outcomes).reduce((a, b) => a + b)).toBe(300);
    expect(new Set(relay.recent().map(({ id }) => id)).size).toBe(300);
  });
});

describe('the end', () => {
  it('drain refuses newcomers and resolves when nobody is left', async () => {
    const relay = start();
    await relay.drain(10_000);
    expect(await dial(relay.port)).toBe('ECONNREFUSED');
  });

  it('stop may be called twice, ends every thread, and leaves the statistics', async () => {
    const relay = start({ threads: 4 });
    expect(engineThreads()).toBe(4);
    await dial(relay.port);
    relay.stop();
    relay.stop();
    await relay.drain(1000);
    expect(engineThreads()).toBe(0);
    expect(relay.stats().counters.accepted_ipv4).toBe(1);
    expect(await dial(relay.port)).toBe('ECONNREFUSED');
  });

  it('frees the port for the next relay', async () => {
    const { port } = start();
    await dial(port);
    for (const relay of running.splice(0)) relay.stop();
    expect(start({ port }).port).toBe(port);
  });
});

describe('reload', () => {
  /** Its destination is this machine, so each probe is skipped, which is counted. */
  const probe = {
    probeTargets: [{ address: '127.0.0.1', port: 9 }],
    probeIntervalMs: 100,
    probeTimeoutMs: 100,
  };
  const skipped = (relay: Relay) =>
    relay.stats().upstreams.map(({ name, counters }) => [name, counters.probes_skipped]);

  async function until(holds: () => boolean): Promise<void> {
    for (let i = 0; i < 500 && !holds(); i++) await new Promise((done) => setTimeout(done, 10));
    expect(holds()).toBe(true);
  }

  it('keeps counters with their names, also when there are more names than slots', async () => {
    const relay = start();
    const use = (name: string, probed = false) =>
      relay.reload({ upstreams: [{ name, kind: 'direct' }], ...(probed && probe) });
    await use('first', true);
    await until(() => Number(skipped(relay)[0]?.[1]) >= 1);
    await use('first');
    const [[, count] = []] = skipped(relay);
    for (let i = 0; i < 40; i++) {
      await use(`u${i}`);
      expect(skipped(relay)).toEqual([[`u${i}`, 0]]);
      if (i === 5) {
        await use('first');
        expect(skipped(relay)).toEqual([['first', count]]);
      }
    }
    await use('first');
    expect(skipped(relay)).toEqual([['first', 0]]);
    expect(relay.generations).toBe(1);
  });

  it('is all or nothing', async () => {
    const relay = start({ upstreams: [{ name: 'a', kind: 'direct' }] });
    const unusable = { name: 'b', kind: 'socks5', address: '0.0.0.0', port: 1 } as const;
    await expect(relay.reload({ upstreams: [unusable] })).rejects.toThrow(RelayError);
    expect(relay.stats().upstreams.map(({ name }) => name)).toEqual(['a']);
    relay.stop();
    await expect(relay.reload({})).rejects.toThrow('the relay is not running');
  });

  it('tells how many addresses each upstream has, of which each has ports of its own', async () => {
    const proxy = { name: 'vps', kind: 'socks5', port: 1080 } as const;
    const direct = { name: 'direct', kind: 'direct' } as const;
    const relay = start({ upstreams: [{ ...proxy, address: '192.0.2.1' }, direct] });
    const counted = () => relay.stats().upstreams.map(({ name, addresses }) => [name, addresses]);
    expect(counted()).toEqual([
      ['vps', 1],
      ['direct', undefined],
    ]);
    relay.setAddresses('vps', ['192.0.2.1', '192.0.2.2']);
    expect(counted()[0]).toEqual(['vps', 2]);
    await relay.reload({
      upstreams: [{ ...proxy, address: '192.0.2.1', moreAddresses: ['192.0.2.2', '192.0.2.3'] }],
    });
    expect(counted()[0]).toEqual(['vps', 3]);
    await relay.reload({ upstreams: [{ ...direct, name: 'vps' }] });
    expect(counted()[0]).toEqual(['vps', undefined]);
  });
});
