/** What a socket that is somebody else's may say to us: not everything, and not for ever. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exchange } from '../../../control/cli/relay/client.js';

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
  return exchange(path, 'GET', '/connections', undefined, most);
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
