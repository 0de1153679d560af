/**
 * The pages' routes with states that a test makes up: faults of the server and sizes that no lab has. What is
 * true of a relay is asked of a real one.
 */
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { ConnectionItem } from '../../../monitoring/connection-page.js';
import type { History, State } from '../../../monitoring/state.js';

const WEB = new URL('../../../build/monitoring/web/', import.meta.url);
const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript',
  css: 'text/css',
  svg: 'image/svg+xml',
};
/** As the real server sends it. */
const POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export class FakeServer {
  readonly #streams = new Set<ServerResponse>();
  readonly #server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    this.asked.push(`${request.method} ${request.url}`);
    if (pathname === '/' || /^\/(web|runbooks)\//.test(pathname))
      return serveFile(pathname, response);
    if (this.token !== '' && request.headers.authorization !== `Bearer ${this.token}`) {
      this.refused.push(request.headers.authorization ?? '');
      return void response.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
    }
    if (pathname === '/state.json') return void response.writeHead(200).end();
    if (pathname === '/events') return this.#stream(response);
    if (pathname === '/history.json') return sendJson(response, this.history);
    if (pathname === '/connections.json') return this.#list(searchParams, response);
    if (pathname === '/why.json')
      return sendJson(response, { version: 1, id: 1, action: 'proxy', text: this.whyText });
    if (pathname === '/connections/close')
      return sendJson(response, { version: 1, closed: this.connections.map(({ id }) => id) });
    response.writeHead(404).end();
  });
  readonly asked: string[] = [];
  /** What was said instead of the token. */
  readonly refused: string[] = [];
  token = '';
  connections: ConnectionItem[] = [];
  whyText = 'Rule "rest" hands it over.';
  history: History = {
    version: 1,
    at: [],
    upload: [],
    download: [],
    active: [],
    opened: [],
    errors: [],
    connectP50: [],
    connectP99: [],
    residencyP50: [],
    residencyP99: [],
  };

  static async start(port = 0): Promise<FakeServer> {
    const fake = new FakeServer();
    await new Promise<void>((resolve) => fake.#server.listen(port, '127.0.0.1', resolve));
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Tabs that have a stream of their own. */
  get streams(): number {
    return this.#streams.size;
  }

  push(state: State): void {
    for (const stream of this.#streams)
      stream.write(`event: state\ndata: ${JSON.stringify(state)}\n\n`);
  }

  /** Ends the streams as a relay does that ends. */
  drop(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  #stream(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.flushHeaders();
    this.#streams.add(response);
    response.on('close', () => this.#streams.delete(response));
  }

  #list(words: URLSearchParams, response: ServerResponse): void {
    const [offset, limit] = [Number(words.get('offset')), Number(words.get('limit'))];
    const q = words.get('q') ?? '';
    const client = words.get('client') ?? '';
    const found = this.connections.filter(
      (one) => JSON.stringify(one).includes(q) && one.client.startsWith(client),
    );
    sendJson(response, {
      version: 1,
      at: 1,
      all: this.connections.length,
      matching: found.length,
      connections: found.slice(offset, offset + limit),
    });
  }
}

function sendJson(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function nameOf(path: string): string {
  if (path === '/') return 'index.html';
  if (path.startsWith('/web/')) return path.slice('/web/'.length);
  return `${path.endsWith('/') ? `${path}index` : path}.html`.slice(1);
}

function serveFile(path: string, response: ServerResponse): void {
  const name = nameOf(path);
  try {
    const body = readFileSync(fileURLToPath(new URL(name, WEB)));
    const type = TYPES[name.split('.').at(-1)!] ?? 'text/plain';
    response.writeHead(200, { 'content-type': type, 'content-security-policy': POLICY }).end(body);
  } catch {
    response.writeHead(404).end();
  }
}
