// Connections that live: `flows.mjs INTERVAL_MS HOST SOURCE[,SOURCE...]`
//   An echo connection (port 7) from each source. `opened` when all stand. Every INTERVAL_MS each sends a byte (0: they are
//   silent); a line `send` on standard input makes each send one. One JSON line for each that ends: { source, at, error }, `at` in
//   Unix milliseconds. At the end of standard input the living are counted, { alive: [source...] }, and closed.
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

const [interval, host, sources] = process.argv.slice(2);
const living = new Map();

async function open(source) {
  const socket = connect({ host, port: 7, noDelay: true, localAddress: source });
  await once(socket, 'connect');
  socket.write('x');
  await once(socket, 'data');
  living.set(source, socket);
  const end = (error) => {
    if (!living.delete(source)) return;
    const at = performance.timeOrigin + performance.now();
    console.log(JSON.stringify({ source, at, error }));
  };
  socket.on('error', (error) => end(error.code ?? error.message));
  socket.on('close', () => end('closed'));
  socket.on('data', () => {});
}

const send = () => {
  for (const socket of living.values()) socket.write('x');
};

for (const source of sources.split(',')) await open(source);
console.log('opened');
if (Number(interval) > 0) setInterval(send, Number(interval));
for await (const line of createInterface({ input: process.stdin })) if (line === 'send') send();
console.log(JSON.stringify({ alive: [...living.keys()] }));
process.exit(0);
