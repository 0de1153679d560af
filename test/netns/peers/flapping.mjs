// `flapping.mjs HEARTBEAT_JS FILE TURNS PAUSE_MS`: on a server, in place of its relay: says by turns that it is fit, unfit, and leaving, with the
// key of the server's heartbeat.json. A turn takes PAUSE_MS. Prints the last counter.
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

const [message, file, turns, pause] = process.argv.slice(2);
const { encodeHeartbeat, heartbeatSecrets } = await import(message);
const { key, from, to } = JSON.parse(readFileSync(file, 'utf8'));
const secrets = heartbeatSecrets(key);
const socket = createSocket('udp4');
await new Promise((resolve) => socket.bind({ address: from }, resolve));

const STATES = [
  { fit4: true, fit6: true, leaving: false, reason: 'ok' },
  { fit4: true, fit6: false, leaving: false, reason: 'ok' },
  { fit4: true, fit6: true, leaving: false, reason: 'ok' },
  { fit4: true, fit6: true, leaving: false, reason: 'ok' },
  { fit4: true, fit6: true, leaving: false, reason: 'ok' },
  { fit4: false, fit6: false, leaving: false, reason: 'upstreams' },
  { fit4: false, fit6: false, leaving: true, reason: 'leaving' },
];
let counter = BigInt(Date.now());
for (let i = 0; i < Number(turns); i++) {
  const payload = encodeHeartbeat({ ...STATES[i % STATES.length], counter: counter++ }, secrets);
  for (const { address, port } of to)
    await new Promise((resolve) => socket.send(payload, port, address, resolve));
  await setTimeout(Number(pause));
}
console.log(JSON.stringify({ counter: String(counter) }));
process.exit(0);
