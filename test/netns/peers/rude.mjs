// Clients that keep no promise, COUNT of them, 24 at a time, on the servers of server.mjs at HOST:
//   rude HOST COUNT
// and on ports 9101 to 9103, behind which tests put proxies that are no use. Prints how often each
// happened: {"behaviour": count}.
import { once } from 'node:events';
import { connect } from 'node:net';

const [, , host, count] = process.argv;
const AT_ONCE = 24;
const REQUEST = 'GET /bytes/3000000 HTTP/1.1\r\nHost: x\r\n\r\n';

function begin(port) {
  const socket = connect({ host, port, noDelay: true, allowHalfOpen: true });
  return socket.on('error', () => {});
}

async function open(port) {
  const socket = begin(port);
  await once(socket, 'connect');
  return socket;
}

/** Not once(), which fails at an error: that is how most of these end. */
const closed = (socket) =>
  new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.on('close', resolve);
  });

function reset(socket) {
  socket.resetAndDestroy();
  return closed(socket);
}

const firstBytes = (socket) => once(socket, 'data');

/** Accepted by the relay, which finds no way out; the reset may come before we hear of the beginning. */
async function inVain(port) {
  const socket = begin(port);
  socket.on('connect', () => socket.write(REQUEST));
  socket.resume();
  await closed(socket);
  if (socket.bytesRead > 0) throw new Error(`${socket.bytesRead} bytes through port ${port}`);
}

const behaviours = {
  resetAtOnce: async () => reset(await open(80)),
  resetInDownload: async () => {
    const socket = await open(80);
    socket.write(REQUEST);
    await firstBytes(socket);
    await reset(socket);
  },
  resetInUpload: async () => {
    const socket = await open(9001);
    socket.write(Buffer.alloc(300_000, 'u'), () => {});
    await once(socket, 'drain');
    await reset(socket);
  },
  resetInSmallWrites: async () => {
    const socket = await open(7);
    for (const byte of REQUEST) {
      socket.write(byte);
      await firstBytes(socket);
    }
    await reset(socket);
  },
  resetAfterTheServersEnd: async () => {
    const socket = await open(9002);
    socket.resume();
    await once(socket, 'end');
    socket.write('almost');
    await reset(socket);
  },
  resetAfterOwnEnd: async () => {
    const socket = await open(80);
    socket.end(REQUEST);
    await firstBytes(socket);
    await reset(socket);
  },
  neverReads: async () => {
    const socket = await open(80);
    socket.pause();
    socket.write(REQUEST);
    await once(socket, 'readable');
    await reset(socket);
  },
  serverResets: async () => {
    const socket = await open(9003);
    // Node shows a reset that comes right behind bytes as an end.
    socket.on('end', () => socket.destroy());
    socket.resume();
    socket.write('x');
    await closed(socket);
  },
  refused: () => inVain(81),
  throughGarbage: () => inVain(9101),
  throughSilence: () => inVain(9102),
  throughNobody: () => inVain(9103),
};

const names = Object.keys(behaviours);
const happened = Object.fromEntries(names.map((name) => [name, 0]));
const stuck = [];
let next = 0;

async function flow() {
  while (next < Number(count)) {
    const name = names[next++ % names.length];
    stuck.push(name);
    await behaviours[name]();
    stuck.splice(stuck.indexOf(name), 1);
    happened[name]++;
  }
}

// A connection that ended before what was expected of it leaves a promise unsettled, and nothing to do.
process.on('exit', () => {
  if (stuck.length > 0) console.error(`still at: ${stuck.join(' ')}`);
});
await Promise.all(Array.from({ length: AT_ONCE }, flow));
console.log(JSON.stringify(happened));
process.exit(0);
