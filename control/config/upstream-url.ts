/** Where a relay's upstream is: `direct:`, or a proxy by its protocol, host and port. */
import { isIPv6 } from 'node:net';
import type { Problem } from './diagnostic.js';

export type ProxyKind = 'socks5' | 'socks4a' | 'http';

export type UpstreamTarget =
  | { kind: 'direct' }
  /** An address, or a name that is yet to be resolved. */
  | { kind: ProxyKind; host: string; port: number };

const FORMS = 'direct:, socks5://host:port, socks4a://host:port or http://host:port';
const PROXY =
  /^(?<kind>socks5|socks4a|http):\/\/(?<host>[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})|\[[0-9A-Fa-f:.]+\])(?::(?<port>[1-9][0-9]{0,4}))?\/?$/;

/** Never quotes the url: it may carry a password where none belongs. */
export function parseUpstreamUrl(url: string): UpstreamTarget | Problem {
  if (url === 'direct:') return { kind: 'direct' };
  if (/^[a-z][a-z0-9+.-]*:\/\/[^/]*@/i.test(url))
    return {
      message: 'a url with a user or a password in it',
      hint: 'use "username" and "password_file"',
    };
  if (!/^[a-z][a-z0-9+.-]*:/i.test(url))
    return { message: 'the url has no scheme', hint: `write ${FORMS}` };
  if (!/^(socks5|socks4a|http):\/\//.test(url))
    return { message: 'the url has a scheme that no upstream has', hint: `write ${FORMS}` };
  return proxy(PROXY.exec(url)?.groups ?? {});
}

function proxy({ kind, host = '', port }: Record<string, string | undefined>) {
  const bare = host.replace(/^\[|\]$/g, '');
  if (host === '' || (host.startsWith('[') && !isIPv6(bare)))
    return {
      message: 'the url is not a host and a port',
      hint: 'write for example socks5://192.168.1.2:1080 or socks5://[fd00::2]:1080',
    };
  if (port === undefined)
    return { message: 'the url has no port', hint: 'write for example socks5://192.168.1.2:1080' };
  if (Number(port) > 65535) return { message: 'the port of the url is outside 1 to 65535' };
  return { kind: kind as ProxyKind, host: bare, port: Number(port) };
}

export function upstreamUrlProblem(url: string): Problem | undefined {
  const target = parseUpstreamUrl(url);
  return 'message' in target ? target : undefined;
}
