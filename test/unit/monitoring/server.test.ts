import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { connect, Server } from 'node:net';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { parseEntry } from '../../../control/config/entry.js';
import { relayRegistry } from '../../../monitoring/collect.js';
import { Connections } from '../../../monitoring/connections.js';
import {
  MonitoringError,
  type MonitoringServer,
  startMonitoring,
} from '../../../monitoring/server.js';
import { startRelay } from '../../../proxy/relay.js';

const servers: MonitoringServer[] = [];
const NOBODY = { connections: async () => [], recent: () => [], close: async () => [] };
const { listen } = Server.prototype;

async function serve(
  registry = new Registry(),
  port = 0,
  patienceMs?: number,
): Promise<MonitoringServer> {
  const server = await startMonitoring({
    address: '127.0.0.1',
    port,
    registry,
    connections: new Connections(NOBODY, parseEntry),
    showsConnections: true,
    hosts: ['server1.lan'],
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

  it('answers to its addresses and names, and to no other that leads here', async () => {
    const { url } = await serve();
    const { port } = new URL(url);
    const asked = async (host: string): Promise<number> => {
      const sent = request({ host: '127.0.0.1', port, path: '/connections', headers: { host } });
      const [answer] = (await once(sent.end(), 'response')) as [IncomingMessage];
      answer.resume();
      return answer.statusCode!;
    };
    for (const host of [
      'localhost',
      `LOCALHOST:${port}`,
      '127.0.0.1:1',
      '[::1]:9150',
      '192.168.1.2',
    ])
      expect([host, await asked(host)]).toEqual([host, 200]);
    expect(await asked('server1.lan:9150')).toBe(200);
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1.evil.example', '[x]:1'])
      expect([host, await asked(host)]).toEqual([host, 421]);
  });

  it('has no list of connections unless it is wanted', async () => {
    const server = await startMonitoring({
      address: '127.0.0.1',
      port: 0,
      registry: new Registry(),
      connections: new Connections(NOBODY, parseEntry),
    });
    servers.push(server);
    for (const path of ['connections', 'connections.json']) {
      const answer = await fetch(`${server.url}/${path}`);
      expect(answer.status).toBe(403);
      expect(await answer.text()).toContain('connections: true');
    }
  });

  it('closes its socket for a while when nothing can be accepted, and listens again', async () => {
    const opened: Server[] = [];
    const spy = vi.spyOn(Server.prototype, 'listen').mockImplementation(function (
      this: Server,
      ...all: unknown[]
    ) {
      opened.push(this);
      return listen.apply(this, all as never);
    });
    const { url } = await serve();
    const [server] = opened;
    // As Node does for every accept() that fails, at once and again as long as the socket is there.
    const fail = () =>
      server!.emit('error', Object.assign(new Error('accept'), { code: 'ENFILE' }));
    fail();
    expect(server!.listening).toBe(false);
    fail();
    await expect.poll(() => server!.listening, { timeout: 5000 }).toBe(true);
    spy.mockRestore();
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it('survives a page that fails', async () => {
    const registry = new Registry();
    registry.metrics = () => Promise.reject(new Error('no counters in /var/lib/x'));
    const { url } = await serve(registry);
    const answer = await fetch(`${url}/metrics`);
    expect(answer.status).toBe(500);
    expect(await answer.text()).toBe('this page cannot be made now\n');
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });
});
