/** Lists as they are found: what is taken as it is, and what is said of the rest. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatDiagnostic } from '../../../control/config/diagnostic.js';
import { parseSetFile, readSetFile } from '../../../control/config/set-file.js';
import { folderOf } from './temporary.js';

const read = (text: string) => {
  const { entries, diagnostics } = parseSetFile('list.txt', text);
  return { entries: entries.length, said: diagnostics.map(formatDiagnostic) };
};

describe('a list', () => {
  it.each([
    ['of a Windows program', '\ufeff192.0.2.0/24\r\n198.51.100.1\r\n'],
    ['with comments behind semicolons', '192.0.2.0/24 ; SBL123\n; none\n198.51.100.1;x # y\n'],
    ['with blanks and no end', '\t192.0.2.0/24 \n\n  198.51.100.1 - 198.51.100.9'],
  ])('%s is taken', (_name, text) => {
    expect(read(text)).toEqual({ entries: 2, said: [] });
  });

  it.each([
    ['192.0.2.0/24,', '"192.0.2.0/24," is not one CIDR, address or range; write 192.0.2.0/24'],
    ['192.0.2.9/255.255.255.248', '"192.0.2.9/255.255.255.248" has a netmask; write 192.0.2.8/29'],
    ['999.1.1.1/255.255.255.0', '"999.1.1.1" in "999.1.1.1/255.255.255.0" is not an IP address'],
    [
      '0.0.0.0 ads.example.com',
      '"0.0.0.0 ads.example.com" is not one CIDR, address or range; write one entry a line and nothing else',
    ],
    ['192.0.2.0/255.255.254.0', '"192.0.2.0/255.255.254.0" has a netmask; write 192.0.2.0/23'],
    [
      'add cn 192.0.2.0/24',
      '"add cn 192.0.2.0/24" is not one CIDR, address or range; write 192.0.2.0/24',
    ],
    [
      'add address=2001:db8::/32 list=cn',
      '"add address=2001:db8::/32 list=cn" is not one CIDR, address or range; write 2001:db8::/32',
    ],
    [
      '/ip firewall address-list',
      '"/ip firewall address-list" is not one CIDR, address or range; write one entry a line and nothing else',
    ],
    [
      '192.0.2.1 192.0.2.2',
      '"192.0.2.1 192.0.2.2" is not one CIDR, address or range; write one entry a line and nothing else',
    ],
    [
      '192.0.2.0/255.0.255.0',
      '"192.0.2.0/255.0.255.0": "255.0.255.0" is not a prefix length; write a number from 0 to 32',
    ],
    ['\u001b[31mred\u0007', '"\\x1b[31mred\\x07" is not an IP address'],
  ])('with the line %s', (line, said) => {
    expect(read(`${line}\n`)).toEqual({ entries: 0, said: [`list.txt:1:1: ${said}`] });
  });

  it.each([
    ['fffe3100', 'the file is UTF-16, not UTF-8; convert it: iconv -f UTF-16 -t UTF-8'],
    ['7f454c4600', 'the file is binary, not a list'],
  ])('of the bytes %s', async (hex, said) => {
    const folder = await folderOf({ list: Buffer.from(hex, 'hex') });
    const { entries, diagnostics } = await readSetFile(join(folder, 'list'));
    expect(entries).toEqual([]);
    expect(diagnostics.map(({ line, message, hint }) => [line, message, hint])).toEqual([
      [1, said.split('; ')[0], said.split('; ')[1]],
    ]);
  });
});
