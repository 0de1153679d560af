/** What single values of a set may look like. */
import type { Problem } from './diagnostic.js';

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const SHORTEST = 1;
export const LONGEST_REFRESH = 366 * 86_400;

/** Seconds of `30m`, `24h`, `7d`; undefined for what is no such time. */
export function secondsOf(text: string): number | undefined {
  const [, count = '', unit = ''] = /^([1-9]\d{0,6})([smhd])$/.exec(text) ?? [];
  const seconds = Number(count) * (SECONDS[unit] ?? 0);
  return seconds >= SHORTEST && seconds <= LONGEST_REFRESH ? seconds : undefined;
}

export function refreshProblem(text: string): Problem | undefined {
  if (secondsOf(text) !== undefined) return undefined;
  return { message: `"${text.slice(0, 20)}" is no time`, hint: 'write 30m, 24h or 7d' };
}

/** No part of the URL is repeated: it may have a password in it. */
export function listUrlProblem(text: string): Problem | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.hostname === '')
    return { message: 'the url is none of http or https', hint: 'write https://HOST/PATH' };
  if (!isDecodable(url.username) || !isDecodable(url.password))
    return {
      message: 'the user or the password of the url has a % that stands for nothing',
      hint: 'write %25 for a percent sign',
    };
  return undefined;
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

export function sha256Problem(text: string): Problem | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return undefined;
  return { message: 'is no SHA-256', hint: 'write the 64 hexadecimal digits of sha256sum' };
}

export function countryProblem(value: number | string): Problem | undefined {
  if (/^[A-Z]{2}$/.test(String(value)) || /^[1-9]\d{0,9}$/.test(String(value))) return undefined;
  return {
    message: `"${String(value).slice(0, 20)}" is no country`,
    hint: 'write two capital letters (CN), or the geoname_id in digits; "NO" goes in quotes',
  };
}

export function wordProblem(text: string): Problem | undefined {
  return text.trim() === '' ? { message: 'the word is empty' } : undefined;
}

const KEY_BYTES = 42;

/** `Ed`, eight bytes of its number, and the key. */
export function signatureKeyProblem(text: string): Problem | undefined {
  const bytes = Buffer.from(text, 'base64');
  const isKey = /^[A-Za-z0-9+/]+={0,2}$/.test(text) && bytes.length === KEY_BYTES;
  if (isKey && bytes.subarray(0, 2).toString('latin1') === 'Ed') return undefined;
  return {
    message: 'is no public key of minisign or signify',
    hint: 'write the second line of the .pub file',
  };
}
