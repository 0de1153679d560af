/** What a probe says once it is connected: nothing, a GET, or the beginning of TLS. */
import { randomBytes } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { ProbeAnswer, ProbeDestination } from '../../../proxy/options.js';
import type { ProbeTarget } from '../../config/probe.js';

export function probeTarget(
  { address, port, path }: ProbeTarget,
  answer: ProbeAnswer,
): ProbeDestination {
  if (answer === 'http') return { address, port, request: httpRequest(address, port, path ?? '/') };
  if (answer === 'tls') return { address, port, request: clientHello() };
  return { address, port };
}

function httpRequest(address: string, port: number, path: string): Buffer {
  const host = isIPv6(address) ? `[${address}]` : address;
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${port === 80 ? host : `${host}:${port}`}`,
    'User-Agent: sidetrack',
    'Connection: close',
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
}

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
/** TLS 1.2, which is what TLS 1.3 calls itself outside an extension (RFC 8446, 4.1.2). */
const VERSION = Buffer.from([3, 3]);
/** Of both versions, what every server has. */
const CIPHER_SUITES = [0x1301, 0x1302, 0x1303, 0xc02f, 0xc030, 0xc02b, 0xc02c, 0xcca8, 0x009c];
const GROUPS = [0x001d, 0x0017];
const SIGNATURES = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501];
const VERSIONS = [0x0304, 0x0303];

/** A ClientHello without a name: servers answer with a ServerHello or an alert, and both are answers. */
function clientHello(): Buffer {
  const extensions = [
    extension(10, vector(2, words(GROUPS))),
    extension(11, vector(1, Buffer.from([0]))),
    extension(13, vector(2, words(SIGNATURES))),
    extension(43, vector(1, words(VERSIONS))),
    // Any 32 bytes are a public key of X25519.
    extension(51, vector(2, Buffer.concat([words([0x001d]), vector(2, randomBytes(32))]))),
  ];
  const body = Buffer.concat([
    VERSION,
    randomBytes(32),
    vector(1, randomBytes(32)),
    vector(2, words(CIPHER_SUITES)),
    vector(1, Buffer.from([0])),
    vector(2, Buffer.concat(extensions)),
  ]);
  const message = Buffer.concat([Buffer.from([CLIENT_HELLO]), vector(3, body)]);
  return Buffer.concat([Buffer.from([HANDSHAKE, 3, 1]), vector(2, message)]);
}

const extension = (type: number, content: Buffer) =>
  Buffer.concat([words([type]), vector(2, content)]);

/** RFC 8446, 3.4: the length in so many bytes, then the content. */
function vector(lengthBytes: number, content: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes);
  length.writeUIntBE(content.length, 0, lengthBytes);
  return Buffer.concat([length, content]);
}

function words(values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(2 * values.length);
  values.forEach((value, i) => {
    buffer.writeUInt16BE(value, 2 * i);
  });
  return buffer;
}
