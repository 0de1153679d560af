/** Who may ask for which page, who may see connections, and who may close them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Registry } from 'prom-client';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { parseEntry } from '../../../control/config/entry.js';
import { Connections } from '../../../monitoring/connections.js';
import {
  MonitoringError,
  type MonitoringOptions,
  type MonitoringServer,
  startMonitoring,
} from '../../../monitoring/server.js';
import { STATE_VERSION, type State } from '../../../monitoring/state.js';
import type { OpenConnection } from '../../../proxy/open-connections.js';
import { asJson, ask } from './ask.js';

const folder = mkdtempSync(join(tmpdir(), 'sidetrack-pages-'));
afterAll(() => rmSync(folder, { recursive: true }));

const servers: MonitoringServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

const STATE: State = {
  version: STATE_VERSION,
  at: 1,
  clients: [
    { address: '192.168.1.7', active: 1, connections: 1, bytes: { upload: 1, download: 1 } },
  ],
  health: [{ level: 'ok', host: 'relay', what: 'nothing', next: '' }],
};

const way = { bytes: 10, mode: 'copy' as const, stalled: false, ended: false };
const connection = (id: number, client = '192.168.1.7:40000'): OpenConnection => ({
  id,
  acceptedAt: new Date(0),
  age: id,
  idle: 0,
  client,
  clientFrom: 'conntrack',
  originalDestination: '198.51.100.7:443',
  upstream: 'vps',
  state: 'relaying',
  upload: way,
  download: way,
  rtt: {},
});

const closed: number[] = [];
async function serve(options: Partial<MonitoringOptions> = {}): Promise<MonitoringServer> {
  const open = [connection(1), connection(2, '[fd00::7]:40000')];
  const source = {
    connections: async () => open,
    recent: () => [],
    close: async (ids: readonly number[]) => {
      closed.push(...ids);
      return open.filter(({ id }) => ids.includes(id));
    },
  };
  const server = await startMonitoring({
    address: '127.0.0.1',
    port: 0,
    registry: new Registry(),
    state: async () => STATE,
    connections: new Connections(source, parseEntry),
    why: async () => ({ action: 'proxy', text: 'because' }),
    files: new Map([['/web/index.html', { type: 'text/html', body: Buffer.from('<p>page</p>') }]]),
    ...options,
  });
  servers.push(server);
  return server;
}

const TOKEN = 'c0ffee';
const basic = (words: string) => `Basic ${Buffer.from(words).toString('base64')}`;
const auth = () => ({
  token: Buffer.from(TOKEN),
  user: { name: 'me', password: Buffer.from('sesame') },
});

describe('with a token, and a user with a password', () => {
  it.each([
    [undefined, 401],
    [`Bearer ${TOKEN}`, 200],
    [`bearer  ${TOKEN}`, 200],
    [`Bearer ${TOKEN}0`, 401],
    ['Bearer', 401],
    ['Bearer sesame', 401],
    [basic('me:sesame'), 200],
    [basic(`anybody:${TOKEN}`), 200],
    [basic('me:sesam'), 401],
    [basic('you:sesame'), 401],
    [basic('mesesame'), 401],
    ['Basic ???', 401],
    [`Digest ${TOKEN}`, 401],
  ])('%s is answered with %i', async (authorization, status) => {
    const { url } = await serve({ auth: auth() });
    const headers = authorization === undefined ? {} : { authorization };
    for (const path of ['/state.json', '/metrics', '/connections.json', '/nothing', '/']) {
      const answer = await ask(url, path, { headers });
      expect([path, answer.status]).toEqual([
        path,
        path === '/nothing' && status === 200 ? 404 : status,
      ]);
      expect(answer.body).not.toContain(TOKEN);
    }
  });

  it('is not asked for more than fits', async () => {
    const { url } = await serve({ auth: auth() });
    const headers = { authorization: `Bearer ${'x'.repeat(9000)}` };
    expect((await ask(url, '/metrics', { headers })).status).toBe(401);
  });

  it('says to a browser how to ask its user, and serves what is no secret', async () => {
    const { url } = await serve({ auth: auth(), ready: () => 'vps is down' });
    const refused = await ask(url, '/state.json');
    expect(refused.headers['www-authenticate']).toBe(
      'Basic realm="sidetrack", charset="UTF-8", Bearer realm="sidetrack"',
    );
    expect((await ask(url, '/', { headers: { accept: 'text/html' } })).body).toBe('<p>page</p>');
    expect((await ask(url, '/-/healthy')).body).toBe('ok\n');
    expect((await ask(url, '/-/ready')).body).toBe('not ready\n');
    const headers = { authorization: `Bearer ${TOKEN}` };
    expect(await ask(url, '/-/ready', { headers })).toMatchObject({
      status: 503,
      body: 'not ready: vps is down\n',
    });
  });

  it('takes the words of a reload, and no longer those before it', async () => {
    const server = await serve({ auth: auth() });
    server.update({ auth: { token: Buffer.from('new') } });
    const as = async (word: string) =>
      (await ask(server.url, '/state.json', { headers: { authorization: `Bearer ${word}` } }))
        .status;
    expect([await as(TOKEN), await as('new')]).toEqual([401, 200]);
  });
});

describe('who is connected to what', () => {
  it('is shown to the socket, to a token, and to all only if that is wanted', async () => {
    const socket = join(folder, 'pages.sock');
    const server = await serve({ socket });
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    for (const path of ['/connections.json', '/connections', '/why.json?id=1'])
      expect([
        path,
        (await ask(server.url, path)).status,
        (await ask(socket, path)).status,
      ]).toEqual([path, 403, 200]);
    const clients = async (where: string) =>
      JSON.parse((await ask(where, '/state.json')).body).clients;
    expect([await clients(server.url), await clients(socket)]).toEqual([undefined, STATE.clients]);
    server.update({ showsConnections: true });
    expect(await clients(server.url)).toEqual(STATE.clients);
    expect((await ask(server.url, '/connections.json')).status).toBe(200);
  });
});

describe('which rule holds for an address, as the exporter says it', () => {
  const WAY = '/why.json?client=192.168.1.7:1&to=203.0.113.9:443';
  const started = async (options: Partial<MonitoringOptions> = {}) => {
    const server = await startMonitoring({
      address: '127.0.0.1',
      port: 0,
      registry: new Registry(),
      why: async (client, to) => ({ action: 'proxy', text: `${client} to ${to}` }),
      files: new Map(),
      ...options,
    });
    servers.push(server);
    return server.url;
  };

  it('is told to this machine, not to another by way of a proxy, and to a token', async () => {
    const url = await started();
    const { status, body } = await ask(url, WAY);
    expect([status, JSON.parse(body).text]).toEqual([200, '192.168.1.7:1 to 203.0.113.9:443']);
    expect((await ask(url, WAY, { headers: { via: '1.1 cache' } })).status).toBe(403);
    const guarded = await started({ auth: auth() });
    expect((await ask(guarded, WAY)).status).toBe(401);
    const headers = { authorization: `Bearer ${TOKEN}`, via: '1.1 cache' };
    expect((await ask(guarded, WAY, { headers })).status).toBe(200);
  });

  it.each(['', '?client=192.168.1.7:1', `${'?client=1&to='}${'1'.repeat(100)}`])(
    'is asked with two addresses: %s',
    async (words) => {
      const { status, body } = await ask(await started(), `/why.json${words}`);
      expect([status, body]).toEqual([400, expect.stringContaining('client= and to=')]);
    },
  );
});

describe('closing', () => {
  const post = (where: string, body: object, headers: Record<string, string> = {}) =>
    ask(where, '/connections/close', {
      method: 'POST',
      headers: { ...asJson, ...headers },
      body,
    });

  it('is for this machine or a token, by number; by a filter for those who may see', async () => {
    closed.length = 0;
    const socket = join(folder, 'close.sock');
    const { url } = await serve({ socket });
    expect(JSON.parse((await post(url, { ids: [1, 99] })).body)).toEqual({
      version: STATE_VERSION,
      closed: [1],
    });
    expect((await post(url, { filter: { upstream: 'vps' } })).status).toBe(403);
    const byFilter = await post(socket, { filter: { client: 'fd00::/8' } });
    expect(JSON.parse(byFilter.body).closed).toEqual([2]);
    expect(closed).toEqual([1, 99, 2]);
    for (const via of ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip'])
      expect((await post(url, { ids: [1] }, { [via]: '203.0.113.9' })).status).toBe(403);
    const guarded = await serve({ auth: auth() });
    expect((await post(guarded.url, { ids: [1] })).status).toBe(401);
    const authorization = `Bearer ${TOKEN}`;
    expect((await post(guarded.url, { filter: {} }, { authorization })).status).toBe(200);
  });

  it('is not for those behind a proxy on this machine, which may say nothing of them', async () => {
    const { url } = await serve({ hosts: ['relay.example'] });
    for (const host of ['relay.example', '192.168.1.2:9150'])
      expect([host, (await post(url, { ids: [1] }, { host })).status]).toEqual([host, 403]);
    for (const host of ['localhost', '127.0.0.1:9150', '[::1]:9150'])
      expect([host, (await post(url, { ids: [1] }, { host })).status]).toEqual([host, 200]);
    expect((await post(url, { ids: [1] }, { 'x-forwarded-proto': 'https' })).status).toBe(403);
    // As nginx sends it.
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    const body = '{"ids":[1]}';
    socket.write(
      `POST /connections/close HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    expect(await text(socket)).toMatch(/^HTTP\/1.1 403 /);
  });

  it.each([
    ['another site', { origin: 'http://evil.example' }],
    ['a page without an origin', { origin: 'null' }],
    ['what a browser calls another site', { 'sec-fetch-site': 'cross-site' }],
    ['the same machine, another port', { 'sec-fetch-site': 'same-site' }],
    ['another port', { origin: 'http://127.0.0.1:1' }],
  ])('is refused to %s', async (_, headers) => {
    const { url } = await serve();
    expect((await post(url, { ids: [1] }, headers)).status).toBe(403);
  });

  it('is as little as anything else for a page of another origin that browsers say nothing more of', async () => {
    const { url } = await serve();
    const asked = async (path: string, origin: string) =>
      (await ask(url, path, { headers: { origin } })).status;
    for (const path of ['/state.json', '/events', '/metrics', '/connections.json'])
      expect([path, await asked(path, 'http://evil.example')]).toEqual([path, 403]);
    expect(await asked('/state.json', url)).toBe(200);
  });

  it('is done for our own page', async () => {
    const { url } = await serve();
    const headers = { origin: url, 'sec-fetch-site': 'same-origin' };
    expect((await post(url, { ids: [1] }, headers)).status).toBe(200);
  });

  it.each([
    ['a form', 'ids=1', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['text', '{"ids":[1]}', { 'content-type': 'text/plain' }, 415],
    ['what is no JSON', '{', asJson, 400],
    ['no numbers', { ids: [] }, asJson, 400],
    ['too many numbers', { ids: Array.from({ length: 1025 }, (_, i) => i) }, asJson, 400],
    ['another key', { filter: { to: '1.1.1.1', all: true } }, asJson, 400],
    ['a long body', `{"ids":[${'1,'.repeat(50_000)}1]}`, asJson, 413],
  ])('refuses %s', async (_, body, headers, status) => {
    const { url } = await serve();
    const answer = await ask(url, '/connections/close', { method: 'POST', headers, body });
    expect(answer.status).toBe(status);
  });
});

describe('the unix socket', () => {
  it('takes the place of one that was left behind, and of nothing else', async () => {
    const left = join(folder, 'left.sock');
    const dies = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', dies, left]);
    expect(statSync(left).isSocket()).toBe(true);
    const server = await serve({ socket: left });
    expect((await ask(left, '/-/healthy')).status).toBe(200);
    await expect(serve({ socket: left })).rejects.toMatchObject({
      code: 'EADDRINUSE',
      key: 'socket',
    });
    await server.close();
    servers.length = 0;
    expect(statSync(left, { throwIfNoEntry: false })).toBeUndefined();
    const file = join(folder, 'file');
    writeFileSync(file, 'precious');
    const failure = await serve({ socket: file }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(MonitoringError);
    expect(failure).toMatchObject({
      message: `the socket ${file} cannot be made: there is a file that is no socket`,
    });
    expect(readFileSync(file, 'utf8')).toBe('precious');
    await expect(serve({ socket: join(folder, 'no/where') })).rejects.toThrow(
      'its directory is not there',
    );
  });

  it('can be all that there is', async () => {
    const socket = join(folder, 'only.sock');
    const { port: _, ...nowhere } = { port: 0 };
    const server = await startMonitoring({
      address: '127.0.0.1',
      ...nowhere,
      socket,
      registry: new Registry(),
    });
    servers.push(server);
    expect(server.url).toBe(socket);
    expect((await ask(socket, '/-/ready')).body).toBe('ready\n');
  });
});

describe('TLS', () => {
  const pair = (name: string) => {
    const files = { key: join(folder, `${name}.key`), certificate: join(folder, `${name}.crt`) };
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
        ...['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'],
        ...['-keyout', files.key, '-out', files.certificate],
      ],
      { stdio: 'ignore' },
    );
    return { key: readFileSync(files.key), certificate: readFileSync(files.certificate) };
  };

  it('serves the certificate, and the next one after a reload', async () => {
    const [old, next] = [pair('old'), pair('next')];
    const server = await serve({ tls: old });
    expect(server.url).toMatch(/^https:/);
    const seen = (ca: Buffer) => ask(server.url, '/-/healthy', { ca: ca.toString() });
    expect((await seen(old.certificate)).status).toBe(200);
    await expect(seen(next.certificate)).rejects.toThrow(/self-signed/);
    server.update({ tls: next });
    expect((await seen(next.certificate)).status).toBe(200);
    await expect(seen(old.certificate)).rejects.toThrow(/self-signed/);
    await expect(ask(server.url.replace('https', 'http'), '/')).rejects.toThrow();
    expect((await seen(next.certificate)).status).toBe(200);
  });
});
