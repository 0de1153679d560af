/** Ten thousand refreshes, good and bad ones: neither descriptors nor memory nor files are left over. */
import { readdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { refreshList } from '../../../control/lists/refresh.js';
import { listAt, serve } from './list-server.js';

const ROUNDS = 10_000;
const WARM = 2000;
const MIB = 1024 * 1024;

const line = (round: number, i: number) => `10.${round % 200}.${i}.0/24\n`;

it('leaves nothing behind', { tags: ['long'], timeout: 600_000 }, async () => {
  let round = 0;
  const url = await serve(({ socket, url: path }, response) => {
    const list = Array.from({ length: 100 }, (_, i) => line(round, 2 * i)).join('');
    switch (round % 8) {
      case 1:
        return response.writeHead(500).end();
      case 2:
        return response.end('<html>');
      case 3:
        return socket.destroy();
      case 4:
        return response.writeHead(302, { location: `${path}x` }).end();
      case 5:
        return response
          .writeHead(200, { 'content-encoding': 'gzip' })
          .end(gzipSync(Buffer.alloc(2 * MIB)));
      case 6:
        response.writeHead(200, { 'content-length': 5000 });
        return response.write(list, () => socket.destroy());
      default:
        return response.end(list);
    }
  });
  const list = await listAt(url, { max_size_mib: 1 });
  const kinds = new Map<string, number>();
  const descriptors = () => readdirSync('/proc/self/fd').length;
  let [rss, open] = [0, 0];
  for (; round < ROUNDS; round++) {
    const { kind } = await refreshList(list, { force: true });
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    if (round === WARM) [rss, open] = [process.memoryUsage().rss, descriptors()];
  }
  expect(kinds.get('changed')).toBe(ROUNDS / 4);
  expect(kinds.get('failed')).toBe((3 * ROUNDS) / 4);
  expect(await readdir(list.directory)).toHaveLength(2);
  // Sockets of the last rounds may be closing.
  expect(descriptors()).toBeLessThan(open + 10);
  expect(process.memoryUsage().rss - rss).toBeLessThan(64 * MIB);
});
