/**
 * The router's half of the state, asked of the exporter: only while somebody watches, never twice at a time, and
 * with bounds on time and length. What answers there is not trusted to be an exporter.
 */
import { X509Certificate } from 'node:crypto';
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { isIPv6 } from 'node:net';
import { type PeerCertificate, rootCertificates } from 'node:tls';
import { soon } from './soon.js';
import type { Health, State } from './state.js';
import { state } from './state.js';

export interface ExporterPlace {
  address: string;
  port?: number;
  socket?: string;
  /** Its token, or `user:password`; the caller may wipe them when the place is no longer in use. */
  token?: Buffer;
  basic?: Buffer;
  /** PEM: the certificate that it serves, when that is HTTPS. */
  certificate?: Buffer;
  isTls?: boolean;
}

/** Milliseconds from one question to the next, and for an answer. */
const PACE_MS = 2000;
const ANSWER_MS = 8000;
/** What somebody who waits for a state waits for the router's half of it. */
const PATIENCE_MS = 1000;
/** What is older is not shown as if it were now. */
const STALE_MS = 20_000;
const BYTES_MOST = 4 << 20;

type Half = Pick<State, 'hosts' | 'router' | 'servers'>;

interface Answer {
  at: number;
  half: Half;
  health: readonly Health[];
}

export class ExporterClient {
  #last: Answer | undefined;
  #failure: string | undefined;
  #asking: Promise<void> | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly place: () => ExporterPlace,
    private readonly patienceMs = PATIENCE_MS,
  ) {}

  /** It has yet to answer; Node does not end before it has. */
  get isAsking(): boolean {
    return this.#asking !== undefined;
  }

  /** What is known, a few seconds old at most; and what is to be said of the router. */
  async read(): Promise<{ half: Half; health: readonly Health[] }> {
    if (this.#asking === undefined && Date.now() - this.#askedAt >= PACE_MS) this.#ask();
    if (this.#asking !== undefined) await soon(this.#asking, this.patienceMs);
    const last = this.#last;
    if (last !== undefined && Date.now() - last.at < STALE_MS) return last;
    return { half: {}, health: [this.#absent(last !== undefined)] };
  }

  #ask(): void {
    this.#askedAt = Date.now();
    this.#asking = askState(this.place())
      .then(({ hosts, router, servers, health }) => {
        const half = {
          ...(hosts && { hosts }),
          ...(router && { router }),
          ...(servers && { servers }),
        };
        this.#last = { at: Date.now(), half, health };
        this.#failure = undefined;
      })
      .catch((error: unknown) => {
        this.#failure = reasonOf(error);
      })
      .finally(() => {
        this.#asking = undefined;
      });
  }

  /** One that was there and is gone is worth more than one that there never was. */
  #absent(wasThere: boolean): Health {
    const why = this.#failure ?? 'it has not answered yet';
    const { port } = this.place();
    const where = port === undefined ? 'its socket' : `port ${port}`;
    return {
      level: wasThere ? 'warning' : 'ok',
      host: 'router',
      what: `rules and hosts are not shown, because no exporter answers on ${where}: ${why}`,
      next: 'sidetrack exporter',
    };
  }
}

async function askState(place: ExporterPlace): Promise<State> {
  const response = await get(place);
  const body = await readBounded(response);
  if (response.statusCode === 401 || response.statusCode === 403)
    throw new Failure('it wants a token that this relay cannot read');
  if (response.statusCode !== 200) throw new Failure(`it says ${response.statusCode}`);
  const read = state.safeParse(parse(body));
  if (!read.success) throw new Failure('what answers is none, or of another version');
  return read.data;
}

/** Words that may be shown. */
class Failure extends Error {}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function get(place: ExporterPlace): Promise<IncomingMessage> {
  const { address, port, socket, certificate, isTls } = place;
  const options: RequestOptions = {
    ...(port === undefined ? { socketPath: socket } : { host: reachable(address), port }),
    path: '/state.json',
    headers: { host: 'localhost', ...credentials(place) },
    agent: false,
    signal: AbortSignal.timeout(ANSWER_MS),
  };
  const sent =
    isTls && port !== undefined
      ? tlsRequest({
          ...options,
          ca: [...(certificate ? [certificate] : []), ...rootCertificates],
          ...(certificate && { checkServerIdentity: isTheSame(certificate) }),
        })
      : request(options);
  return new Promise((resolve, reject) => {
    sent.once('response', resolve);
    sent.once('error', reject);
    sent.end();
  });
}

/**
 * It may be asked by an address that is not in its certificate, so what counts is that it is that certificate, or the
 * next one for the same names: anybody may have one of a public authority for other names.
 */
function isTheSame(certificate: Buffer) {
  const known = new X509Certificate(certificate);
  return (_: string, { raw, subjectaltname: names }: PeerCertificate): Error | undefined => {
    if (known.raw.equals(raw)) return undefined;
    if (names !== undefined && names === known.subjectAltName) return undefined;
    return new Failure('its certificate is another than exporter.tls.certificate_file');
  };
}

/** Who listens everywhere listens here. */
const reachable = (address: string) =>
  address === '0.0.0.0'
    ? '127.0.0.1'
    : isIPv6(address) && /^[0:]+$/.test(address)
      ? '::1'
      : address;

function credentials({ token, basic }: ExporterPlace): Record<string, string> {
  if (token !== undefined) return { authorization: `Bearer ${token.toString('latin1')}` };
  if (basic !== undefined) return { authorization: `Basic ${basic.toString('base64')}` };
  return {};
}

async function readBounded(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > BYTES_MOST) throw new Failure('its answer has no end');
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function reasonOf(error: unknown): string {
  if (error instanceof Failure) return error.message;
  const { code, name } = error as NodeJS.ErrnoException;
  if (name === 'AbortError' || name === 'TimeoutError') return 'it takes too long';
  const words: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'nothing listens there',
    ENOENT: 'there is no socket',
    EACCES: 'permission denied',
    ECONNRESET: 'it hangs up',
    EHOSTUNREACH: 'it cannot be reached',
    ENETUNREACH: 'it cannot be reached',
  };
  return words[code ?? ''] ?? 'it cannot be asked';
}
