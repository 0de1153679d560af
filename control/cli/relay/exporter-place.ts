/** Where the relay asks for the router's half of the state, and with what: the configuration says both. */
import type { ExporterPlace } from '../../../monitoring/exporter-request.js';
import type { Config } from '../../config/config.js';
import { firstLine, readSecret } from './secret-file.js';

/** What cannot be read here is left out: the relay works without, and the exporter says what it wants. */
export async function exporterPlace({ exporter }: Config): Promise<ExporterPlace> {
  const { address, port, socket, auth, tls } = exporter;
  const token = await read(auth?.bearerTokenFile);
  const password = await read(auth?.passwordFile);
  const certificate = await read(tls?.certificateFile);
  return {
    address,
    ...(port !== undefined && { port }),
    ...(socket !== undefined && { socket }),
    ...(token && { token: firstLine(token) }),
    ...(password &&
      auth?.username !== undefined && {
        basic: Buffer.concat([Buffer.from(`${auth.username}:`), firstLine(password)]),
      }),
    ...(certificate && { certificate }),
    isTls: tls !== undefined,
  };
}

async function read(file: string | undefined): Promise<Buffer | undefined> {
  if (file === undefined) return undefined;
  return readSecret(file, undefined).catch(() => undefined);
}
