/** What probes say, to a real server where there is one. */
import { once } from 'node:events';
import { type AddressInfo, connect, type Server } from 'node:net';
import { createServer } from 'node:tls';
import { afterEach, expect, it } from 'vitest';
import { probeTarget } from '../../../control/cli/relay/probe-request.js';
import { PROBE_REQUEST } from '../../../proxy/abi.js';

let server: Server | undefined;

afterEach(() => {
  server?.close();
  server = undefined;
});

it('asks for the path of a url', () => {
  const { request } = probeTarget({ address: '2001:db8::1', port: 81, path: '/a' }, 'http');
  expect(request?.toString()).toMatch(
    /^GET \/a HTTP\/1\.1\r\nHost: \[2001:db8::1\]:81\r\n(.+\r\n)+\r\n$/,
  );
  expect(probeTarget({ address: '192.0.2.1', port: 80 }, 'none')).not.toHaveProperty('request');
});

it('begins TLS in a way that a server understands', async () => {
  // Without a certificate it cannot go on; what it could not read it would call decode_error (50).
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { request } = probeTarget({ address: '127.0.0.1', port }, 'tls');
  expect(request!.length).toBeLessThanOrEqual(PROBE_REQUEST);
  const socket = connect(port, '127.0.0.1');
  socket.write(request!);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  expect([...answer.subarray(0, 2)]).toEqual([21, 3]);
  expect(answer[6]).toBe(40); // handshake_failure
});
