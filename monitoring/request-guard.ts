/** What is refused before a page is asked: names that lead here by a trick, other sites, missing credentials. */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Gate } from './access.js';
import { Refused } from './refused.js';

/** Where a request came in. */
export type Channel = 'port' | 'socket';

/** Of everything that says who may do what; a reload replaces it. */
export interface Rules {
  /** Absent: nobody needs credentials. */
  gate?: Gate;
  /** Lower case, beside `localhost` and addresses. */
  hosts: readonly string[];
  /** Who is connected to what is shown to all. */
  showsConnections: boolean;
  /** What the section of the configuration is called. */
  section: string;
}

/** What the one who asks may do. */
export interface Rights {
  /** Ask for what is not open to all. */
  enters: boolean;
  /** See who is connected to what. */
  sees: boolean;
  /** Close connections. */
  closes: boolean;
}

/** Headers of those who pass on what others ask. */
const FORWARDED = [
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
  'via',
];

export function rightsOf(request: IncomingMessage, channel: Channel, rules: Rules): Rights {
  if (channel === 'socket') return { enters: true, sees: true, closes: true };
  const { gate, showsConnections } = rules;
  const isKnown = gate?.allows(request.headers.authorization) ?? false;
  return {
    enters: gate === undefined || isKnown,
    sees: showsConnections || isKnown,
    closes: isKnown || (gate === undefined && isLocal(request)),
  };
}

/**
 * From this machine, and not on behalf of another. nginx says that of itself only when told to: but it speaks HTTP/1.0,
 * or says the name that the other one asked for.
 */
function isLocal({ socket, headers, httpVersion }: IncomingMessage): boolean {
  if (httpVersion === '1.0' || !isLoopback(headers.host)) return false;
  const address = socket.remoteAddress?.replace(/^::ffff:/, '');
  const isOwn = address === '::1' || (address?.startsWith('127.') ?? false);
  return isOwn && FORWARDED.every((name) => headers[name] === undefined);
}

const isLoopback = (host = '') => /^(localhost\.?|127(\.\d{1,3}){3}|\[::1\])(:\d*)?$/i.test(host);

/** @throws Refused */
export function checkHost(request: IncomingMessage, { hosts, section }: Rules): void {
  const said = request.rawHeaders.filter((name, i) => i % 2 === 0 && /^host$/i.test(name));
  // Who stands in between might have looked at the other one.
  if (said.length > 1) throw new Refused(400, 'a request has one Host');
  if (isAskedFor(request.headers.host, ['localhost', ...hosts])) return;
  throw new Refused(421, `ask by address or as localhost, or name this host in ${section}.hosts`);
}

/**
 * A browser that was led here by another site's name, which now stands for our address, still says that
 * name (DNS rebinding). An address is no name, and who leaves the header out is no browser.
 */
function isAskedFor(host: string | undefined, names: readonly string[]): boolean {
  if (host === undefined) return true;
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host) ?? [];
  const name = (bracketed ?? plain)?.toLowerCase().replace(/\.$/, '');
  return name !== undefined && (isIP(name) !== 0 || names.includes(name));
}

/**
 * Another site may link here, and nothing else: it can read no answer, but it could take the places of those who
 * listen, and close connections. @throws Refused
 */
export function checkSite(request: IncomingMessage): void {
  const { origin, host } = request.headers;
  const site = request.headers['sec-fetch-site'];
  const mode = request.headers['sec-fetch-mode'];
  const changes = request.method !== 'GET' && request.method !== 'HEAD';
  const isElsewhere = site !== undefined && site !== 'same-origin' && site !== 'none';
  const isLink = !changes && mode === 'navigate';
  if (isElsewhere && !isLink) throw new Refused(403, 'another site may not ask this');
  // Without TLS browsers tell where a request comes from to this machine only, but the origin to all.
  if (origin !== undefined && hostOf(origin) !== host?.toLowerCase())
    throw new Refused(403, 'another site may not ask this');
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

/** A form of another site cannot send this type. @throws Refused */
export function checkJson({ headers }: IncomingMessage): void {
  const [type] = (headers['content-type'] ?? '').split(';');
  if (type?.trim().toLowerCase() === 'application/json') return;
  throw new Refused(415, 'send application/json');
}

const BODY_MOST = 64 << 10;

/** @throws Refused when it is too long, or not JSON. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > BODY_MOST) throw new Refused(413, `send at most ${BODY_MOST} bytes`);
    chunks.push(bytes);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Refused(400, 'send JSON');
  }
}
