/** Whether an upstream's credentials suit its protocol. Reads the unchecked file, like `check.ts`. */
import type { Problem } from './diagnostic.js';
import { asList, asMap, type Path, type RawMap, valueAt } from './raw.js';
import { parseUpstreamUrl, type UpstreamTarget } from './upstream-url.js';

/** What RFC 1929 has room for. */
export const LONGEST_CREDENTIAL = 255;

type Found = { path: Path; problem: Problem };
type Key = 'url' | 'addresses' | 'optimistic' | 'username' | 'password_file';

interface Credentials {
  username?: string;
  hasPassword: boolean;
}

function withoutPassword(what: string, { username, hasPassword }: Credentials) {
  if (hasPassword)
    return problem('password_file', `${what} knows no passwords`, 'remove "password_file"');
  if (username !== undefined && what === 'direct:')
    return problem('username', 'direct: knows no users', 'remove "username"');
  return undefined;
}

function withPassword(kind: 'socks5' | 'http', { username, hasPassword }: Credentials) {
  if (hasPassword && username === undefined)
    return problem('password_file', 'a password without a user', 'add "username"');
  if (username !== undefined && !hasPassword)
    return problem('username', 'a user without a password', 'add "password_file"');
  if (kind === 'http' && username?.includes(':'))
    return problem('username', 'Basic authentication has no room for ":" in a user name');
  return undefined;
}

function problem(key: Key, message: string, hint?: string): { key: Key; problem: Problem } {
  return { key, problem: { message, ...(hint && { hint }) } };
}

function credentialProblem({ kind }: UpstreamTarget, credentials: Credentials) {
  const { username } = credentials;
  if (username === '') return problem('username', 'the user name is empty');
  if (username !== undefined && Buffer.byteLength(username) > LONGEST_CREDENTIAL)
    return problem('username', `a user name has at most ${LONGEST_CREDENTIAL} bytes`);
  if (username?.includes('\0')) return problem('username', 'a user name with a zero byte in it');
  if (kind === 'direct') return withoutPassword('direct:', credentials);
  if (kind === 'socks4a') return withoutPassword('SOCKS4a', credentials);
  return withPassword(kind, credentials);
}

/** What makes no sense without a proxy. */
function proxyOnly({ kind }: UpstreamTarget, { addresses, optimistic }: RawMap) {
  if (kind !== 'direct') return undefined;
  if (addresses !== undefined)
    return problem(
      'addresses',
      'direct: has no addresses, it connects to the destination',
      'remove "addresses"',
    );
  if (optimistic === true)
    return problem('optimistic', 'direct: has no request to wait for', 'remove "optimistic"');
  return undefined;
}

export function upstreamProblems(root: unknown): Found[] {
  return asList(valueAt(root, ['relay', 'upstreams'])).flatMap((entry, i) => {
    const { url, username, password_file } = asMap(entry);
    const target = typeof url === 'string' ? parseUpstreamUrl(url) : undefined;
    if (target === undefined || 'message' in target) return [];
    const found =
      proxyOnly(target, asMap(entry)) ??
      credentialProblem(target, {
        ...(typeof username === 'string' && { username }),
        hasPassword: password_file !== undefined,
      });
    return found ? [{ path: ['relay', 'upstreams', i, found.key], problem: found.problem }] : [];
  });
}
