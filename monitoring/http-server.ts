/** An HTTP server whose clients can take little from the relay: it shares the process's descriptors. */
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';

export interface HttpBounds {
  /** Connections at a time; what comes beyond is closed at once. */
  connections: number;
  /** Milliseconds for a request to arrive, and in which a client must read something. */
  patienceMs?: number;
}

/** PEM. */
export interface PageTls {
  certificate: Buffer;
  key: Buffer;
}

export const contextOf = ({ certificate, key }: PageTls) =>
  ({ cert: certificate, key, minVersion: 'TLSv1.2' }) as const;

const PATIENCE_MS = 5000;

/** @param tls HTTPS when present; the result is a `TlsServer` then. */
export function createBoundedServer(
  { connections, patienceMs = PATIENCE_MS }: HttpBounds,
  listener: RequestListener,
  tls?: PageTls,
): Server | TlsServer {
  const bounds = {
    headersTimeout: patienceMs,
    requestTimeout: patienceMs,
    // Node looks only so often; its default is half a minute.
    connectionsCheckingInterval: patienceMs / 5,
  };
  const server =
    tls === undefined
      ? createServer(bounds, listener)
      : createTlsServer({ ...bounds, ...contextOf(tls), handshakeTimeout: patienceMs }, listener);
  server.maxConnections = connections;
  // Of silence, in any state of the client; the default listener of this event destroys it.
  server.setTimeout(2 * patienceMs);
  return server;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8000;

/**
 * Resolves once the server listens, and keeps it so. Without a descriptor left accept() fails again and
 * again while a client waits, and Node asks without a pause: so the socket is closed for a while instead.
 * @param listen begins to listen, and may be called again. @returns what closes the server for good.
 */
export async function listenBounded(
  server: Server,
  listen: () => void,
): Promise<() => Promise<void>> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    listen();
  });
  let pauseMs = FIRST_PAUSE_MS;
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  server.on('error', () => {
    if (server.listening) server.close();
    if (timer !== undefined || ended) return;
    timer = setTimeout(() => {
      timer = undefined;
      listen();
    }, pauseMs).unref();
    pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
  });
  server.on('connection', () => {
    pauseMs = FIRST_PAUSE_MS;
  });
  return () =>
    new Promise((resolve) => {
      ended = true;
      clearTimeout(timer);
      server.close(() => resolve());
      server.closeAllConnections();
    });
}
