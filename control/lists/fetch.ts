/**
 * GET of a list over http or https: bounded in size and time, unpacked within the same bound, and sent on only
 * to where the configuration allows it. Nothing of a URL but its host and path is ever in an error.
 */
import { lookup } from 'node:dns';
import { type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { createGunzip } from 'node:zlib';
import { parseAddress } from '../config/address.js';
import { shownUrl } from '../config/list-config.js';
import { PRIVATE } from '../policy/private.js';
import { ListError } from './failure.js';

export interface FetchRequest {
  url: string;
  redirects: 'same_host' | 'any';
  /** Of the body, packed and unpacked. */
  maxBytes: number;
  timeoutSeconds: number;
  /** Of the copy that is there: an answer that it still stands has no body. */
  etag?: string;
  lastModified?: string;
  /** Certificates that are trusted in place of the system's, PEM. */
  ca?: string;
}

export type Fetched = { kind: 'unchanged' } | FetchedBody;

export interface FetchedBody {
  kind: 'body';
  bytes: Buffer;
  etag?: string;
  lastModified?: string;
}

const MOST_REDIRECTS = 5;
const CONNECT_MS = 10_000;
/** Without a byte. */
const IDLE_MS = 20_000;
const AGAIN = 'look whether it can be reached: curl -I; the copy that is there stays in use';

/** @throws ListError */
export async function fetchList(request: FetchRequest): Promise<Fetched> {
  const ends = Date.now() + 1000 * request.timeoutSeconds;
  const first = new URL(request.url);
  let url = first;
  for (let hops = 0; hops <= MOST_REDIRECTS; hops++) {
    const got = await get(url, request, { ends, isElsewhere: url.hostname !== first.hostname });
    if (!('location' in got)) return got;
    url = next(url, got.location, first, request.redirects);
  }
  throw new ListError(
    'redirect',
    `${first.host} sends us on more than ${MOST_REDIRECTS} times`,
    'write the last of these addresses as url',
  );
}

/** Where a redirect leads, if we may go there. */
function next(from: URL, location: string, first: URL, allowed: 'same_host' | 'any'): URL {
  const refuse = (why: string, hint: string) =>
    new ListError('redirect', `${first.host} sends us on ${why}`, hint);
  if (!URL.canParse(location, from.href))
    throw refuse('to nowhere', 'look at it with curl -I; write the right address as url');
  const to = new URL(location, from);
  const told = `to ${shownUrl(to.href)}`;
  if (!/^https?:$/.test(to.protocol))
    throw refuse(`by ${to.protocol}`, 'write the right address as url');
  if (from.protocol === 'https:' && to.protocol === 'http:')
    throw refuse(`${told}, without encryption`, 'write an https address that has the list itself');
  if (allowed === 'same_host' && to.hostname !== first.hostname)
    throw refuse(
      `to another host, ${to.host}`,
      'write that address as url, or redirects: any if the host may choose others',
    );
  // Credentials are for the origin that the configuration names: another port is another program, and http is read by all.
  const { username, password } = first;
  [to.username, to.password] = to.origin === first.origin ? [username, password] : ['', ''];
  return to;
}

interface Deadline {
  ends: number;
  /** The configuration does not name this host. */
  isElsewhere: boolean;
}

type Got = Fetched | { location: string };

function get(url: URL, request: FetchRequest, { ends, isElsewhere }: Deadline): Promise<Got> {
  return new Promise<Got>((resolve, reject) => {
    const left = ends - Date.now();
    if (left <= 0) return reject(late(url, request));
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (isElsewhere && isIP(host) !== 0 && isPrivate(host)) return reject(inside(url));
    const options: RequestOptions & { ca?: string } = {
      agent: false,
      headers: headersOf(url, request),
      ...(isElsewhere && { lookup: publicOnly(url) }),
      ...(request.ca !== undefined && { ca: request.ca }),
    };
    const send = url.protocol === 'https:' ? requestHttps : requestHttp;
    const bare = new URL(url);
    [bare.username, bare.password] = ['', ''];
    const call = send(bare, options, (response) => {
      clearTimeout(connecting);
      receive(response, url, request).then(settle(resolve), fail);
    });
    const total = setTimeout(() => fail(late(url, request)), left);
    const connecting = setTimeout(
      () => fail(slow(url, `does not answer within ${CONNECT_MS / 1000} s`)),
      Math.min(CONNECT_MS, left),
    );
    const settle =
      <T>(done: (value: T) => void) =>
      (value: T) => {
        clearTimeout(total);
        clearTimeout(connecting);
        call.destroy();
        done(value);
      };
    const fail = settle((error: unknown) => reject(error));
    call.setTimeout(IDLE_MS, () => fail(slow(url, `has sent nothing for ${IDLE_MS / 1000} s`)));
    call.on('error', (error) => fail(error instanceof ListError ? error : broken(url, error)));
    call.end();
    return undefined;
  });
}

function headersOf(url: URL, { etag, lastModified }: FetchRequest): Record<string, string> {
  const { username, password } = url;
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return {
    'user-agent': 'sidetrack',
    accept: '*/*',
    'accept-encoding': 'gzip',
    ...(etag !== undefined && { 'if-none-match': etag }),
    ...(lastModified !== undefined && { 'if-modified-since': lastModified }),
    ...(username !== '' && { authorization: `Basic ${Buffer.from(login).toString('base64')}` }),
  };
}

async function receive(response: IncomingMessage, url: URL, request: FetchRequest): Promise<Got> {
  const { statusCode: status = 0, headers } = response;
  if (status === 304 && (request.etag ?? request.lastModified) !== undefined)
    return { kind: 'unchanged' };
  if ([301, 302, 303, 307, 308].includes(status) && headers.location !== undefined)
    return { location: headers.location };
  if (status !== 200)
    throw new ListError(
      'http_status',
      `${shownUrl(url.href)} answers ${status}`,
      statusHint(status),
    );
  const { etag, 'last-modified': lastModified } = headers;
  return {
    kind: 'body',
    bytes: await bodyOf(response, url, request.maxBytes),
    ...(etag !== undefined && isShort(etag) && { etag }),
    ...(lastModified !== undefined && isShort(lastModified) && { lastModified }),
  };
}

/** It is kept, and sent again. */
const isShort = (header: string) => header.length <= 256;

const statusHint = (status: number): string =>
  status === 401 || status === 403
    ? 'look at the user, the password or the token in the url'
    : status === 404 || status === 410
      ? 'the list has moved: write its new url'
      : 'wait, or look at it with curl -I; the copy that is there stays in use';

/** Whole, or an error: no part of a list is a list. */
function bodyOf(response: IncomingMessage, url: URL, maxBytes: number): Promise<Buffer> {
  const announced = Number(response.headers['content-length'] ?? 0);
  if (announced > maxBytes) return Promise.reject(tooLarge(url, maxBytes));
  const encoding = response.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity' && encoding !== 'gzip')
    return Promise.reject(
      new ListError(
        'malformed',
        `${url.host} packs its answer with ${encoding.slice(0, 20)}`,
        AGAIN,
      ),
    );
  return new Promise((resolve, reject) => {
    const body = encoding === 'gzip' ? response.pipe(createGunzip()) : response;
    const chunks: Buffer[] = [];
    let [packed, length] = [0, 0];
    const fail = (error: Error) => {
      // First: what is destroyed complains of being cut off.
      reject(error);
      response.destroy();
      body.destroy();
    };
    const cut = () => fail(broken(url, new Error('the answer is cut off')));
    response.on('data', (chunk: Buffer) => {
      packed += chunk.length;
      if (packed > maxBytes) fail(tooLarge(url, maxBytes));
    });
    response.on('aborted', cut);
    response.on('error', cut);
    body.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > maxBytes) fail(tooLarge(url, maxBytes));
      else chunks.push(chunk);
    });
    body.on('error', (error) => fail(broken(url, error)));
    body.on('end', () => (response.complete ? resolve(Buffer.concat(chunks)) : cut()));
  });
}

/** For hosts that only the list's server has named: none of our own networks may be asked for it. */
const publicOnly =
  (url: URL): LookupFunction =>
  (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      const found = addresses ?? [];
      if (error !== null) return callback(error, []);
      if (found.length === 0 || found.some(({ address }) => isPrivate(address)))
        return callback(inside(url), []);
      const [first] = found;
      if (options.all || first === undefined) return callback(null, found);
      return callback(null, first.address, first.family);
    });
  };

function isPrivate(text: string): boolean {
  const address = parseAddress(text);
  if (typeof address !== 'bigint') return address === undefined || PRIVATE.contains(address);
  const isMapped = address >> 32n === 0xffffn;
  return PRIVATE.contains(isMapped ? Number(address & 0xffffffffn) : address);
}

const inside = (url: URL) =>
  new ListError(
    'redirect',
    `the list's server sends us on to ${url.host}, which is in a private network`,
    'write that address as url if the list is there',
  );
const tooLarge = (url: URL, maxBytes: number) =>
  new ListError(
    'too_large',
    `${shownUrl(url.href)} is longer than ${Math.floor(maxBytes / 1024 / 1024)} MiB`,
    'look at what it is; where it is the list, write a larger max_size_mib',
  );
const slow = (url: URL, what: string) => new ListError('timeout', `${url.host} ${what}`, AGAIN);
const late = (url: URL, { timeoutSeconds }: FetchRequest) =>
  new ListError(
    'timeout',
    `${shownUrl(url.href)} was not there within ${timeoutSeconds} s`,
    'a slow server may need a larger timeout_seconds; the copy that is there stays in use',
  );
const broken = (url: URL, cause: Error) =>
  new ListError(
    'unreachable',
    `cannot fetch ${shownUrl(url.href)}: ${wordsOf(cause)}`,
    AGAIN,
    cause,
  );

function wordsOf(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const words: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'connection refused',
    ECONNRESET: 'connection reset',
    ENOTFOUND: 'its name has no address',
    EAI_AGAIN: 'the resolver does not answer',
    EHOSTUNREACH: 'no route to it',
    ENETUNREACH: 'no route to it',
    EMFILE: 'too many open files',
    ENFILE: 'too many open files',
    DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not trusted',
    SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not trusted',
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not trusted',
    CERT_HAS_EXPIRED: 'its certificate has expired',
    ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is of another name',
    Z_DATA_ERROR: 'what it has packed is damaged',
    Z_BUF_ERROR: 'what it has packed is cut off',
  };
  return words[code] ?? (code || error.message.slice(0, 80));
}
