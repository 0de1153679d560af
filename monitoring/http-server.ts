/** An HTTP server whose clients can take little from the relay: it shares the process's descriptors. */
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';

export interface HttpBounds {
  /** Connections at a time; what comes beyond is closed at once. */
  connections: number;
  /** Connections of one address of another machine; no other bound when absent. */
  connectionsEach?: number;
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
  { connections, connectionsEach, patienceMs = PATIENCE_MS }: HttpBounds,
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
  if (connectionsEach !== undefined) shareAmongAddresses(server, connectionsEach);
  // Of silence, in any state of the client; the default listener of this event destroys it.
  server.setTimeout(2 * patienceMs);
  return server;
}

/** Of this machine all may be one proxy, which speaks for many. */
const LOOPBACK = /^(?:::1|(?:::ffff:)?127\.\d+\.\d+\.\d+)$/;

/** So that one machine which keeps its connections leaves room for Prometheus and for people. */
export function shareAmongAddresses(
  server: Server | TlsServer,
  each: number,
  isExempt = (address: string) => LOOPBACK.test(address),
): void {
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress;
    // It is gone again.
    if (address === undefined || isExempt(address)) return;
    const count = open.get(address) ?? 0;
    if (count >= each) {
      socket.destroy();
      return;
    }
    open.set(address, count + 1);
    socket.once('close', () => {
      const left = open.get(address)! - 1;
      if (left > 0) open.set(address, left);
      else open.delete(address);
    });
  });
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
