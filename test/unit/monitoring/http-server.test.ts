import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { shareAmongAddresses } from '../../../monitoring/http-server.js';

const EACH = 2;
const sockets: Socket[] = [];
let port: number;
let server: ReturnType<typeof createServer>;

beforeEach(async () => {
  server = createServer((_, response) => response.end('here\n'));
  // The machine of the test stands for others by its other addresses.
  shareAmongAddresses(server, EACH, (address) => address === '127.0.0.1');
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function hold(localAddress: string): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, localAddress });
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

const ask = (localAddress: string): Promise<number | string> =>
  new Promise((resolve) => {
    const outgoing = request({ host: '127.0.0.1', port, localAddress, agent: false });
    outgoing.once('response', (response) => resolve(response.resume().statusCode!));
    outgoing.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? 'error'));
    outgoing.end();
  });

it('one machine that keeps its connections leaves room for others, and gets new ones for those it gives up', async () => {
  const [first] = [await hold('127.0.0.2'), await hold('127.0.0.2')];
  expect(await ask('127.0.0.2')).toBe('ECONNRESET');
  expect(await ask('127.0.0.3')).toBe(200);
  first!.destroy();
  await expect.poll(() => ask('127.0.0.2')).toBe(200);
});

it('a proxy on this machine, which speaks for many, has no such bound', async () => {
  for (let i = 0; i < 2 * EACH; i++) await hold('127.0.0.1');
  expect(await ask('127.0.0.1')).toBe(200);
});
