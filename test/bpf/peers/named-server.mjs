// named-server.mjs NAME PORT: answers every request with its own name, or, on /stream, says it for
// as long as somebody listens.
import { createServer } from 'node:http';

const [name, port] = process.argv.slice(2);

createServer((request, response) => {
  if (request.url !== '/stream') {
    response.end(`${name}\n`, () => request.socket.end());
    return;
  }
  const timer = setInterval(() => response.write(`${name}\n`), 20);
  request.socket.once('close', () => clearInterval(timer));
})
  .on('clientError', (_, socket) => socket.destroy())
  .listen(Number(port), '::', () => console.log('listening'));
