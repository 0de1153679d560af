/** Who may ask, over a port: with a token, or with a user and a password. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** The caller may wipe the buffers afterwards. */
export interface PageAuth {
  token?: Buffer;
  user?: { name: string; password: Buffer };
}

/** Of this process: equal digests mean equal secrets, and nothing else can be told from them. */
const KEY = randomBytes(32);
const digest = (secret: Buffer | string) => createHmac('sha256', KEY).update(secret).digest();

/** Longer than any header of ours; node has a limit of its own. */
const LONGEST = 8192;

/** Keeps digests, never a secret. */
export class Gate {
  readonly #token: Buffer | undefined;
  readonly #user: { name: Buffer; password: Buffer } | undefined;

  constructor({ token, user }: PageAuth) {
    this.#token = token && digest(token);
    this.#user = user && { name: digest(user.name), password: digest(user.password) };
  }

  /** What a client without credentials is told. For Basic a browser asks its user; for a token the live page does. */
  get challenges(): string[] {
    return [
      ...(this.#user === undefined ? [] : ['Basic realm="sidetrack", charset="UTF-8"']),
      ...(this.#token === undefined ? [] : ['Bearer realm="sidetrack"']),
    ];
  }

  /** Takes as long for a wrong secret as for the right one. @param header `Authorization` */
  allows(header: string | undefined): boolean {
    if (header === undefined || header.length > LONGEST) return false;
    const [, scheme = '', value = ''] = /^(\S+) +(\S+) *$/.exec(header) ?? [];
    if (scheme.toLowerCase() === 'bearer') return this.#isToken(value);
    return scheme.toLowerCase() === 'basic' && this.#isUser(Buffer.from(value, 'base64'));
  }

  #isToken(value: Buffer | string): boolean {
    return this.#token !== undefined && timingSafeEqual(this.#token, digest(value));
  }

  /** A browser can only send a token as a password. */
  #isUser(pair: Buffer): boolean {
    const colon = pair.indexOf(0x3a);
    if (colon < 0) return false;
    const [name, password] = [pair.subarray(0, colon), pair.subarray(colon + 1)];
    const isToken = this.#isToken(password);
    if (this.#user === undefined) return isToken;
    const isName = timingSafeEqual(this.#user.name, digest(name));
    const isPassword = timingSafeEqual(this.#user.password, digest(password));
    return (isName && isPassword) || isToken;
  }
}
