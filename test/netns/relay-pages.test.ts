/** The pages of a relay that runs: who may ask, a reload, a hand-over, and closing what a filter names. */
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { LAB_CONFIG } from '../../control/lab/demo.js';
import type { LabProcess } from '../../control/lab/lab.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { connectionPage, why } from '../../monitoring/connection-page.js';
import { state } from '../../monitoring/state.js';
import { Fixture, waitFor } from './fixture.js';
import { holdConnection } from './hold.js';

const PAGES = 'http://127.0.0.1:9150';
const TOKEN = 'a-token-of-the-lab';

let fixture: Fixture;
let relay: LabProcess | undefined;
let said = '';

beforeAll(async () => {
  fixture = await Fixture.start();
  await fixture.succeed('apply');
});
afterAll(() => fixture?.stop());
afterEach(async () => {
  relay?.signal('SIGKILL');
  await relay?.exited;
});

const fileOf = (name: string) => join(fixture.directory, name);

function secret(name: string, text: string): string {
  writeFileSync(fileOf(name), text);
  chmodSync(fileOf(name), 0o600);
  return name;
}

const configure = (metrics: string) =>
  fixture.configure(`${LAB_CONFIG}relay:\n  metrics: ${metrics}\n`);

async function start(metrics: string): Promise<void> {
  configure(metrics);
  relay = await fixture.startRelay();
  said = '';
  relay.child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk;
  });
}

/** On server1. @returns status and body. */
async function ask(path: string, ...options: string[]): Promise<[number, string]> {
  const argv = ['curl', '-sS', '--max-time', '10', '-w', '\n%{http_code}', ...options];
  const text = await fixture.lab.check('server1', [...argv, `${PAGES}${path}`]);
  const end = text.lastIndexOf('\n');
  return [Number(text.slice(end + 1)), text.slice(0, end)];
}

const bearer = (token: string) => ['-H', `Authorization: Bearer ${token}`];

async function read<T>(schema: z.ZodType<T>, path: string, ...options: string[]): Promise<T> {
  const [, body] = await ask(path, ...options);
  return schema.parse(JSON.parse(body));
}

describe('with a token', () => {
  it('shows who is connected, why, and closes what a filter names', async () => {
    const socket = fileOf('pages.sock');
    secret('token', `${TOKEN}\n`);
    await start(`{ socket: ${socket}, auth: { bearer_token_file: token } }`);
    expect((await ask('/state.json'))[0]).toBe(401);
    expect((await ask('/state.json', '-H', 'Host: evil.example', ...bearer(TOKEN)))[0]).toBe(421);
    const held = await holdConnection(fixture, 'client');
    const local = ['--unix-socket', socket];
    const query = `/connections.json?to=${ADDRESS.internet.v4}&state=open`;
    await waitFor('the connection', async () => {
      return (await read(connectionPage, query, ...local)).matching === 1;
    });
    const { connections } = await read(connectionPage, query, ...bearer(TOKEN));
    const [one] = connections;
    expect(one).toMatchObject({ open: true, state: 'relaying', upstream: 'direct' });
    const reason = await read(why, `/why.json?id=${one?.id}`, ...bearer(TOKEN));
    expect(reason).toMatchObject({ action: 'proxy', rule: 'rest' });
    expect(reason.at ?? '').not.toContain('/');
    const now = await read(state, '/state.json', ...bearer(TOKEN));
    expect(now.relay?.connections.active).toBe(1);
    expect(now.clients).toHaveLength(1);
    const [, table] = await ask('/', ...bearer(TOKEN));
    expect(table).toContain('direct');
    const post = [
      '-X',
      'POST',
      '-H',
      'content-type: application/json',
      '-d',
      '{"filter":{"upstream":"direct"}}',
    ];
    expect((await ask('/connections/close', ...post))[0]).toBe(401);
    const [status, body] = await ask('/connections/close', ...post, ...bearer(TOKEN));
    expect([status, JSON.parse(body).closed]).toEqual([200, [one?.id]]);
    await expect(held.roundTrip('still there')).rejects.toThrow();
    await waitFor('its end', async () => {
      const page = await read(connectionPage, '/connections.json?state=closed', ...local);
      return page.connections.some(({ id, state }) => id === one?.id && state === 'closed');
    });
  });

  it('takes a new one at a reload, and of a bad one nothing', async () => {
    secret('token', TOKEN);
    await start('{ auth: { bearer_token_file: token } }');
    secret('token', '\n');
    relay?.signal('SIGHUP');
    await waitFor('the failure', () => said.includes('reload failed'));
    expect(said).toMatch(/sidetrack\.yaml:\d+:\d+: the token in .*\/token is empty/);
    expect((await ask('/metrics', ...bearer(TOKEN)))[0]).toBe(200);
    rmSync(fileOf('token'));
    said = '';
    relay?.signal('SIGHUP');
    await waitFor('the failure', () => said.includes('reload failed'));
    expect(said).toMatch(/:\d+:\d+: cannot read the token from .*: no such file/);
    secret('token', 'another');
    relay?.signal('SIGHUP');
    await waitFor(
      'the new token',
      async () => (await ask('/metrics', ...bearer('another')))[0] === 200,
    );
    expect(said).toContain('who may ask for pages');
    expect((await ask('/metrics', ...bearer(TOKEN)))[0]).toBe(401);
    expect(said).not.toContain(TOKEN);
  });
});

describe('a start', () => {
  it.each([
    [
      'a key of another pair',
      'tls: { certificate_file: a.crt, key_file: b.key }',
      /:\d+:\d+: the key in .*b\.key does not fit the certificate/,
    ],
    [
      'what is no certificate',
      'tls: { certificate_file: a.key, key_file: a.key }',
      /:\d+:\d+: the certificate in .*a\.key is no certificate in PEM/,
    ],
    [
      'a socket without a directory',
      'socket: /nowhere/pages.sock',
      /:\d+:\d+: the socket \/nowhere\/pages\.sock cannot be made: its directory is not there/,
    ],
  ])('with %s says so', async (_, metrics, message) => {
    for (const name of ['a', 'b'])
      await fixture.lab.check(undefined, [
        ...['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
        ...[
          '-nodes',
          '-subj',
          '/CN=x',
          '-keyout',
          fileOf(`${name}.key`),
          '-out',
          fileOf(`${name}.crt`),
        ],
      ]);
    configure(`{ ${metrics} }`);
    const { status, stderr } = await fixture.sidetrackOn('server1', 'relay');
    expect(stderr).toMatch(message);
    expect(status).not.toBe(0);
  });
});

describe('a hand-over', () => {
  it('takes the socket along', async () => {
    const socket = fileOf('pages.sock');
    await start(`{ socket: ${socket} }`);
    const about = () => read(state, '/state.json', '--unix-socket', socket);
    const before = (await about()).relay?.pid;
    relay?.signal('SIGUSR2');
    await waitFor('the next relay on the socket', async () => {
      const now = await about().catch(() => undefined);
      return now !== undefined && now.relay?.pid !== before;
    });
    const pid = (await about()).relay?.pid ?? 0;
    await fixture.lab.check('server1', ['kill', '-9', String(pid)]);
  });
});
