/** Talks to a running relay over its control socket; see monitoring/control-socket.ts. */
import { readdirSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { basename, join } from 'node:path';
import type { z } from 'zod';
import {
  aboutRelay,
  type ConnectionList,
  closeAnswer,
  connectionList,
  type ListedConnection,
  refusal,
} from '../../../monitoring/control-pages.js';
import { CONTROL_SOCKET, isStale } from '../../../monitoring/control-socket.js';
import { type State, state } from '../../../monitoring/state.js';
import { printable } from '../../config/diagnostic.js';
import { checkContract } from '../../contract.js';
import { SidetrackError } from '../../error.js';
import { RELAY_SOCKETS } from '../../plan/paths.js';

export interface RelayClient {
  pid: number;
  port: number;
  connections(): Promise<ConnectionList>;
  /** @returns undefined where the relay is of a version that has none. */
  state(): Promise<State | undefined>;
  close(ids: readonly number[]): Promise<ListedConnection[]>;
}

/** Of silence, and for an answer as a whole. */
const TIMEOUT_MS = 10_000;
const ANSWER_MS = 60_000;
const SAME_VERSION = 'are the relay and this command of the same version?';
/** Some hundred thousand connections. */
const ANSWER_MOST = 256 << 20;

/**
 * @param pid which one, when several run here.
 * @param ending ends all that is asked, so that a relay that hangs holds nobody.
 * @throws SidetrackError when there is none.
 */
export async function connectRelay(
  pid: string | undefined,
  ending?: AbortSignal,
): Promise<RelayClient> {
  const path = await chooseSocket(pid);
  const ask = (method: string, url: string, body?: unknown) =>
    exchange(path, method, url, body, { ending });
  const { pid: number, port } = fitting(await ask('GET', '/relay'), aboutRelay);
  return {
    pid: number,
    port,
    connections: async () => fitting(await ask('GET', '/connections'), connectionList),
    state: async () => {
      const answer = await unlessAbsent(ask('GET', '/state'));
      return answer === undefined ? undefined : fitting(answer, state);
    },
    close: async (ids) => fitting(await ask('POST', '/close', { ids }), closeAnswer).closed,
  };
}

/** A page that the relay does not have is none. */
async function unlessAbsent(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof SidetrackError && error.code === 'relay-has-none') return undefined;
    throw error;
  }
}

/** @throws SidetrackError when the answer has another shape, or is of another version. */
export function fitting<T>(answer: unknown, schema: z.ZodType<T>): T {
  const read = checkContract(answer, schema);
  if ('value' in read) return read.value;
  throw new SidetrackError(
    `the relay's answer is none that this sidetrack reads: ${read.problem}`,
    {
      code: 'relay-answer',
      source: 'host',
      hint: SAME_VERSION,
    },
  );
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

export interface ExchangeOptions {
  /** Bytes of an answer. */
  most?: number;
  ending?: AbortSignal | undefined;
}

/** @throws SidetrackError when there is none that can be used. */
export function exchange(
  path: string,
  method: string,
  url: string,
  body?: unknown,
  { most = ANSWER_MOST, ending }: ExchangeOptions = {},
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const outgoing = request({ socketPath: path, method, path: url, timeout: TIMEOUT_MS, signal });
    outgoing.once('response', (response) => {
      readJson(response, most).then(resolve, reject);
    });
    outgoing.once('timeout', () => outgoing.destroy(new Error('ETIMEDOUT')));
    outgoing.once('error', (error) => reject(denied(path, error)));
    const end = () => outgoing.destroy(new Error('ABORTED'));
    ending?.addEventListener('abort', end);
    outgoing.once('close', () => ending?.removeEventListener('abort', end));
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const notARelay = (why: string) =>
  new SidetrackError(`what answers there is no relay of ours: ${why}`, {
    code: 'relay-answer',
    source: 'host',
    hint: SAME_VERSION,
  });

/** What JSON needs for a control character, and what `printable` changes beside those. */
const MAY_STEER = /[\\\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

const makePrintable = (_: string, one: unknown) => (typeof one === 'string' ? printable(one) : one);

/** No text reaches a terminal with what would steer it. Ten thousand connections are looked at once a second. */
function parseAnswer(text: string): object {
  try {
    const value: unknown = JSON.parse(text, MAY_STEER.test(text) ? makePrintable : undefined);
    if (typeof value === 'object' && value !== null) return value;
  } catch {}
  throw notARelay('its answer is not JSON');
}

/** The socket belongs to the relay's user, and we may be root: not all of it is believed. */
async function readJson(response: IncomingMessage, most: number): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > most) throw notARelay('its answer has no end');
  }
  const body = parseAnswer(Buffer.concat(chunks).toString('utf8'));
  if (response.statusCode === 200) return body;
  throw new SidetrackError(`the relay says: ${refusal.safeParse(body).data?.error ?? 'no'}`, {
    code: response.statusCode === 404 ? 'relay-has-none' : 'relay-refused',
    source: 'host',
    hint: SAME_VERSION,
  });
}
