/** HTTP for Prometheus and for people: /metrics, /healthz, /connections, and an index. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import type { Registry } from 'prom-client';
import type { RecentConnection } from '../proxy/stats.js';
import { createBoundedServer, listenBounded } from './http-server.js';
import type { State } from './state.js';

export interface MonitoringOptions {
  address: string;
  /** 0 lets the kernel choose. */
  port: number;
  registry: Registry;
  /** What `/state.json` says; there is no such page when absent. */
  state?: () => Promise<State>;
  /** What `/connections` lists; there is no such page when absent. */
  recent?: () => RecentConnection[];
  /** Names by which clients may ask, beside `localhost` and every address. */
  hosts?: readonly string[];
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
  /state.json   what the relay knows of itself
  /connections  the last connections with their original destinations, JSON; off by default
  /healthz      "ok" while the relay runs
`;

/** @throws MonitoringError when the port is taken or the address is not ours. */
export async function startMonitoring(options: MonitoringOptions): Promise<MonitoringServer> {
  const { address, port, patienceMs } = options;
  const routes = pages(options);
  const bounds = { connections: SCRAPERS_MOST, ...(patienceMs !== undefined && { patienceMs }) };
  const names = ['localhost', ...(options.hosts ?? [])];
  const server = createBoundedServer(bounds, (request, response) => {
    const path = (request.url ?? '/').split('?')[0]!;
    if (!isAskedFor(request, names)) return misdirected(response);
    answer(response, routes.get(path)).catch((error: unknown) => {
      response.writeHead(500, { 'content-type': 'text/plain' }).end(`${String(error)}\n`);
    });
  });
  const close = await listenPatiently(server, address, port);
  const bound = server.address() as AddressInfo;
  const host = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  return { url: `http://${host}:${bound.port}`, close };
}

/**
 * A browser that was led here by another site's name, which now stands for our address, still says that
 * name (DNS rebinding). An address is no name, and who leaves the header out is no browser.
 */
function isAskedFor({ headers: { host } }: IncomingMessage, names: readonly string[]): boolean {
  if (host === undefined) return true;
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host) ?? [];
  const name = (bracketed ?? plain)?.toLowerCase().replace(/\.$/, '');
  return name !== undefined && (isIP(name) !== 0 || names.includes(name));
}

function misdirected(response: ServerResponse): void {
  response
    .writeHead(421, { 'content-type': 'text/plain' })
    .end('ask by address or as localhost, or name this host in relay.metrics.hosts\n');
}

function pages({ registry, recent, state }: MonitoringOptions): ReadonlyMap<string, Page> {
  const text = 'text/plain; charset=utf-8';
  return new Map<string, Page>([
    ['/', async () => ({ type: text, body: INDEX })],
    ['/healthz', async () => ({ type: text, body: 'ok\n' })],
    ['/metrics', async () => ({ type: registry.contentType, body: await registry.metrics() })],
    ...(state ? [['/state.json', jsonOf(state)] as const] : []),
    ...(recent ? [['/connections', listOf(recent)] as const] : []),
  ]);
}

const jsonOf =
  (read: () => Promise<object>): Page =>
  async () => ({ type: 'application/json', body: `${JSON.stringify(await read())}\n` });

const listOf =
  (recent: () => RecentConnection[]): Page =>
  async () => ({
    type: 'application/json',
    body: `${JSON.stringify({ connections: recent() })}\n`,
  });

/** What is off says how to turn it on. */
const NOT_HERE = `not here; see /. The last connections are shown with
relay: { metrics: { connections: true } }, the open ones by: sudo sidetrack connections
`;

async function answer(response: ServerResponse, page: Page | undefined): Promise<void> {
  if (page === undefined) {
    response.writeHead(404, { 'content-type': 'text/plain' }).end(NOT_HERE);
    return;
  }
  const { type, body } = await page();
  response.writeHead(200, { 'content-type': type }).end(body);
}

async function listenPatiently(server: Server, address: string, port: number) {
  try {
    // A port that the kernel has chosen is kept.
    let wanted = port;
    return await listenBounded(server, () => {
      server.listen(wanted, address, () => {
        wanted = (server.address() as AddressInfo).port;
      });
    });
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    const what = code === 'EADDRINUSE' ? 'is in use' : `cannot be used (${code})`;
    throw new MonitoringError(
      `the metrics port ${address}:${port} ${what}`,
      code,
      'choose another in relay.metrics: { address: …, port: … }',
    );
  }
}
