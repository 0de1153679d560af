/** HTTP for Prometheus and for people: /metrics, /healthz, /connections, and an index. */
import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import type { RecentConnection } from '../proxy/stats.js';
import { createBoundedServer } from './http-server.js';

export interface MonitoringOptions {
  address: string;
  /** 0 lets the kernel choose. */
  port: number;
  registry: Registry;
  /** What `/connections` lists. */
  recent: () => RecentConnection[];
  /** Milliseconds for a client to ask; see `HttpBounds`. */
  patienceMs?: number;
}

export interface MonitoringServer {
  /** `http://127.0.0.1:9150` */
  url: string;
  close(): Promise<void>;
}

/** The port cannot be had; `code` is the errno name. */
export class MonitoringError extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly hint: string,
  ) {
    super(message);
    this.name = 'MonitoringError';
  }
}

/** A few Prometheus servers and people; proxy/generation.ts keeps descriptors for them. */
const SCRAPERS_MOST = 24;

type Page = () => Promise<{ type: string; body: string }>;

const INDEX = `sidetrack relay
  /metrics      for Prometheus
  /connections  the last connections with their original destinations, JSON
  /healthz      "ok" while the relay runs
`;

/** @throws MonitoringError when the port is taken or the address is not ours. */
export async function startMonitoring(options: MonitoringOptions): Promise<MonitoringServer> {
  const { address, port, patienceMs } = options;
  const routes = pages(options);
  const bounds = { connections: SCRAPERS_MOST, ...(patienceMs !== undefined && { patienceMs }) };
  const server = createBoundedServer(bounds, (request, response) => {
    const path = (request.url ?? '/').split('?')[0]!;
    answer(response, routes.get(path)).catch((error: unknown) => {
      response.writeHead(500, { 'content-type': 'text/plain' }).end(`${String(error)}\n`);
    });
  });
  await listen(server, address, port);
  const bound = server.address() as AddressInfo;
  const host = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  return {
    url: `http://${host}:${bound.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function pages({ registry, recent }: MonitoringOptions): ReadonlyMap<string, Page> {
  const text = 'text/plain; charset=utf-8';
  return new Map<string, Page>([
    ['/', async () => ({ type: text, body: INDEX })],
    ['/healthz', async () => ({ type: text, body: 'ok\n' })],
    ['/metrics', async () => ({ type: registry.contentType, body: await registry.metrics() })],
    [
      '/connections',
      async () => ({
        type: 'application/json',
        body: `${JSON.stringify({ connections: recent() })}\n`,
      }),
    ],
  ]);
}

async function answer(response: ServerResponse, page: Page | undefined): Promise<void> {
  if (page === undefined) {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('not here; see /\n');
    return;
  }
  const { type, body } = await page();
  response.writeHead(200, { 'content-type': type }).end(body);
}

function listen(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code ?? 'unknown';
      const inUse = code === 'EADDRINUSE';
      const what = inUse ? 'is in use' : `cannot be used (${code})`;
      reject(
        new MonitoringError(
          `the metrics port ${address}:${port} ${what}`,
          code,
          'choose another in relay.metrics: { address: …, port: … }',
        ),
      );
    });
    server.listen(port, address, resolve);
  });
}
