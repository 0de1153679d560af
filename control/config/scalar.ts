/** What single values may look like; each check says what is wrong with one, or nothing. */
import type { PortRange } from '../../bpf/policy.js';
import { parseAddress } from './address.js';
import type { Problem } from './diagnostic.js';
import { isProblem, networkOf, parseEntry } from './entry.js';
import { parseMac } from './mac.js';

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/;
const SET_NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,62}$/;
/** Names of routing tables that the kernel or iproute2 has taken. */
const TAKEN_TABLES = ['unspec', 'default', 'main', 'local', 'all', 'cache'];

/** Whether a word in `from` or `to` can only be the name of a set. */
export function isSetName(text: string): boolean {
  return SET_NAME.test(text) && parseMac(text) === undefined;
}

export function fileProblem(path: string): Problem | undefined {
  return path === '' ? { message: 'the path is empty' } : undefined;
}

/** It becomes a word of a shell. */
export function commandProblem(text: string): Problem | undefined {
  return text.trim() === '' || text.includes('\0')
    ? { message: 'the command is empty' }
    : undefined;
}

export function nameProblem(text: string): Problem | undefined {
  if (NAME.test(text)) return undefined;
  return {
    message: `"${text}" is not a name`,
    hint: 'use up to 63 letters, digits, "_", "." and "-", not starting with "." or "-"',
  };
}

/** `default` is what traces and counters call the verdict of no rule. */
export function ruleNameProblem(text: string): Problem | undefined {
  if (text === 'default') return { message: 'a rule cannot be named "default"' };
  return nameProblem(text);
}

/** `default` is what counters call the connections that no route matches. */
export function routeNameProblem(text: string): Problem | undefined {
  if (text === 'default') return { message: 'a route cannot be named "default"' };
  return nameProblem(text);
}

export function setNameProblem(text: string): Problem | undefined {
  if (text === 'private') {
    return { message: 'the set "private" is built in', hint: 'give this set another name' };
  }
  if (isSetName(text)) return undefined;
  return {
    message: `"${text}" is not a set name`,
    hint: 'start with a letter, then up to 62 letters, digits, "_", "." and "-"',
  };
}

export function tableNameProblem(text: string): Problem | undefined {
  if (TAKEN_TABLES.includes(text)) return { message: `the table name "${text}" is reserved` };
  return nameProblem(text);
}

export function tableIdProblem(id: number): Problem | undefined {
  if (id !== 0 && (id < 253 || id > 255)) return undefined;
  return {
    message: `routing table ${id} is reserved`,
    hint: 'the kernel uses 0 and 253 to 255; take any other number',
  };
}

const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/i;

/** A name of the DNS; it becomes words of a shell, and labels of a query. */
export function domainProblem(text: string): Problem | undefined {
  const labels = text.replace(/\.$/, '').split('.');
  if (text.length <= 253 && labels.every((label) => LABEL.test(label))) return undefined;
  return { message: `"${text}" is not a name of the DNS`, hint: 'write for example example.com' };
}

/** The kernel's own rule (`dev_valid_name`), less what would break an nft or shell quotation. */
export function interfaceProblem(text: string): Problem | undefined {
  if (/^@|\*$/.test(text))
    return {
      message: `"${text}" cannot be named in nftables`,
      hint: 'there a "@" at the beginning means a set, and a "*" at the end any name',
    };
  if (/^[^\s/:"\\%]{1,15}$/.test(text) && text !== '.' && text !== '..') return undefined;
  return {
    message: `"${text}" is not an interface name`,
    hint: '1 to 15 characters, no white space, "/", ":", "%", quotes or backslash',
  };
}

export function parsePorts(value: number | string): PortRange | Problem {
  const match = /^(\d{1,5})(?:\s*-\s*(\d{1,5}))?$/.exec(String(value).trim());
  if (match === null) {
    return { message: `"${value}" is not a port`, hint: 'write 443 or "8000-8100"' };
  }
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  if (first < 1 || last < 1 || first > 65535 || last > 65535) {
    return { message: `port "${value}" is outside 1 to 65535` };
  }
  if (first > last) {
    return {
      message: `port range "${value}" ends before it starts`,
      hint: `write "${last}-${first}"`,
    };
  }
  return { first, last };
}

export function portProblem(value: number | string): Problem | undefined {
  const ports = parsePorts(value);
  return 'message' in ports ? ports : undefined;
}

/** An address to bind to. */
export function addressProblem(text: string): Problem | undefined {
  if (parseAddress(text) !== undefined) return undefined;
  return { message: `"${text}" is not an IP address` };
}

const UNUSABLE_NEXT_HOPS = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3', '::', '::1', 'ff00::/8'].map(
  (text) => {
    const entry = parseEntry(text);
    if (isProblem(entry)) throw new RangeError(entry.message);
    return entry;
  },
);

/** The address that the router uses as next hop. */
export function nextHopProblem(text: string): Problem | undefined {
  const bare = text.replace(/\/.*$/, '');
  const address = parseAddress(text);
  if (address === undefined) {
    const hint = parseAddress(bare) === undefined ? undefined : `write ${bare} without a length`;
    return { message: `"${text}" is not an IP address`, ...(hint && { hint }) };
  }
  if (typeof address === 'bigint' && networkOf(address, 10).first === 0xfe80n << 112n) {
    return {
      message: `"${text}" is link-local; as next hop it makes the router send ND redirects, after which clients bypass it`,
      hint: 'give the server a ULA (fd00::/8) or a global address and write that',
    };
  }
  if (UNUSABLE_NEXT_HOPS.some((entry) => entry.first <= address && address <= entry.last)) {
    return { message: `"${text}" cannot be the address of a machine on the LAN` };
  }
  return undefined;
}

/** A name as the kernel can have it (TCP_CA_NAME_MAX); which there are only the machine of the relay knows. */
const CONGESTION = /^[a-z][a-z0-9_-]{0,14}$/;

export function clientCongestionProblem(text: string): Problem | undefined {
  if (CONGESTION.test(text)) return undefined;
  return {
    message: `"${text}" is no congestion control`,
    hint: 'write auto, system, or a name of /proc/sys/net/ipv4/tcp_available_congestion_control, such as cubic',
  };
}

export function congestionProblem(text: string): Problem | undefined {
  if (text !== 'auto') return clientCongestionProblem(text);
  return {
    message: '"auto" is only for the client\'s leg',
    hint: 'write system, or a name such as bbr',
  };
}
