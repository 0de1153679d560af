/** Where commands run: this machine, a network namespace of it, or a machine behind ssh. */
import type { Problem } from './diagnostic.js';

export type HostAddress =
  | { kind: 'local' }
  | { kind: 'netns'; name: string }
  | { kind: 'ssh'; user: string; host: string; port?: number };

const NETNS_NAME = /^(?!\.{1,2}$)[A-Za-z0-9_.][A-Za-z0-9_.-]{0,63}$/;
// User and host become arguments of `ssh`, so neither may start with a dash and pass for an option.
const SSH =
  /^ssh:\/\/(?<user>[A-Za-z0-9_.][A-Za-z0-9_.-]*)@(?<host>[A-Za-z0-9_.][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])(?::(?<port>[1-9][0-9]{0,4}))?\/?$/;

function sshProblem(text: string): Problem {
  if (/^ssh:\/\/[^@/]*:[^@/]*@/.test(text)) {
    return { message: 'a password in an ssh address', hint: 'remove it and use a key or an agent' };
  }
  if (!text.includes('@')) {
    return {
      message: `"${text}" names no user`,
      hint: `write ssh://root@${text.slice('ssh://'.length)}`,
    };
  }
  const [, user, address] = /^ssh:\/\/([^@]*)@((?:[0-9a-f]*:){2,}[0-9a-f.:]*)$/i.exec(text) ?? [];
  return {
    message: `"${text}" is not an ssh address`,
    hint: address
      ? `write an IPv6 address in brackets: ssh://${user}@[${address}]`
      : 'write ssh://user@host[:port]',
  };
}

/** Of an address as ssh(1) itself takes it, the one that is read here; nothing where it is no such thing. */
function asSshAddress(text: string): string | undefined {
  const [, user = 'root', host] = /^(?:([\w.-]+)@)?([\w.-]+)$/.exec(text) ?? [];
  return host !== undefined && /[@.]/.test(text) ? `ssh://${user}@${host}` : undefined;
}

/** Reads `local`, `netns://name` or `ssh://user@host[:port]`, or says what is wrong. */
export function parseHostAddress(text: string): HostAddress | Problem {
  if (text === 'local') return { kind: 'local' };
  if (text.startsWith('netns://')) {
    const name = text.slice('netns://'.length);
    if (NETNS_NAME.test(name)) return { kind: 'netns', name };
    return {
      message: `"${text}" is no name of a network namespace`,
      hint: 'write netns://name, as "ip netns list" shows it',
    };
  }
  if (text.startsWith('ssh://')) {
    const { user, host, port } = SSH.exec(text)?.groups ?? {};
    if (user === undefined || host === undefined || Number(port ?? 0) > 65535)
      return sshProblem(text);
    // Without a port ssh decides, by its own configuration.
    return {
      ...{ kind: 'ssh', user, host: host.replace(/^\[|\]$/g, '') },
      ...(port !== undefined && { port: Number(port) }),
    };
  }
  if (/:[^@]*@/.test(text)) return sshProblem(`ssh://${text}`);
  const meant = asSshAddress(text);
  return {
    message: `"${text}" is not a host`,
    hint: `write ${meant ?? 'local, ssh://user@host[:port] or netns://name'}`,
  };
}

export function hostProblem(text: string): Problem | undefined {
  const host = parseHostAddress(text);
  return 'message' in host ? host : undefined;
}
