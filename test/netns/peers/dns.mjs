/** A resolver on 127.0.0.1 that has one A record for every name; of any other type it has none. */
import { createSocket } from 'node:dgram';

const RESPONSE = 0x8180;
const TYPE_A = 1;

const socket = createSocket('udp4');
socket.on('message', (query, { address, port }) => {
  let end = 12;
  while (query[end] !== 0) end += query[end] + 1;
  const isA = query.readUInt16BE(end + 1) === TYPE_A;
  const head = Buffer.from(query.subarray(0, end + 5));
  head.writeUInt16BE(RESPONSE, 2);
  head.writeUInt16BE(isA ? 1 : 0, 6);
  head.writeUInt32BE(0, 8);
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 51, 100, 7]);
  socket.send(isA ? Buffer.concat([head, record]) : head, port, address);
});
socket.bind(53, '127.0.0.1', () => console.log('resolving'));
