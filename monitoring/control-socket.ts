/**
 * Where the command line talks to a running relay: HTTP over a socket below /run/sidetrack that only
 * its user may open. The name has the process number, so two relays never meet; what a relay that
 * was killed left behind is removed when the next one starts.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { OpenConnection } from '../proxy/open-connections.js';
import { CLOSE_MOST, CONTROL_VERSION, closeRequest } from './control-pages.js';
import { createBoundedServer, listenBounded } from './http-server.js';
import type { State } from './state.js';
import { isStale, listenOn } from './unix-socket.js';

export { isStale } from './unix-socket.js';

export interface ControlledRelay {
  readonly port: number;
  connections(): Promise<OpenConnection[]>;
  close(ids: readonly number[]): Promise<OpenConnection[]>;
  state(): Promise<State>;
}

export interface ControlSocket {
  path: string;
  close(): Promise<void>;
}

/** Names of the sockets of all relays, also of those that are no more. */
export const CONTROL_SOCKET = /^relay-\d+\.sock$/;

/** Commands that talk to one relay at a time. */
const COMMANDS_MOST = 8;
const BODY_MOST = 64 << 10;

/** @throws the errno error when the directory or the socket cannot be made. */
export async function startControlSocket(
  directory: string,
  relay: ControlledRelay,
): Promise<ControlSocket> {
  mkdirSync(directory, { recursive: true });
  await removeStale(directory);
  const path = join(directory, `relay-${process.pid}.sock`);
  const server = createBoundedServer({ connections: COMMANDS_MOST }, (request, response) => {
    answer(relay, request, response).catch((error: unknown) => fail(response, 500, String(error)));
  });
  const close = await listenBounded(server, () => listen(server, path));
  const remove = () => rmSync(path, { force: true });
  process.once('exit', remove);
  return {
    path,
    close: () => {
      process.off('exit', remove);
      // Unlinks the file, too.
      return close();
    },
  };
}

/** It serves a running relay; it does not keep a process alive whose relay could not start. */
function listen(server: Server, path: string): void {
  listenOn(server, path);
  server.unref();
}

async function removeStale(directory: string): Promise<void> {
  for (const name of readdirSync(directory).filter((one) => CONTROL_SOCKET.test(one))) {
    const path = join(directory, name);
    if (await isStale(path)) rmSync(path, { force: true });
  }
}

async function answer(
  relay: ControlledRelay,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const route = `${request.method} ${request.url}`;
  if (route === 'GET /relay') reply(response, { pid: process.pid, port: relay.port });
  else if (route === 'GET /connections')
    reply(response, { at: Date.now() / 1000, connections: await relay.connections() });
  else if (route === 'GET /state') reply(response, await relay.state());
  else if (route === 'POST /close') await answerClose(relay, request, response);
  else fail(response, 404, 'GET /relay, GET /connections, GET /state or POST /close');
}

async function answerClose(
  relay: ControlledRelay,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const ids = readIds(await readBody(request));
  if (ids === undefined) fail(response, 400, `{ "ids": [1 to ${CLOSE_MOST} numbers] }`);
  else reply(response, { closed: await relay.close(ids) });
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) {
    body += chunk;
    if (body.length > BODY_MOST) return '';
  }
  return body;
}

function readIds(body: string): number[] | undefined {
  try {
    return closeRequest.safeParse(JSON.parse(body)).data?.ids;
  } catch {
    return undefined;
  }
}

function reply(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify({ version: CONTROL_VERSION, ...body })}\n`);
}

function fail(response: ServerResponse, status: number, error: string): void {
  if (!response.headersSent) response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify({ error })}\n`);
}
