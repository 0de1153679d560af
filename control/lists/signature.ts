/** Signatures of minisign and signify: Ed25519, over the file or over its BLAKE2b-512. Pure. */
import { createHash, createPublicKey, verify } from 'node:crypto';

/** What stands before a raw Ed25519 key in an SPKI. */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const ALGORITHM = 2;
const NUMBER = 8;
const KEY = 32;
const SIGNATURE = 64;
/** With a trusted comment it has four lines; more is none. */
const MOST_LINES = 6;

/**
 * @param key the second line of a `.pub` file; `config/list-scalars.ts` has checked it
 * @param text of the `.minisig` or `.sig` file
 * @returns what is wrong with the signature, in part of a line; undefined where it is good
 */
export function signatureProblem(key: string, text: string, message: Buffer): string | undefined {
  const publicKey = Buffer.from(key, 'base64');
  const lines = text.split('\n', MOST_LINES).map((line) => line.trim());
  const signed = Buffer.from(lines[1] ?? '', 'base64');
  const algorithm = signed.subarray(0, ALGORITHM).toString('latin1');
  if (signed.length !== ALGORITHM + NUMBER + SIGNATURE || !/^E[dD]$/.test(algorithm))
    return 'it is no signature of minisign or signify';
  const number = signed.subarray(ALGORITHM, ALGORITHM + NUMBER);
  if (!number.equals(publicKey.subarray(ALGORITHM, ALGORITHM + NUMBER)))
    return 'it was made with another key';
  const raw = publicKey.subarray(ALGORITHM + NUMBER, ALGORITHM + NUMBER + KEY);
  const spki = createPublicKey({ key: Buffer.concat([SPKI, raw]), format: 'der', type: 'spki' });
  const signature = signed.subarray(ALGORITHM + NUMBER);
  const content = algorithm === 'ED' ? createHash('blake2b512').update(message).digest() : message;
  if (!verify(null, content, spki, signature)) return 'it does not fit the list';
  const [, , comment, global] = lines;
  if (comment === undefined || comment === '') return undefined;
  const prefix = 'trusted comment: ';
  const trusted = Buffer.concat([signature, Buffer.from(comment.slice(prefix.length))]);
  const isGood =
    comment.startsWith(prefix) && verify(null, trusted, spki, Buffer.from(global ?? '', 'base64'));
  return isGood ? undefined : 'its trusted comment was changed';
}
