/** Pages that stay: `/events`, and clients that would hold what they were given. */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer, type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { Events, LISTENERS_MOST } from '../../../monitoring/events.js';
import {
  type MonitoringOptions,
  type MonitoringServer,
  startMonitoring,
} from '../../../monitoring/server.js';
import { STATE_VERSION, type State } from '../../../monitoring/state.js';
import { ask } from './ask.js';

const servers: MonitoringServer[] = [];
const sockets: { destroy(): void }[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) await server.close();
});

let made = 0;
const state = async (): Promise<State> => ({
  version: STATE_VERSION,
  at: ++made,
  clients: [],
  health: [{ level: 'ok', host: 'relay', what: 'nothing', next: '' }],
});

async function serve(options: Partial<MonitoringOptions> = {}): Promise<MonitoringServer> {
  const server = await startMonitoring({
    address: '127.0.0.1',
    port: 0,
    registry: new Registry(),
    state,
    files: new Map(),
    ...options,
  });
  servers.push(server);
  return server;
}

async function listen(url: string, token?: string): Promise<IncomingMessage> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const sent = request(`${url}/events`, { agent: false, headers }).end();
  sockets.push(sent);
  const [answer]: IncomingMessage[] = await once(sent, 'response');
  if (answer === undefined) throw new Error('no answer');
  return answer;
}

async function nextState(answer: IncomingMessage): Promise<State> {
  const [chunk] = await once(answer, 'data');
  return JSON.parse(/^event: state\ndata: (.*)\n\n$/s.exec(String(chunk))?.[1] ?? '');
}

describe('/events', () => {
  it('tells the state at once and each second, to all the same, and makes none for nobody', async () => {
    const { url } = await serve();
    made = 0;
    const [one, other] = [await listen(url), await listen(url)];
    expect(one.headers['content-type']).toBe('text/event-stream');
    const first = await nextState(one);
    expect(first.clients).toBeUndefined();
    await nextState(other);
    const [a, b] = await Promise.all([nextState(one), nextState(other)]);
    expect(a).toEqual(b);
    expect(a.at).toBeGreaterThan(first.at);
    one.destroy();
    other.destroy();
    // The other server's events are the clock.
    const clock = await listen((await serve({ state: async () => ({ ...first }) })).url);
    await nextState(clock);
    const before = made;
    await nextState(clock);
    await nextState(clock);
    expect(made).toBe(before);
  });

  it('has places for some, and room for a scrape beside them', async () => {
    const { url } = await serve();
    const listeners = [];
    for (let i = 0; i < LISTENERS_MOST; i++) listeners.push(await listen(url));
    const refused = await listen(url);
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([503, '10']);
    refused.destroy();
    expect((await ask(url, '/metrics')).status).toBe(200);
    listeners[0]?.destroy();
    await expect
      .poll(async () => {
        const again = await listen(url);
        const { statusCode } = again;
        again.destroy();
        return statusCode;
      })
      .toBe(200);
  });

  it('is no longer told to those whose token is not the one of now, nor clients to who may not see them', async () => {
    const token = Buffer.from('old');
    const server = await serve({ auth: { token } });
    const answer = await listen(server.url, 'old');
    expect((await nextState(answer)).clients).toEqual([]);
    server.update({ auth: { token: Buffer.from('new') } });
    await expect(async () => {
      for (;;) await nextState(answer);
    }).rejects.toThrow('aborted');
    server.update({ showsConnections: true });
    const open = await listen(server.url);
    expect((await nextState(open)).clients).toEqual([]);
    server.update({});
    await expect.poll(async () => (await nextState(open)).clients).toBeUndefined();
  });

  it('keeps nothing for a listener that does not read, and lets it go', async () => {
    const host = 'x'.repeat(1 << 20);
    const events = new Events(
      async () => ({ ...(await state()), health: [{ level: 'ok', host, what: '', next: '' }] }),
      { most: 1, everyMs: 20, slowMs: 200 },
    );
    let held = 0;
    const server = createServer((_, response) => {
      try {
        events.listen(response, () => ({ enters: true, sees: true }));
        const look = setInterval(() => {
          held = Math.max(held, response.writableLength);
        }, 5);
        response.once('close', () => clearInterval(look));
      } catch {
        response.writeHead(503).end();
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    servers.push({
      url: '',
      update: () => {},
      close: async () => {
        events.end();
        server.closeAllConnections();
        server.close();
      },
    });
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const slow = connect(port, '127.0.0.1');
    sockets.push(slow);
    slow.write('GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await once(slow, 'readable');
    const url = `http://127.0.0.1:${port}`;
    const status = async () => {
      const answer = await listen(url);
      answer.destroy();
      return answer.statusCode;
    };
    expect(await status()).toBe(503);
    await expect.poll(status, { timeout: 5000 }).toBe(200);
    // Never more than the one that did not fit.
    expect(held).toBeLessThan(2.5 * (1 << 20));
  });

  it('ends with the server', async () => {
    const server = await serve();
    const answer = await listen(server.url);
    answer.on('error', () => {});
    const ended = new Promise((resolve) => answer.once('close', resolve));
    await server.close();
    await ended;
  });
});

describe('many clients', () => {
  it('that hold connections open get few of them, and a scrape gets in when they are let go', async () => {
    const { url } = await serve({ patienceMs: 300 });
    const { port } = new URL(url);
    const before = readdirSync('/proc/self/fd').length;
    const idle: Socket[] = Array.from({ length: 1000 }, () => {
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => {});
      sockets.push(socket);
      return socket.resume();
    });
    await Promise.all(idle.map((socket) => once(socket, 'close').catch(() => {})));
    expect(readdirSync('/proc/self/fd').length).toBeLessThan(before + 50);
    expect((await ask(url, '/metrics')).status).toBe(200);
  });
});

describe('an odd request', () => {
  const raw = async (url: string, text: string): Promise<string> => {
    const { port } = new URL(url);
    const socket = connect(Number(port), '127.0.0.1');
    sockets.push(socket);
    socket.end(text);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += String(chunk);
    });
    await once(socket, 'close').catch(() => {});
    return answer;
  };

  it.each([
    ['a path that climbs', 'GET /web/../../../etc/passwd HTTP/1.1\r\nhost: localhost\r\n\r\n', 404],
    [
      'one in disguise',
      'GET /web/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nhost: localhost\r\n\r\n',
      404,
    ],
    ['a property of objects', 'GET /__proto__ HTTP/1.1\r\nhost: localhost\r\n\r\n', 404],
    ['a whole URL', 'GET http://evil.example/metrics HTTP/1.1\r\nhost: localhost\r\n\r\n', 404],
    ['a long path', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nhost: localhost\r\n\r\n`, 431],
    ['a long header', `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    ['many headers', `GET / HTTP/1.1\r\nhost: localhost\r\n${'x: y\r\n'.repeat(20_000)}\r\n`, 431],
    ['no HTTP', 'SSH-2.0-x\r\n\r\n', 400],
    ['two Hosts', 'GET / HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n', 400],
    ['another method', 'DELETE /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n', 405],
    ['TRACE', 'TRACE / HTTP/1.1\r\nhost: localhost\r\n\r\n', 405],
    ['HEAD where there is no end', 'HEAD /events HTTP/1.1\r\nhost: localhost\r\n\r\n', 405],
    ['another name', 'GET / HTTP/1.1\r\nhost: evil.example\r\n\r\n', 421],
    [
      'another site',
      'GET /events HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: cross-site\r\n\r\n',
      403,
    ],
  ])('%s is answered shortly', async (_, text, status) => {
    const { url } = await serve();
    const answer = await raw(url, text.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n'));
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer.length).toBeLessThan(1500);
  });

  it('without an end is cut off', async () => {
    const { url } = await serve({ patienceMs: 200 });
    const { port } = new URL(url);
    const socket = connect(Number(port), '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => {});
    socket.write(
      'POST /connections/close HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n',
    );
    const timer = setInterval(() => socket.write('1\r\nx\r\n'), 20);
    await once(socket.resume(), 'close');
    clearInterval(timer);
  });

  it('says in each answer what a browser may do with it', async () => {
    const { url } = await serve();
    for (const path of ['/', '/nothing', '/metrics', '/state.json']) {
      const { headers } = await ask(url, path);
      expect(headers).toMatchObject({
        'content-security-policy': expect.stringContaining("default-src 'self'"),
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store',
      });
    }
    const head = await ask(url, '/state.json', { method: 'HEAD' });
    expect([head.status, head.body]).toEqual([200, '']);
    expect(Number(head.headers['content-length'])).toBeGreaterThan(10);
  });
});
