/** Whether a certificate and a key can serve pages, and what is wrong with them otherwise. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { Problem } from '../../config/diagnostic.js';

const SOON_MS = 7 * 24 * 3600_000;

/** Completes "the certificate in FILE …". */
export function certificateProblem(bytes: Buffer): Problem | undefined {
  if (certificateOf(bytes) !== undefined) return undefined;
  return {
    message: 'is no certificate in PEM',
    hint: 'it begins with -----BEGIN CERTIFICATE-----',
  };
}

/** Completes "the key in FILE …". @param certificate that it is for, if there is a readable one */
export function keyProblem(bytes: Buffer, certificate: Buffer | undefined): Problem | undefined {
  const key = privateKeyOf(bytes);
  if ('message' in key) return key;
  const found = certificate && certificateOf(certificate);
  if (found === undefined || found.checkPrivateKey(key)) return undefined;
  return {
    message: 'does not fit the certificate',
    hint: 'are certificate_file and key_file of the same pair, and is the own certificate the first in its file?',
  };
}

/** Completes "the certificate in FILE …"; a clock may be wrong, so it is only worth a warning. */
export function ageProblem(bytes: Buffer, nowMs: number): Problem | undefined {
  const validTo = Date.parse(certificateOf(bytes)?.validTo ?? '');
  if (Number.isNaN(validTo) || validTo - nowMs > SOON_MS) return undefined;
  const day = new Date(validTo).toISOString().slice(0, 10);
  return {
    message:
      validTo < nowMs ? `the certificate expired on ${day}` : `the certificate expires on ${day}`,
    hint: 'renew it, then reload (SIGHUP)',
  };
}

function certificateOf(bytes: Buffer): X509Certificate | undefined {
  // DER would be taken here, and not by TLS.
  if (!bytes.includes('-----BEGIN')) return undefined;
  try {
    return new X509Certificate(bytes);
  } catch {
    return undefined;
  }
}

function privateKeyOf(bytes: Buffer): KeyObject | Problem {
  try {
    return createPrivateKey(bytes);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ERR_MISSING_PASSPHRASE' || bytes.includes('ENCRYPTED'))
      return {
        message: 'wants a passphrase',
        hint: 'write it without one: openssl pkey -in … -out …',
      };
    return {
      message: 'is no private key in PEM',
      hint: 'it begins with -----BEGIN PRIVATE KEY-----',
    };
  }
}
