/**
 * Pages over HTTP, of the relay (`relay.metrics`) and of the exporter (`exporter`): where they are and who may
 * read them is said in the same words.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import { parseAddress } from './address.js';
import type { Problem } from './diagnostic.js';
import { integerOrWord, oneOrMore, section, text } from './field.js';
import { asMap, type Path, valueAt } from './raw.js';
import { addressProblem, fileProblem, nameProblem } from './scalar.js';

/** Where pages are, and who may read them. Paths are absolute or relative to the working directory. */
export interface PagesConfig {
  address: string;
  /** Absent: only the socket. */
  port?: number;
  socket?: string;
  /** Lower case. */
  hosts: string[];
  /** One of them at least; nothing of it is read here. */
  auth?: { bearerTokenFile?: string; username?: string; passwordFile?: string };
  tls?: { certificateFile: string; keyFile: string };
}

/** sockaddr_un has room for one less than 108 bytes. */
const LONGEST_SOCKET = 107;

function socketProblem(path: string): Problem | undefined {
  if (!path.startsWith('/')) return { message: `"${path}" is no absolute path` };
  if (Buffer.byteLength(path) > LONGEST_SOCKET)
    return { message: `the path of a socket has at most ${LONGEST_SOCKET} bytes` };
  return undefined;
}

/** RFC 7617: a colon ends the user. */
function usernameProblem(name: string): Problem | undefined {
  if (name === '') return { message: 'the user name is empty' };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
  if (/[:\x00-\x1f\x7f]/.test(name))
    return {
      message: 'Basic authentication has no room for ":" or control characters in a user name',
    };
  return undefined;
}

const auth = section({
  bearer_token_file: text(fileProblem)
    .optional()
    .describe(
      'File with the token on its first line; a browser sends it as the password of any user',
    ),
  username: text(usernameProblem).optional().describe('User of Basic authentication'),
  password_file: text(fileProblem).optional().describe('File with the password on its first line'),
});

const tls = section({
  certificate_file: text(fileProblem).describe(
    'PEM: the certificate, then those that it is signed by',
  ),
  key_file: text(fileProblem).describe('PEM: its private key'),
});

/** Keys of a section that serves pages. @param port the usual one */
export const pagesShape = (port: number) => ({
  address: text(addressProblem).default('127.0.0.1'),
  port: integerOrWord('none', 1, 65535).default(port).describe('none: only the socket'),
  socket: text(socketProblem)
    .optional()
    .describe('A unix socket to listen on as well; only its user and root may open it'),
  hosts: oneOrMore(text(nameProblem))
    .default([])
    .describe('Host names under which the pages answer, besides localhost and addresses')
    .meta({ examples: [['server1.lan']] }),
  auth: auth
    .optional()
    .describe('Who may ask, over the port: with the token, or with user and password'),
  tls: tls.optional().describe('HTTPS instead of HTTP on the port'),
});

export type PagesFile = z.output<ReturnType<typeof pagesSection>>;
const pagesSection = (port: number) => z.strictObject(pagesShape(port));

type Found = { path: Path; problem: Problem };

/** What concerns several keys. @param at where the section is; reads the unchecked file, like `check.ts` */
export function pagesProblems(root: unknown, at: Path): Found[] {
  const { port, socket, auth } = asMap(valueAt(root, at));
  const { username, password_file, bearer_token_file } = asMap(auth);
  const found = (key: Path, message: string, hint: string) => [
    { path: [...at, ...key], problem: { message, hint } },
  ];
  return [
    ...(port === 'none' && socket === undefined
      ? found(['port'], 'without a port there is nowhere to ask', 'add "socket"')
      : []),
    ...(username !== undefined && password_file === undefined
      ? found(['auth', 'username'], 'a user without a password', 'add "password_file"')
      : []),
    ...(username === undefined && password_file !== undefined
      ? found(['auth', 'password_file'], 'a password without a user', 'add "username"')
      : []),
    ...(auth !== undefined &&
    [username, password_file, bearer_token_file].every((one) => one === undefined)
      ? found(
          ['auth'],
          'auth is empty',
          'add "bearer_token_file", or "username" and "password_file"',
        )
      : []),
  ];
}

/** Whether only this machine can connect there. */
export function isLoopback(address: string): boolean {
  if (isIP(address) === 4) return address.startsWith('127.');
  return parseAddress(address) === 1n;
}

/** What is allowed and hardly meant. @param at where the section is */
export function pagesWarnings({ address, port, auth, tls }: PagesConfig, at: Path): Found[] {
  if (port === undefined || isLoopback(address)) return [];
  const warning = (key: string, message: string, hint: string) => [
    { path: [...at, key], problem: { message, hint } },
  ];
  const section = at.join('.');
  if (auth === undefined)
    return warning(
      'address',
      `the pages on ${address}:${port} are open to all who can reach that address`,
      `write ${section}: { auth: { bearer_token_file: … } }, or listen on 127.0.0.1`,
    );
  if (tls === undefined)
    return warning(
      'auth',
      `the token or password for ${address}:${port} crosses the network in clear text`,
      `write ${section}: { tls: { certificate_file: …, key_file: … } }`,
    );
  return [];
}
