/**
 * Names of devices in the files of DHCP servers and in hosts files. What a device calls itself is its own
 * word: here it is text, and `deviceName` makes it a short and harmless one. Pure.
 */
import { isIP } from 'node:net';

/** Address, and the name as it stands in the file. */
export type NamedAddress = readonly [address: string, name: string];

export type Format = (text: string) => NamedAddress[];

/** `192.168.1.10 nas nas.lan # a comment`; the first name counts. odhcpd writes such files, too. */
export const hostsFile: Format = (text) =>
  lines(text).flatMap((line) => {
    const [address = '', name = ''] = words(line.replace(/#.*/, ''));
    return isIP(address) === 0 ? [] : [[address, name] as const];
  });

/** `1790000000 02:00:00:00:01:10 192.168.1.10 nas 01:02:…`; leases of IPv6 have the same columns. */
export const dnsmasqLeases: Format = (text) =>
  lines(text).flatMap((line) => {
    const [, , address = '', name = ''] = words(line);
    return isIP(address) === 0 ? [] : [[address, name] as const];
  });

/** `lease 192.168.1.10 { … client-hostname "nas"; }`; the last one of an address counts. */
export const dhcpdLeases: Format = (text) =>
  [...text.matchAll(/^lease ([0-9.]+) \{\n([\s\S]*?)^\}/gm)].flatMap(
    ([, address = '', body = '']) => {
      const name = /^\s*client-hostname "((?:[^"\\\n]|\\.)*)";/m.exec(body)?.[1];
      return isIP(address) === 0 || name === undefined ? [] : [[address, name] as const];
    },
  );

/** Columns by the names of the first line; Kea writes a comma within a value as `&#x2c`. */
export const keaLeases: Format = (text) => {
  const [head = '', ...rows] = lines(text);
  const columns = head.split(',');
  const [address, name] = [columns.indexOf('address'), columns.indexOf('hostname')];
  if (address < 0 || name < 0) return [];
  return rows.flatMap((row) => {
    const values = row.split(',');
    const [at = '', called = ''] = [values[address], values[name]];
    return isIP(at) === 0 ? [] : [[at, called] as const];
  });
};

const lines = (text: string) => text.split(/\r?\n/);
const words = (line: string) => line.trim().split(/\s+/);

/** As long as a label of DNS. */
const NAME_MOST = 63;
/** Written where there is no name, or names of the machine itself. */
const NO_NAMES = new Set(['', '*', '-', 'localhost', 'unknown', '(none)']);

/**
 * A name as it may be shown: without characters that move the cursor, turn the text around or are not seen,
 * no longer than a label of DNS. `undefined` for what is none, or only an address.
 */
export function deviceName(text: string): string | undefined {
  const clean = text
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .trim()
    .replace(/\.$/, '');
  const name = [...clean].slice(0, NAME_MOST).join('');
  return NO_NAMES.has(name.toLowerCase()) || isIP(name) !== 0 ? undefined : name;
}
