import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { viewOf } from '../../../control/cli/relay/relay-view.js';
import { parseConfig } from '../../../control/config/load.js';
import { chooseCongestion } from '../../../control/plan/congestion.js';
import { clientStates } from '../../../monitoring/client-state.js';
import { state } from '../../../monitoring/state.js';
import { type Relay, type RelayOptions, startRelay } from '../../../proxy/relay.js';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

const KERNEL = { system: 'bbr', available: ['reno', 'bbr'], refusal: () => undefined };

const YAML = `router: { host: local, interfaces: [br-lan] }
servers: [{ host: local, interface: eth0, address: 192.168.1.2 }]
`;

async function start(options: Partial<RelayOptions> = {}) {
  const relay: Relay = startRelay({ port: 0, threads: 2, ...options });
  const reloads = {
    success: 0,
    failure: 0,
    lastSucceeded: true,
    lastSuccess: 1,
    generations: 1,
  };
  const config = await parseConfig('x.yaml', YAML);
  const said = { fit: ['ipv4'], reason: 'upstreams', since: 7 } as const;
  const congestion = chooseCongestion(config.relay.congestionControl, KERNEL);
  const inForce = () => ({ exporter: { address: '127.0.0.1', port: 9 }, congestion });
  const view = viewOf(relay, { reloads, config }, inForce, { said });
  ends.push(() => {
    view.end();
    relay.destroy();
  });
  return { relay, view };
}

describe('the state of a relay', () => {
  it('has the shape that its readers expect', async () => {
    const { relay, view } = await start();
    const now = await view.state();
    expect(state.parse(JSON.parse(JSON.stringify(now)))).toEqual(now);
    expect(now.relay).toMatchObject({
      port: relay.port,
      threads: { count: 2 },
      congestion: { client: 'cubic', elsewhere: 'bbr', upstream: 'bbr' },
    });
    expect(view.congestion()).toMatchObject({ client: 'cubic', upstream: 'bbr' });
    expect(now.health).toEqual([
      { level: 'ok', host: 'relay', what: 'no problem found', next: '' },
      {
        level: 'ok',
        host: 'router',
        what: expect.stringMatching(
          /^rules and hosts are not shown, because no exporter answers on port \d+: nothing listens there$/,
        ),
        next: 'sidetrack exporter',
      },
    ]);
  });

  it('counts a connection that came to nothing, by its reason', async () => {
    const { relay, view } = await start();
    await fetch(`http://127.0.0.1:${relay.port}/`).catch(() => {});
    await expect
      .poll(async () => (await view.state()).relay?.connections.errors)
      .toEqual({ no_original_destination: 1 });
    expect((await view.state()).relay?.connections.accepted).toEqual({ ipv4: 1, ipv6: 0 });
  });
});

/** A port where nothing listens any more. */
function closedPort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

describe('an upstream that is down', () => {
  it('is named with its reason and since when, and is critical when it is the only one', async () => {
    const { view } = await start({
      upstreams: [{ name: 'vps', kind: 'socks5', address: '127.0.0.1', port: await closedPort() }],
      probeTargets: [{ address: '192.0.2.1', port: 443 }],
      probeIntervalMs: 100,
      probeTimeoutMs: 1000,
    });
    await expect
      .poll(async () => (await view.state()).relay?.upstreams[0], { timeout: 5000 })
      .toMatchObject({ up: false, reason: 'probe' });
    const { health } = await view.state();
    expect(health[0]).toMatchObject({ level: 'critical', host: 'relay' });
    expect(health[0]?.what).toMatch(
      /^upstream "vps" is down since [-\d]{10} [:\d]{8} UTC: the destination of `relay.probe`/,
    );
  });
});

describe('the clients of a state', () => {
  const client = (address: string, active: number, uploadBytes: number) => ({
    address,
    active,
    connections: 2,
    uploadBytes,
    downloadBytes: 1,
    lastSeen: new Date(0),
  });

  it('are the busy ones, and the sum of the others', () => {
    const all = [client('other', 0, 5), client('a', 0, 90), client('b', 1, 1), client('c', 0, 30)];
    expect(clientStates(all, 2)).toEqual([
      { address: 'b', active: 1, connections: 2, bytes: { upload: 1, download: 1 } },
      { address: 'a', active: 0, connections: 2, bytes: { upload: 90, download: 1 } },
      { address: 'other', active: 0, connections: 4, bytes: { upload: 35, download: 2 } },
    ]);
    expect(clientStates([])).toEqual([]);
  });
});
