/** Prints each datagram that comes to a UDP port: `heartbeats.mjs ADDRESS PORT`. */
import { createSocket } from 'node:dgram';

const [address, port] = process.argv.slice(2);
const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
socket.on('message', (bytes, { address, port }) =>
  console.log(
    JSON.stringify({ at: Date.now(), from: `${address} ${port}`, hex: bytes.toString('hex') }),
  ),
);
socket.bind(Number(port), address, () => console.log('listening'));
