// Many connections that stay open, each with a byte to and fro now and then, until standard input ends.
//   crowd HOST COUNT
// Prints {"open":COUNT} when all are there, and {"ended":N} for each that another has ended, counted together.
import { once } from 'node:events';
import { connect } from 'node:net';

const [, , host, wanted] = process.argv;
const ECHO = 7;
const AT_A_TIME = 100;
const EVERY_MS = 1000;

const sockets = [];
let ended = 0;

async function openOne() {
  const socket = connect({ host, port: ECHO, noDelay: true });
  await once(socket, 'connect');
  const gone = () => {
    ended++;
    process.stdout.write(`${JSON.stringify({ ended })}\n`);
  };
  socket.on('error', () => {});
  socket.on('close', gone);
  socket.resume();
  sockets.push(socket);
}

for (let i = 0; i < Number(wanted); i += AT_A_TIME)
  await Promise.all(
    Array.from({ length: Math.min(AT_A_TIME, Number(wanted) - i) }, () => openOne()),
  );
process.stdout.write(`${JSON.stringify({ open: sockets.length })}\n`);

let next = 0;
setInterval(() => {
  for (let i = 0; i < 200; i++) {
    const socket = sockets[next++ % sockets.length];
    if (!socket.destroyed) socket.write('.');
  }
}, EVERY_MS).unref();

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
