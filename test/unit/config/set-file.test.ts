/** Lists as they are found: what is taken as it is, and what is said of the rest. */
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { formatDiagnostic } from '../../../control/config/diagnostic.js';
import { parseSetFile } from '../../../control/config/set-file.js';

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
    [
      '192.0.2.9/255.255.255.248',
      '"192.0.2.9/255.255.255.248" has a netmask; write 192.0.2.8/29 for the network, or 192.0.2.9 for the one address',
    ],
    ['192.0.2.0 255.255.255.0', '"192.0.2.0 255.255.255.0" has a netmask; write 192.0.2.0/24'],
    ['192.0.2.0 0.0.0.255', '"192.0.2.0 0.0.0.255" has a wildcard mask; write 192.0.2.0/24'],
    [
      '192.0.2.1 0.0.0.0',
      '"192.0.2.1 0.0.0.0" has a mask and no prefix length; write the prefix length, 192.0.2.1/32 for the one address',
    ],
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
});

/** The command that a hint offers, run on the list in question. */
function converted(hint: string, text: string): string[] {
  const command = /: ((?:awk|sed|grep|tr)\b.*)$/.exec(hint)?.[1];
  if (command === undefined) return [];
  const output = execFileSync('sh', ['-c', command], { input: text, encoding: 'utf8' });
  return output.trim().split('\n');
}

const SERVERS_WORDS = 'what a web server said';

describe('a list of another program', () => {
  it.each<[string, string, string, string[]]>([
    ['a routing table', '192.0.2.0\t24\t64496\n', 'if 24 is the prefix length', ['192.0.2.0/24']],
    ['a length column', '2001:db8::,32\n', 'if 32 is the prefix length', ['2001:db8::/32']],
    [
      'counts of a country',
      '192.0.2.0,256,CN\n198.51.100.0,768,CN\n203.0.113.0,8,JP\n',
      'if 256 counts addresses',
      ['192.0.2.0-192.0.2.255', '198.51.100.0-198.51.102.255'],
    ],
    [
      'counts behind semicolons',
      '192.0.2.0;256;CN\n',
      'if 256 counts addresses',
      ['192.0.2.0-192.0.2.255'],
    ],
    [
      'first and last',
      '192.0.2.0,192.0.2.7,CN\n198.51.100.0,198.51.100.3,JP\n',
      'first and the last',
      ['192.0.2.0-192.0.2.7'],
    ],
    [
      'a country behind each',
      '192.0.2.0/24 CN\n198.51.100.0/24 JP\n',
      'keep the rows that you mean',
      ['192.0.2.0/24'],
    ],
    [
      'a block list with names',
      'Some Org: Ltd:192.0.2.0-192.0.2.255\n',
      'begin with names',
      ['192.0.2.0-192.0.2.255'],
    ],
    [
      'dnsmasq',
      'nftset=/example.com/4#inet#fw4#proxy4\nserver=/cn/192.0.2.53\n',
      'written for dnsmasq',
      [],
    ],
    ['dnsmasq, a resolver', 'server=/cn/192.0.2.53\n', 'written for dnsmasq', []],
    ['names', 'domain:example.com\n', 'a list of names', []],
    [
      'an error page',
      '<!DOCTYPE html>\n<p>Rate limit exceeded for 203.0.113.9</p>\n',
      SERVERS_WORDS,
      [],
    ],
    ['an error in a line', '<p>429 for 203.0.113.9</p>\n', SERVERS_WORDS, []],
    ['an error without a page', '404: Not Found\n', SERVERS_WORDS, []],
  ])('%s is told once, and its hint makes a list of it', (_name, text, said, entries) => {
    const { diagnostics } = parseSetFile('list.txt', text);
    expect(diagnostics).toHaveLength(1);
    const told = formatDiagnostic(diagnostics[0]!);
    expect(told).toContain(said);
    expect(told).not.toMatch(/write [0-9a-f.:]+$|203\.0\.113\.9|write 192/);
    const made = converted(diagnostics[0]!.hint!, text);
    expect(made).toEqual(entries);
    expect(parseSetFile('made.txt', made.join('\n')).diagnostics).toEqual([]);
  });

  it.each([
    '192.0.2.0/24 $(reboot)',
    "192.0.2.0,24,'x",
    '192.0.2.0 is a resolver',
    'add cn 192.0.2.64/26 nomatch',
    '!192.0.2.0/24',
    'deny 192.0.2.0/24 all',
    'permit ip 192.0.2.0 0.0.0.255 any',
    'route 192.0.2.0 mask 255.255.255.0',
  ])('offers no part of "%s" that may mean something else, and nothing for a shell', (line) => {
    const [problem] = parseSetFile('list.txt', line).diagnostics;
    expect(problem!.hint).not.toMatch(/write [0-9]/);
    expect(problem!.hint).not.toMatch(/reboot|'x/);
  });
});

describe('entries that match nothing, or everything', () => {
  it('mapped ones are left out with one warning, the others stay', () => {
    const text = '::/128\n::1\n::ffff:0:0/96\n::ffff:0:0/104\n64:ff9b::/96\n';
    const { entries, diagnostics, warnings } = parseSetFile('list.txt', text);
    expect([entries.length, diagnostics]).toEqual([3, []]);
    expect(warnings.map(formatDiagnostic)).toEqual([
      'list.txt:3:1: left out: "::ffff:0:0/96" is IPv4-mapped (::ffff:0:0/96), and such packets are always dropped, and 1 more line like it; leave it out; IPv4 addresses are written as such',
    ]);
  });

  it.each(['0.0.0.0/0', '::/0', '0.0.0.0-255.255.255.255'])(
    '%s is taken with a warning',
    (line) => {
      const { entries, warnings } = parseSetFile('list.txt', `192.0.2.1\n${line}\n`);
      expect(entries).toHaveLength(2);
      expect(warnings.map(formatDiagnostic)).toEqual([
        `list.txt:2:1: "${line}" is every address: a rule with this set matches them all; take it out unless you mean that`,
      ]);
    },
  );
});
