/** A server of lists on loopback that does what a test says, and a configuration of a list on it. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecure } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type ListConfig, listConfig } from '../../../control/config/list-config.js';
import { setSchema } from '../../../control/config/schema.js';
import { folderOf } from '../config/temporary.js';

/** @returns its address, such as `http://127.0.0.1:4321` */
export async function serve(answer: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listen(createServer(answer))}`;
}

/** @param folder gets the certificate as `ca.pem` */
export async function serveSecurely(folder: string, answer: RequestListener): Promise<string> {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'ca.pem')];
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
      ...['-keyout', key, '-out', cert],
    ],
    { stdio: 'ignore' },
  );
  const options = { key: readFileSync(key), cert: readFileSync(cert) };
  return `https://localhost:${await listen(createSecure(options, answer))}`;
}

async function listen(server: Server): Promise<number> {
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return port;
}

/** A list with its copies in a folder of its own. */
export async function listAt(
  url: string,
  keys: Record<string, unknown> = {},
  directory?: string,
): Promise<ListConfig> {
  const folder = directory ?? (await folderOf({}));
  const beside = (path: string) => join(folder, path);
  return listConfig('cn', url, setSchema.parse({ url, ...keys }), { directory: folder, beside });
}
