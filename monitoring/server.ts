/**
 * HTTP for Prometheus, for programs and for people, on a port and on a unix socket: `pages.ts` says what it
 * answers, `request-guard.ts` to whom.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Gate, type PageAuth } from './access.js';
import { Events } from './events.js';
import { contextOf, createBoundedServer, listenBounded, type PageTls } from './http-server.js';
import { type Page, type PageSources, pagesOf } from './pages.js';
import { CREDENTIALS_NEEDED, Refused } from './refused.js';
import { type Channel, checkHost, checkSite, type Rules, rightsOf } from './request-guard.js';
import { readStaticFiles, type StaticFile } from './static-files.js';
import { listenOn, obstacleAt } from './unix-socket.js';

/** What a reload may change. */
export interface MonitoringAccess {
  /** Names by which clients may ask, beside `localhost` and every address; lower case. */
  hosts?: readonly string[];
  /** Who may ask over the port; all when absent. */
  auth?: PageAuth;
  /** HTTPS on the port; whether there is any is settled at the start. */
  tls?: PageTls;
  /** Shows who is connected to what to all who may ask. */
  showsConnections?: boolean;
}

export interface MonitoringOptions extends PageSources, MonitoringAccess {
  address: string;
  /** 0 lets the kernel choose; without one only the socket is there. */
  port?: number;
  /** Path of a unix socket. */
  socket?: string;
  /** What its section of the configuration is called, for hints. */
  section?: string;
  /** Milliseconds for a client to ask; see `HttpBounds`. */
  patienceMs?: number;
  /** By path; those of the live page and of the run-books when absent. */
  files?: ReadonlyMap<string, StaticFile>;
}

export interface MonitoringServer {
  /** `http://127.0.0.1:9150`; of the socket its path when there is no port. */
  url: string;
  update(access: MonitoringAccess): void;
  close(): Promise<void>;
}

/** The port or the socket cannot be had; `code` is the errno name. */
export class MonitoringError extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly hint: string,
    /** Key of the section. */
    readonly key: 'port' | 'socket' = 'port',
  ) {
    super(message);
    this.name = 'MonitoringError';
  }
}

/** A few Prometheus servers and people; `descriptor_reserve` of proxy/options.ts is for them, too. */
const SCRAPERS_MOST = 24;
/** From one other machine: more than a browser opens, and some are left for others. */
const OF_ONE_MACHINE_MOST = 16;
/** Those who come by the socket. */
const LOCALS_MOST = 8;
/** Milliseconds for an answer to be read. */
const ANSWER_MS = 30_000;

const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
};

/** @throws MonitoringError when the port or the socket is taken, or the address is not ours. */
export async function startMonitoring(options: MonitoringOptions): Promise<MonitoringServer> {
  const { address, port, socket, patienceMs, section = 'relay.metrics' } = options;
  const events = options.state && new Events(options.state);
  const pages = pagesOf(options, events, options.files ?? readStaticFiles());
  let rules = rulesOf(options, section);
  const serve = (channel: Channel) => (request: IncomingMessage, response: ServerResponse) => {
    const rulesNow = () => rules;
    respond({ request, response, channel, rulesNow, pages }).catch((error: unknown) =>
      refuse(request, response, error, rules),
    );
  };
  const bounds = (connections: number) => ({
    connections,
    ...(patienceMs !== undefined && { patienceMs }),
  });
  const servers: Server[] = [];
  const closes: (() => Promise<void>)[] = [];
  const close = async () => {
    events?.end();
    await Promise.all(closes.map((one) => one()));
  };
  let url = socket ?? '';
  try {
    if (socket !== undefined) {
      const server = createBoundedServer(bounds(LOCALS_MOST), serve('socket'));
      closes.push(await listenOnSocket(server, socket, section));
    }
    if (port !== undefined) {
      const server = createBoundedServer(
        { ...bounds(SCRAPERS_MOST), connectionsEach: OF_ONE_MACHINE_MOST },
        serve('port'),
        options.tls,
      );
      servers.push(server);
      closes.push(await listenOnPort(server, address, port, section));
      url = urlOf(server);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url,
    update: (access) => {
      rules = rulesOf(access, section);
      for (const server of servers)
        if (server instanceof TlsServer && access.tls !== undefined)
          server.setSecureContext(contextOf(access.tls));
    },
    close,
  };
}

const rulesOf = ({ auth, hosts, showsConnections }: MonitoringAccess, section: string): Rules => ({
  ...(auth !== undefined && { gate: new Gate(auth) }),
  hosts: hosts ?? [],
  showsConnections: showsConnections ?? false,
  section,
});

interface Request {
  request: IncomingMessage;
  response: ServerResponse;
  channel: Channel;
  rulesNow: () => Rules;
  pages: ReadonlyMap<string, Page>;
}

async function respond({ request, response, channel, rulesNow, pages }: Request): Promise<void> {
  const rules = rulesNow();
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  response.on('error', () => response.destroy());
  if (channel === 'port') checkHost(request, rules);
  checkSite(request);
  const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
  const page = pages.get(path);
  const rightsNow = () => rightsOf(request, channel, rulesNow());
  const rights = rightsNow();
  if (!rights.enters && page?.open !== true) throw new Refused(401, CREDENTIALS_NEEDED);
  if (page === undefined) throw new Refused(404, 'not here; see /');
  checkMethod(request, page);
  const words = new URLSearchParams(query);
  const answer = await page.answer({ request, response, rights, rightsNow, words });
  if (answer === undefined || response.destroyed) return;
  const { status = 200, type, body } = answer;
  endSoon(response);
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

function checkMethod({ method = '' }: IncomingMessage, page: Page): void {
  const allowed = page.method === 'GET' ? ['GET', 'HEAD'] : [page.method];
  if (!allowed.includes(method))
    throw new Refused(405, `ask with ${allowed.join(' or ')}`, { allow: allowed.join(', ') });
}

/** Who takes an answer byte by byte holds it, and a place, for no longer. */
function endSoon(response: ServerResponse): void {
  const timer = setTimeout(() => response.destroy(), ANSWER_MS).unref();
  response.once('close', () => clearTimeout(timer));
}

/** No message of an error that was not meant for the outside is in the answer. */
function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
  { gate }: Rules,
): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const { status, message, headers } =
    error instanceof Refused ? error : new Refused(500, 'this page cannot be made now');
  endSoon(response);
  const body = `${message}\n`;
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    ...(status === 401 && gate !== undefined && { 'www-authenticate': gate.challenges }),
    // What it still sends is not read.
    ...(request.complete ? {} : { connection: 'close' }),
    ...headers,
  });
  response.end(body);
}

function urlOf(server: Server): string {
  const bound = server.address() as AddressInfo;
  const host = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  return `${server instanceof TlsServer ? 'https' : 'http'}://${host}:${bound.port}`;
}

async function listenOnPort(server: Server, address: string, port: number, section: string) {
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
    throw new MonitoringError(
      portFailure(address, port, code),
      code,
      `choose another in ${section}: { address: …, port: … }`,
    );
  }
}

const PORT_OBSTACLES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use',
  EADDRNOTAVAIL: 'cannot be used: this machine does not have that address',
  EACCES: 'cannot be used: this user may not listen on so low a port',
};

/** @param code of the system's error */
export const portFailure = (address: string, port: number, code: string): string =>
  `the metrics port ${address}:${port} ${PORT_OBSTACLES[code] ?? `cannot be used (${code})`}`;

const OBSTACLES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there',
  EEXIST: 'there is a file that is no socket',
  ENOENT: 'its directory is not there',
  ENOTDIR: 'a part of its path is no directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'that file system cannot be written to',
};

async function listenOnSocket(server: Server, path: string, section: string) {
  try {
    const code = await obstacleAt(path);
    if (code !== undefined) throw Object.assign(new Error(code), { code });
    return await listenBounded(server, () => listenOn(server, path));
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new MonitoringError(
      `the socket ${path} cannot be made: ${OBSTACLES[code] ?? code}`,
      code,
      `choose another path for ${section}.socket; the service may write to /run/sidetrack-relay`,
      'socket',
    );
  }
}
