/** What the router's kernel counts beside our rules: files of /proc, each with a pure parser. */
import { fileQuery, type Query } from '../command/query.js';

/** Those drop packets of all IPv4 traffic, and count for all network namespaces of the machine. */
export interface Martians {
  source: number;
  destination: number;
}

/** By name; what a kernel does not have is absent. */
export const kernelQueries = {
  martians: optional('/proc/net/stat/rt_cache', martiansOf),
  reversePath: optional('/proc/net/netstat', (text) => tcpExtension(text, 'IPReversePathFilter')),
  interfaces: optional('/proc/net/dev', interfaceBytes),
  conntrackEntries: optional('/proc/sys/net/netfilter/nf_conntrack_count', wholeNumber),
  conntrackLimit: optional('/proc/sys/net/netfilter/nf_conntrack_max', wholeNumber),
};

function optional<T>(path: string, parse: (text: string) => T): Query<T | undefined> {
  return fileQuery(path, (text) => (text === undefined ? undefined : parse(text)));
}

function wholeNumber(text: string): number | undefined {
  const word = text.trim();
  return /^\d{1,15}$/.test(word) ? Number(word) : undefined;
}

const columnsOf = (line: string) => line.trim().split(/\s+/);

/** A line of names, then one of hexadecimal numbers for each processor. */
export function martiansOf(text: string): Martians | undefined {
  const [names = '', ...processors] = text.trim().split('\n');
  const sum = (name: string) => {
    const column = columnsOf(names).indexOf(name);
    const values = processors.map((line) => Number.parseInt(columnsOf(line)[column] ?? '', 16));
    return values.reduce((total, value) => total + value, 0);
  };
  const [source, destination] = [sum('in_martian_src'), sum('in_martian_dst')];
  return Number.isFinite(source + destination) && processors.length > 0
    ? { source, destination }
    : undefined;
}

/** Lines in pairs, `TcpExt: names` and `TcpExt: numbers`. */
export function tcpExtension(text: string, name: string): number | undefined {
  const [names, values] = text
    .split('\n')
    .filter((line) => line.startsWith('TcpExt:'))
    .map(columnsOf);
  const value = values?.[names?.indexOf(name) ?? -1];
  return value === undefined ? undefined : wholeNumber(value);
}

export interface InterfaceBytes {
  name: string;
  receive: number;
  transmit: number;
}

const INTERFACE = /^\s*([\x21-\x39\x3b-\x7e]{1,15}):\s*(.*)$/;
const TRANSMIT_COLUMN = 8;

/** The lines of /proc/net/dev that are of an interface. */
export function interfaceBytes(text: string): InterfaceBytes[] {
  return text.split('\n').flatMap((line) => {
    const [, name, rest] = INTERFACE.exec(line) ?? [];
    if (name === undefined || rest === undefined) return [];
    const columns = columnsOf(rest);
    const receive = wholeNumber(columns[0] ?? '');
    const transmit = wholeNumber(columns[TRANSMIT_COLUMN] ?? '');
    return receive === undefined || transmit === undefined ? [] : [{ name, receive, transmit }];
  });
}
