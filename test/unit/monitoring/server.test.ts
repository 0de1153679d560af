import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { relayRegistry } from '../../../monitoring/collect.js';
import {
  MonitoringError,
  type MonitoringServer,
  startMonitoring,
} from '../../../monitoring/server.js';
import { startRelay } from '../../../proxy/relay.js';

const servers: MonitoringServer[] = [];

async function serve(
  registry = new Registry(),
  port = 0,
  patienceMs?: number,
): Promise<MonitoringServer> {
  const server = await startMonitoring({
    address: '127.0.0.1',
    port,
    registry,
    recent: () => [],
    ...(patienceMs !== undefined && { patienceMs }),
  });
  servers.push(server);
  return server;
}

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

describe('the monitoring server', () => {
  it('answers on each of its pages', async () => {
    const { url } = await serve();
    expect(await (await fetch(`${url}/healthz`)).text()).toBe('ok\n');
    expect(await (await fetch(`${url}/`)).text()).toContain('/metrics');
    expect(await (await fetch(`${url}/connections?x=1`)).json()).toEqual({ connections: [] });
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
  });

  it('shows a real relay', async () => {
    const relay = startRelay({ port: 0, threads: 2 });
    const { url } = await serve(relayRegistry(() => relay.stats(), '1.2.3'));
    await fetch(`http://127.0.0.1:${relay.port}/`).catch(() => {});
    await expect.poll(() => relay.active()).toBe(0);
    const answer = await fetch(`${url}/metrics`);
    expect(answer.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    expect(await answer.text()).toContain('sidetrack_relay_connections_total{family="ipv4"} 1\n');
    relay.stop();
  });

  it('names a port that is taken', async () => {
    const { url } = await serve();
    const port = Number(new URL(url).port);
    const error = await serve(new Registry(), port).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(MonitoringError);
    expect(error).toMatchObject({ code: 'EADDRINUSE' });
    expect((error as MonitoringError).message).toContain(`127.0.0.1:${port}`);
  });

  it('gives clients that never finish their request few descriptors, and those not for long', async () => {
    const { url } = await serve(new Registry(), 0, 200);
    const { port } = new URL(url);
    const before = readdirSync('/proc/self/fd').length;
    let open = 0;
    const clients = Array.from({ length: 100 }, () => {
      const client = connect(Number(port), '127.0.0.1', () => {
        open++;
        client.write('GET /metrics HTTP/1.1\r\n');
      });
      client.on('error', () => {});
      return client.on('close', () => open--).resume();
    });
    await expect.poll(() => open).toBe(24);
    expect(readdirSync('/proc/self/fd').length - before).toBeLessThanOrEqual(50);
    await expect.poll(() => open, { timeout: 5000 }).toBe(0);
    expect(clients.every(({ destroyed }) => destroyed)).toBe(true);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it('survives a page that fails', async () => {
    const registry = new Registry();
    registry.metrics = () => Promise.reject(new Error('no counters'));
    const { url } = await serve(registry);
    const answer = await fetch(`${url}/metrics`);
    expect(answer.status).toBe(500);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });
});
