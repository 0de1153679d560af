/** What the relay learns from an exporter, and what it makes of one that is none. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { ExporterClient } from '../../../monitoring/exporter-client.js';
import type { ExporterPlace } from '../../../monitoring/exporter-request.js';
import type { PageTls } from '../../../monitoring/http-server.js';
import { startMonitoring } from '../../../monitoring/server.js';
import { STATE_VERSION, type State } from '../../../monitoring/state.js';

const ends: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

const STATE: State = {
  version: STATE_VERSION,
  at: 1,
  servers: [{ name: 'server1', captured: 7 }],
  health: [{ level: 'warning', host: 'router', what: 'differs', next: 'sidetrack plan' }],
};

async function exporter(auth = false, tls?: PageTls): Promise<ExporterPlace> {
  let asked = 0;
  const server = await startMonitoring({
    address: '127.0.0.1',
    port: 0,
    registry: new Registry(),
    state: async () => ({ ...STATE, servers: [{ name: 'server1', captured: ++asked }] }),
    why: async (client, to) => ({ rule: 'office', action: 'proxy', text: `${client} to ${to}` }),
    files: new Map(),
    ...(tls && { tls }),
    ...(auth && { auth: { token: Buffer.from('secret') } }),
  });
  ends.push(server.close);
  return { address: '0.0.0.0', port: Number(new URL(server.url).port) };
}

async function other(listener: RequestListener): Promise<ExporterPlace> {
  const server: Server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return {
    address: '127.0.0.1',
    port: typeof address === 'object' && address !== null ? address.port : 0,
  };
}

const saidOf = async (client: ExporterClient) => (await client.read()).health[0]?.what;

describe('why a connection is steered', () => {
  const WAY = ['192.168.1.7:50000', '[2001:db8::1]:443'] as const;

  it('is what the exporter makes of its addresses', async () => {
    const place = await exporter();
    expect(await new ExporterClient(() => place).why(...WAY)).toMatchObject({
      rule: 'office',
      text: '192.168.1.7:50000 to [2001:db8::1]:443',
    });
  });

  it('is told with the token only, where there is one', async () => {
    const place = await exporter(true);
    await expect(new ExporterClient(() => place).why(...WAY)).rejects.toThrow(/wants a token/);
    const token = { ...place, token: Buffer.from('secret') };
    expect(await new ExporterClient(() => token).why(...WAY)).toMatchObject({ action: 'proxy' });
  });

  it.each([
    ['an answer without an end', 'x'.repeat(1 << 20), /its answer has no end/],
    ['no JSON', '<html>', /none, or of another version/],
    ['another shape', '{"version":1,"text":7,"action":"proxy"}', /none, or of another version/],
    [
      'a text without measure',
      JSON.stringify({ version: 1, action: 'proxy', text: 'x'.repeat(5000) }),
      /none, or of another version/,
    ],
  ])('is not taken from what is none: %s', async (_name, body, said) => {
    const place = await other((_request, response) => response.end(body));
    await expect(new ExporterClient(() => place).why(...WAY)).rejects.toThrow(said);
  });
});

describe('the half of the router', () => {
  it('is what the exporter says, asked for once in a while', async () => {
    const place = await exporter();
    const client = new ExporterClient(() => place);
    const first = await client.read();
    expect(first).toMatchObject({ half: { servers: [{ captured: 1 }] }, health: STATE.health });
    expect((await client.read()).half).toEqual(first.half);
  });

  it('is told with the token, and without it why not', async () => {
    const place = await exporter(true);
    const said = await saidOf(new ExporterClient(() => place));
    expect(said).toContain('it wants a token that this relay cannot read');
    const token = { ...place, token: Buffer.from('secret') };
    expect((await new ExporterClient(() => token).read()).half.servers).toHaveLength(1);
  });

  it('is missing without an exporter, which is no trouble', async () => {
    const client = new ExporterClient(() => ({ address: '127.0.0.1', port: 1 }));
    expect(await client.read()).toEqual({
      half: {},
      health: [
        {
          level: 'ok',
          host: 'router',
          what: 'rules and hosts are not shown, because no exporter answers on port 1: nothing listens there',
          next: 'sidetrack exporter',
        },
      ],
    });
  });

  it.each<[string, RequestListener, string]>([
    ['another program', (_, response) => response.end('<html>'), 'of another version'],
    ['another version', (_, response) => response.end('{"version":99}'), 'of another version'],
    ['an error', (_, response) => response.writeHead(500).end(), 'it says 500'],
    ['one that hangs up', (request) => request.socket.destroy(), 'it hangs up'],
    [
      'one without an end',
      (_, response) => {
        const more = () => {
          while (!response.destroyed && response.write('x'.repeat(65_536)));
        };
        response.on('drain', more).on('error', () => {});
        more();
      },
      'its answer has no end',
    ],
  ])('is not taken from %s', async (_, listener, words) => {
    const place = await other(listener);
    const client = new ExporterClient(() => place, 10_000);
    expect(await saidOf(client)).toContain(words);
  });

  it('is not waited for longer than a moment', async () => {
    let asked = 0;
    const place = await other(() => {
      asked++;
    });
    const client = new ExporterClient(() => place, 30);
    expect(await saidOf(client)).toContain('it has not answered yet');
    expect(await saidOf(client)).toContain('it has not answered yet');
    expect(asked).toBe(1);
  });
});

describe('an exporter with TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sidetrack-exporter-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (name: string) => join(folder, name);

  /** Signed by an authority that both sides trust, as the public ones are. */
  function certificateFor(name: string, host: string): PageTls {
    const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
    const pair = (of: string) => [
      '-nodes',
      '-keyout',
      file(`${of}.key`),
      '-out',
      file(`${of}.crt`),
    ];
    const run = (args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
    if (!existsSync(file('authority.crt'))) run([...made, ...pair('authority'), '-subj', '/CN=CA']);
    run([
      ...[...made, ...pair(name), '-subj', `/CN=${host}`, '-days', '2'],
      ...['-addext', `subjectAltName=DNS:${host}`, '-addext', 'basicConstraints=critical,CA:FALSE'],
      ...['-CA', file('authority.crt'), '-CAkey', file('authority.key')],
    ]);
    return {
      certificate: Buffer.concat([
        readFileSync(file(`${name}.crt`)),
        readFileSync(file('authority.crt')),
      ]),
      key: readFileSync(file(`${name}.key`)),
    };
  }

  it('is known by its certificate or the next one for its names, and gets the token only then', async () => {
    const own = certificateFor('own', 'exporter.example');
    const next = certificateFor('next', 'exporter.example');
    const others = certificateFor('others', 'evil.example');
    const answerOf = async (tls: PageTls) => {
      const place = await exporter(true, tls);
      const token = Buffer.from('secret');
      const { certificate } = own;
      return new ExporterClient(() => ({ ...place, isTls: true, token, certificate })).read();
    };
    expect((await answerOf(own)).half.servers).toHaveLength(1);
    expect((await answerOf(next)).half.servers).toHaveLength(1);
    const { half, health } = await answerOf(others);
    expect(half).toEqual({});
    expect(health[0]?.what).toContain('its certificate is another');
  });
});
