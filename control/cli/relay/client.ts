/** Talks to a running relay over its control socket; see monitoring/control-socket.ts. */
import { readdirSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { basename, join } from 'node:path';
import { CONTROL_SOCKET, isStale } from '../../../monitoring/control-socket.js';
import type { OpenConnection } from '../../../proxy/open-connections.js';
import { SidetrackError } from '../../error.js';
import { RELAY_SOCKETS } from '../../plan/paths.js';

export interface ConnectionList {
  /** Unix time, seconds. */
  at: number;
  connections: OpenConnection[];
}

export interface RelayClient {
  pid: number;
  port: number;
  connections(): Promise<ConnectionList>;
  close(ids: readonly number[]): Promise<OpenConnection[]>;
}

const TIMEOUT_MS = 10_000;

/** @param pid which one, when several run here. @throws SidetrackError when there is none. */
export async function connectRelay(pid: string | undefined): Promise<RelayClient> {
  const path = await chooseSocket(pid);
  const ask = (method: string, url: string, body?: unknown) => exchange(path, method, url, body);
  const about = (await ask('GET', '/relay')) as { pid: number; port: number };
  return {
    ...about,
    connections: async () => (await ask('GET', '/connections')) as ConnectionList,
    close: async (ids) =>
      ((await ask('POST', '/close', { ids })) as { closed: OpenConnection[] }).closed,
  };
}

async function chooseSocket(pid: string | undefined): Promise<string> {
  const all = socketFiles();
  if (pid !== undefined) {
    const chosen = all.find((path) => basename(path) === `relay-${pid}.sock`);
    if (chosen === undefined) throw noRelay(`no relay with process number ${pid} runs here`);
    return chosen;
  }
  const alive: string[] = [];
  for (const path of all) if (!(await isStale(path))) alive.push(path);
  if (alive.length === 0) throw noRelay('no relay runs on this machine');
  if (alive.length === 1) return alive[0]!;
  const pids = alive.map((path) => /\d+/.exec(basename(path))?.[0]).join(', ');
  throw new SidetrackError('several relays run here', {
    code: 'relay-ambiguous',
    source: 'user',
    hint: `choose one with --pid: ${pids}`,
  });
}

function socketFiles(): string[] {
  return RELAY_SOCKETS.flatMap((directory) => {
    try {
      const names = readdirSync(directory).filter((name) => CONTROL_SOCKET.test(name));
      return names.map((name) => join(directory, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw denied(directory, error);
    }
  });
}

const noRelay = (message: string) =>
  new SidetrackError(message, {
    code: 'relay-not-running',
    source: 'host',
    hint: 'start it on the server: sudo sidetrack relay',
  });

function denied(path: string, cause: unknown): SidetrackError {
  const { code } = cause as NodeJS.ErrnoException;
  const mine = code === 'EACCES' || code === 'EPERM';
  return new SidetrackError(
    mine ? `not allowed to talk to the relay (${path})` : `the relay does not answer (${code})`,
    {
      code: mine ? 'relay-permission' : 'relay-not-running',
      source: 'host',
      hint: mine
        ? 'run this as root, or as the user that the relay runs as'
        : 'is it stopping, or do too many commands talk to it?',
      cause,
    },
  );
}

function exchange(path: string, method: string, url: string, body?: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath: path, method, path: url, timeout: TIMEOUT_MS });
    outgoing.once('response', (response) => {
      readJson(response).then(resolve, reject);
    });
    outgoing.once('timeout', () => outgoing.destroy(new Error('ETIMEDOUT')));
    outgoing.once('error', (error) => reject(denied(path, error)));
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function readJson(response: IncomingMessage): Promise<unknown> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += chunk;
  const body = JSON.parse(text) as { error?: string };
  if (response.statusCode === 200) return body;
  throw new SidetrackError(`the relay says: ${body.error}`, {
    code: 'relay-refused',
    source: 'host',
    hint: 'are the relay and this command of the same version?',
  });
}
