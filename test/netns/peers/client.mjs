// Clients for the tests. Each prints one JSON line and exits 0, or says what went wrong.
//   echo HOST ROUNDS            one byte to a few hundred there and back, as an ssh session would
//   half-close HOST BYTES       sends, FIN, then waits for the digest (port 9001)
//   duplex HOST FLOWS BYTES     sends BYTES to the echo and reads them at the same time, FLOWS times at once
//   server-first HOST BYTES     reads the server's FIN first, then sends BYTES and FIN (port 9002)
//   many HOST FLOWS MAX         parallel downloads of random sizes, digests compared
//   same HOST FLOWS BYTES       parallel downloads of that size, digests compared
//   abandon HOST COUNT          opens COUNT connections each that are idle, half-closed and reset, until the idle ones are ended
//   hold HOST                   an echo connection: each line on standard input is one round trip
//   same-port HOST OTHER PORT   echo connections to both at once, both from local port PORT
//   dial HOST PORT              connects and reports `open`, `refused` or the error code
//   quick HOST COUNT            short connections, 50 at a time (port 9002)
//   crowd HOST COUNT            echo connections, one byte there and back on each, kept to the end of standard input
//   chunks HOST BYTES           echo with writes of every size from 1 to BYTES
import { createHash, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { get } from 'node:http';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { pseudoRandom, pseudoRandomDigest } from './pseudo-random.mjs';

const [, , mode, host, first, second] = process.argv;

/** Less than the kernel's minutes; a dropped SYN is repeated once within it. */
const CONNECT_TIMEOUT_MS = 2500;

async function open(port, options = {}) {
  const socket = connect({ host, port, noDelay: true, ...options });
  socket.setTimeout(CONNECT_TIMEOUT_MS, () => {
    socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' }));
  });
  await once(socket, 'connect');
  socket.setTimeout(0);
  return socket;
}

/** Not `for await`, which would destroy the half that is still open for sending. */
async function readToEnd(socket) {
  const chunks = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

async function roundTrip(socket, message) {
  socket.write(message);
  let got = Buffer.alloc(0);
  while (got.length < message.length) {
    if (socket.readableLength === 0) await once(socket, 'readable');
    const chunk = socket.read();
    if (chunk) got = Buffer.concat([got, chunk]);
    else if (socket.readableEnded) throw new Error('the connection ended');
  }
  if (!got.equals(message)) throw new Error(`sent ${message.length} bytes, got others`);
}

const modes = {
  async echo() {
    const socket = await open(7);
    const rounds = Number(first);
    for (let i = 0; i < rounds; i++) await roundTrip(socket, Buffer.alloc(1 + ((i * 37) % 300), i));
    socket.end();
    await readToEnd(socket);
    return { rounds };
  },
  async chunks() {
    const socket = await open(7);
    for (let size = 1; size <= Number(first); size++)
      await roundTrip(socket, Buffer.alloc(size, size));
    socket.destroy();
    return { ok: true };
  },
  async 'half-close'() {
    const socket = await open(9001, { allowHalfOpen: true });
    pseudoRandom(Number(first)).pipe(socket);
    const answer = (await readToEnd(socket)).toString();
    return { match: answer === pseudoRandomDigest(Number(first)) };
  },
  async duplex() {
    const one = async () => {
      const socket = await open(7, { allowHalfOpen: true });
      pseudoRandom(Number(second)).pipe(socket);
      const hash = createHash('sha256');
      for await (const chunk of socket) hash.update(chunk);
      return hash.digest('hex') === pseudoRandomDigest(Number(second));
    };
    const results = await Promise.all(Array.from({ length: Number(first) }, one));
    return { flows: results.length, wrong: results.filter((ok) => !ok).length };
  },
  async 'server-first'() {
    const socket = await open(9002, { allowHalfOpen: true });
    const greeting = (await readToEnd(socket)).toString();
    pseudoRandom(Number(first)).pipe(socket);
    await once(socket, 'close');
    return { greeting, digest: pseudoRandomDigest(Number(first)) };
  },
  async many() {
    const sizes = Array.from({ length: Number(first) }, () => randomInt(0, Number(second)));
    const results = await Promise.all(sizes.map(download));
    return { flows: results.length, wrong: results.filter((ok) => !ok).length };
  },
  async same() {
    const sizes = Array.from({ length: Number(first) }, () => Number(second));
    const results = await Promise.all(sizes.map(download));
    return { flows: results.length, wrong: results.filter((ok) => !ok).length };
  },
  async abandon() {
    const each = (work) => Promise.all(Array.from({ length: Number(first) }, work));
    // They never answer the other side's FIN. Node does not look at them any more, so they are left until the others end.
    const halfClosed = await each(() => open(9002, { allowHalfOpen: true }));
    for (const socket of halfClosed) socket.on('error', () => undefined).resume();
    await each(async () => (await open(9004)).resetAndDestroy());
    // They say nothing any more. `once` of node:events would fail with the reset that is waited for.
    await each(async () => {
      const socket = await open(7);
      socket.on('error', () => undefined).resume();
      await new Promise((resolve) => socket.once('close', resolve));
    });
    for (const socket of halfClosed) socket.destroy();
    return { abandoned: 3 * Number(first) };
  },
  async hold() {
    const socket = await open(7);
    console.log(JSON.stringify({ connected: true }));
    for await (const line of createInterface({ input: process.stdin })) {
      await roundTrip(socket, Buffer.from(`${line}\n`));
      console.log(JSON.stringify({ echoed: line }));
    }
    return { done: true };
  },
  async crowd() {
    let left = Number(first);
    const worker = async () => {
      while (left-- > 0) await roundTrip(await open(7), Buffer.from('x'));
    };
    await Promise.all(Array.from({ length: 100 }, worker));
    console.log(JSON.stringify({ connected: Number(first) }));
    for await (const _ of createInterface({ input: process.stdin }));
    return { done: true };
  },
  async quick() {
    let left = Number(first);
    const worker = async () => {
      while (left-- > 0) {
        const socket = await open(9002);
        await readToEnd(socket);
        socket.destroy();
      }
    };
    await Promise.all(Array.from({ length: 50 }, worker));
    return { done: Number(first) };
  },
  async 'same-port'() {
    const localPort = Number(second);
    const sockets = [await open(7, { localPort }), await open(7, { localPort, host: first })];
    for (const socket of sockets) await roundTrip(socket, Buffer.from(socket.remoteAddress));
    for (const socket of sockets) socket.destroy();
    return { ports: sockets.length };
  },
  async dial() {
    try {
      const socket = await open(Number(first));
      // A refusal behind a proxy arrives after the handshake, as a reset.
      const outcome = await Promise.race([
        once(socket, 'close').then(() => 'closed'),
        new Promise((resolve) => setTimeout(resolve, 300, 'open').unref()),
      ]);
      socket.destroy();
      return { outcome };
    } catch (error) {
      return { outcome: error.code };
    }
  },
};

function download(size) {
  return new Promise((resolve, reject) => {
    const url = { host, port: 80, path: `/bytes/${size}`, agent: false };
    get(url, async (response) => {
      const hash = createHash('sha256');
      for await (const chunk of response) hash.update(chunk);
      resolve(hash.digest('hex') === pseudoRandomDigest(size));
    }).on('error', reject);
  });
}

try {
  console.log(JSON.stringify(await modes[mode]()));
  process.exit(0);
} catch (error) {
  console.log(JSON.stringify({ error: error.code ?? error.message }));
  process.exit(1);
}
