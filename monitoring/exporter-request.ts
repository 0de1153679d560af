/** One question to an exporter, with bounds on time and length. What answers there is not trusted to be one. */
import { X509Certificate } from 'node:crypto';
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { isIPv6 } from 'node:net';
import { type PeerCertificate, rootCertificates } from 'node:tls';

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

/** Milliseconds for an answer. */
const ANSWER_MS = 8000;

/** Words that may be shown. */
export class Failure extends Error {}

/** @param most bytes of the answer. @returns its body. @throws what `reasonOf` makes words of */
export async function askExporter(
  place: ExporterPlace,
  path: string,
  most: number,
): Promise<string> {
  const response = await get(place, path);
  const body = await readBounded(response, most);
  if (response.statusCode === 401 || response.statusCode === 403)
    throw new Failure('it wants a token that this relay cannot read');
  if (response.statusCode !== 200) throw new Failure(`it says ${response.statusCode}`);
  return body;
}

function get(place: ExporterPlace, path: string): Promise<IncomingMessage> {
  const { address, port, socket, certificate, isTls } = place;
  const options: RequestOptions = {
    ...(port === undefined ? { socketPath: socket } : { host: reachable(address), port }),
    path,
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

async function readBounded(response: IncomingMessage, most: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > most) throw new Failure('its answer has no end');
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** @returns why there is no answer, in words that may be shown */
export function reasonOf(error: unknown): string {
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
