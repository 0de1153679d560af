/** What a socket that is somebody else's may say to us: not everything, and not for ever. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exchange, fitting } from '../../../control/cli/relay/client.js';
import { aboutRelay, closeRequest, connectionList } from '../../../monitoring/control-pages.js';

let folder: string;
let server: Server;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sidetrack-client-'));
});
afterEach(() => {
  server.close();
  server.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});

async function ask(answer: RequestListener, most?: number): Promise<unknown> {
  const path = join(folder, 'relay-1.sock');
  server = createServer(answer).listen(path);
  await once(server, 'listening');
  return exchange(path, 'GET', '/connections', undefined, most === undefined ? {} : { most });
}

describe('an answer of the relay', () => {
  it('carries nothing that would steer a terminal', async () => {
    const connection = {
      upstream: '\u001b]0;x\u0007vps',
      state: 'a\u202eb',
      client: '192.0.2.1:1',
    };
    const said = await ask((_, response) => response.end(JSON.stringify({ one: [connection] })));
    expect(said).toEqual({
      one: [{ upstream: '\\x1b]0;x\\x07vps', state: 'a\\u202eb', client: '192.0.2.1:1' }],
    });
  });

  it('that has no end is given up', async () => {
    let ended = false;
    const endless: RequestListener = (_, response) => {
      response.on('close', () => {
        ended = true;
      });
      const more = () => {
        while (!ended && response.write('[['.repeat(10_000)));
      };
      response.on('drain', more);
      more();
    };
    await expect(ask(endless, 1_000_000)).rejects.toMatchObject({ code: 'relay-answer' });
    await expect.poll(() => ended).toBe(true);
  });

  it('that is not one is named, with no stack trace', async () => {
    await expect(ask((_, response) => response.end('hello'))).rejects.toMatchObject({
      code: 'relay-answer',
      message: expect.stringContaining('not JSON'),
    });
  });

  it('that is a refusal is shown', async () => {
    const refuse: RequestListener = (_, response) => {
      response.writeHead(500).end('{"error":"no \\u001b[31m"}');
    };
    await expect(ask(refuse)).rejects.toMatchObject({ message: 'the relay says: no \\x1b[31m' });
  });
});

describe('what a relay says', () => {
  const way = { bytes: 1, mode: 'express', stalled: false, ended: false };
  const connection = {
    id: 7,
    acceptedAt: new Date(0).toISOString(),
    ...{ age: 1, idle: 0, client: '192.0.2.1:1', clientFrom: 'socket' },
    ...{ originalDestination: '198.51.100.7:443', state: 'relaying', rtt: {} },
    ...{ upload: way, download: way },
  };

  it('is read of an older relay, too, and with words that are new', () => {
    const list = { at: 1, connections: [connection] };
    expect(fitting(list, connectionList)).toEqual(list);
    expect(fitting({ version: 1, ...list, more: 1 }, connectionList)).toEqual({
      version: 1,
      ...list,
    });
  });

  it.each([
    [{}, aboutRelay, 'pid: '],
    [{ pid: 0, port: 1 }, aboutRelay, 'pid: '],
    [{ version: 2, pid: 1, port: 1 }, aboutRelay, 'its version is 2'],
    [
      { at: 1, connections: [{ ...connection, upload: undefined }] },
      connectionList,
      'connections.0.upload',
    ],
    [{ at: 1, connections: [{ ...connection, age: null }] }, connectionList, 'connections.0.age'],
  ])('is refused in one line in another shape: %#', (answer, schema, problem) => {
    expect(() => fitting<unknown>(answer, schema)).toThrow(
      expect.objectContaining({
        code: 'relay-answer',
        message: expect.stringContaining(problem),
        hint: expect.stringContaining('of the same version'),
      }),
    );
  });

  it('closes what has a number, and not everything at once', () => {
    const ids = (value: unknown) => closeRequest.safeParse({ ids: value }).success;
    expect([[1], [1, 2]].map(ids)).toEqual([true, true]);
    expect([[], ['1'], [-1], [0.5], 1, undefined, Array(1025).fill(1)].map(ids)).toEqual(
      Array(7).fill(false),
    );
  });
});
