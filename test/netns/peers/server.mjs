// The Internet's servers, in one process, on all addresses, v4 and v6:
//   80   GET /bytes/N → N pseudo-random bytes; POST /sha256 → digest of the body; GET /who → the peer
//   7    echo, half-open allowed
//   9001 reads to the client's FIN, answers with the digest of what came, closes
//   9002 sends a greeting and FIN at once, then reads to the client's FIN; GET /last has the digest
//   9003 answers the first bytes with some of its own and a reset
//   9004 reads and says nothing
import { createHash } from 'node:crypto';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { pseudoRandom } from './pseudo-random.mjs';

let last = '';

const http = createHttpServer((request, response) => {
  const [, verb, count] = request.url.split('/');
  if (verb === 'bytes') return pseudoRandom(Number(count)).pipe(response);
  if (verb === 'who') return response.end(request.socket.remoteAddress);
  if (verb === 'last') return response.end(last);
  const hash = createHash('sha256');
  request.on('data', (chunk) => hash.update(chunk));
  request.on('end', () => response.end(hash.digest('hex')));
});

const halfOpen = { allowHalfOpen: true };
const ignoreReset = (socket) => socket.on('error', () => {});

const echo = createServer(halfOpen, (socket) => {
  ignoreReset(socket);
  socket.setNoDelay(true);
  socket.pipe(socket);
});

function digestOf(socket, done) {
  const hash = createHash('sha256');
  socket.on('data', (chunk) => hash.update(chunk));
  socket.on('end', () => done(hash.digest('hex')));
}

const clientFinishesFirst = createServer(halfOpen, (socket) => {
  ignoreReset(socket);
  digestOf(socket, (digest) => socket.end(digest));
});

const serverFinishesFirst = createServer(halfOpen, (socket) => {
  ignoreReset(socket);
  socket.end('hello');
  digestOf(socket, (digest) => {
    last = digest;
  });
});

const resets = createServer(halfOpen, (socket) => {
  ignoreReset(socket);
  socket.once('data', () => socket.write('some', () => socket.resetAndDestroy()));
});

const saysNothing = createServer(halfOpen, (socket) => {
  ignoreReset(socket);
  socket.on('end', () => socket.end());
  socket.resume();
});

const servers = [
  [http, 80],
  [echo, 7],
  [clientFinishesFirst, 9001],
  [serverFinishesFirst, 9002],
  [resets, 9003],
  [saysNothing, 9004],
  // For rules about ports: the same service elsewhere.
  [createHttpServer(http.listeners('request')[0]), 25],
  [createHttpServer(http.listeners('request')[0]), 8080],
];
await Promise.all(
  servers.map(([server, port]) => new Promise((resolve) => server.listen(port, '::', resolve))),
);
console.log('listening');
