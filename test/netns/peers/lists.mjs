// A server of lists on loopback: `lists.mjs DIRECTORY`. It serves the files there as they are at the time, with an ETag.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, join } from 'node:path';

const [, , directory] = process.argv;

const server = createServer((request, response) => {
  let body;
  try {
    body = readFileSync(join(directory, basename(request.url)));
  } catch {
    response.writeHead(404).end();
    return;
  }
  const etag = `"${createHash('sha256').update(body).digest('hex')}"`;
  response.setHeader('etag', etag);
  if (request.headers['if-none-match'] === etag) response.writeHead(304).end();
  else response.end(body);
});
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
