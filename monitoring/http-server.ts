/** An HTTP server whose clients can take little from the relay: it shares the process's descriptors. */
import { createServer, type RequestListener, type Server } from 'node:http';

export interface HttpBounds {
  /** Connections at a time; what comes beyond is closed at once. */
  connections: number;
  /** Milliseconds for a request to arrive, and in which a client must read something. */
  patienceMs?: number;
}

const PATIENCE_MS = 5000;

export function createBoundedServer(
  { connections, patienceMs = PATIENCE_MS }: HttpBounds,
  listener: RequestListener,
): Server {
  const server = createServer(
    {
      headersTimeout: patienceMs,
      requestTimeout: patienceMs,
      // Node looks only so often; its default is half a minute.
      connectionsCheckingInterval: patienceMs / 5,
    },
    listener,
  );
  server.maxConnections = connections;
  // Of silence, whatever the client is about; the default listener of this event destroys it.
  server.setTimeout(2 * patienceMs);
  return server;
}
