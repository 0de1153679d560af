/** Lists of the formats that people have. Every excerpt is written from the format's description, with documentation addresses. */
import { describe, expect, it } from 'vitest';
import { formatAddress } from '../../../../control/config/address.js';
import { formatDiagnostic } from '../../../../control/config/diagnostic.js';
import { type ListChoice, WHOLE_LIST } from '../../../../control/config/formats/choice.js';
import { readLocations } from '../../../../control/config/formats/csv.js';
import { readList } from '../../../../control/config/formats/read.js';

const read = (text: string | Buffer, choice: Partial<ListChoice> = {}) => {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  const list = readList('list', bytes, { ...WHOLE_LIST, ...choice });
  return {
    format: list.format,
    entries: [...list.entries].map(({ first, last }) =>
      first === last ? formatAddress(first) : `${formatAddress(first)}-${formatAddress(last)}`,
    ),
    said: list.diagnostics.map(formatDiagnostic),
    warned: list.warnings.map(formatDiagnostic),
  };
};

const DELEGATED = `2|apnic|20240101|4|19830613|20240101|+1000
# a comment
apnic|*|asn|*|1|summary
apnic|*|ipv4|*|3|summary
apnic|CN|asn|64496|1|20110414|allocated
apnic|CN|ipv4|192.0.2.0|256|20110414|allocated
apnic|CN|ipv4|198.51.100.0|768|20110414|assigned|A91A7381
apnic|JP|ipv4|203.0.113.0|256|20110414|allocated
apnic|CN|ipv6|2001:db8::|32|20110414|allocated
apnic||ipv4|203.0.113.0|256||available|
`;

const MAXMIND = `network,geoname_id,registered_country_geoname_id,represented_country_geoname_id,is_anonymous_proxy,is_satellite_provider
192.0.2.0/24,2077456,2077456,,0,0
198.51.100.0/24,1814991,1814991,,0,0
203.0.113.0/24,,1814991,,0,0
`;
const LOCATIONS = `geoname_id,locale_code,continent_code,continent_name,country_iso_code,country_name,is_in_european_union
1814991,en,AS,Asia,CN,China,0
2077456,en,OC,Oceania,AU,Australia,0
6255148,en,EU,Europe,,,0
`;

const AWS = JSON.stringify({
  syncToken: '1700000000',
  createDate: '2023-11-14-22-13-20',
  prefixes: [
    {
      ip_prefix: '192.0.2.0/24',
      region: 'eu-west-1',
      service: 'AMAZON',
      network_border_group: 'x',
    },
    { ip_prefix: '198.51.100.0/24', region: 'us-east-1', service: 'S3', network_border_group: 'x' },
  ],
  ipv6_prefixes: [
    { ipv6_prefix: '2001:db8::/32', region: 'us-east-1', service: 'S3', network_border_group: 'x' },
  ],
});
const GOOGLE = JSON.stringify({
  syncToken: '1',
  creationTime: '2024-01-01T00:00:00',
  prefixes: [
    { ipv4Prefix: '192.0.2.0/24', service: 'Google Cloud', scope: 'europe-west1' },
    { ipv6Prefix: '2001:db8::/32', service: 'Google Cloud', scope: 'us-east1' },
  ],
});
const AZURE = JSON.stringify({
  changeNumber: 1,
  values: [
    {
      name: 'Storage.WestEurope',
      properties: {
        region: 'westeurope',
        systemService: 'AzureStorage',
        addressPrefixes: ['192.0.2.0/24'],
      },
    },
    {
      name: 'Sql',
      properties: { region: '', systemService: 'AzureSQL', addressPrefixes: ['2001:db8::/32'] },
    },
  ],
});
const GITHUB = JSON.stringify({
  verifiable_password_authentication: false,
  hooks: ['192.0.2.0/24'],
  web: ['198.51.100.0/24', '2001:db8::/32'],
  domains: { website: ['*.example.com'] },
});

const NFT = `#!/usr/sbin/nft -f
define cn = { 192.0.2.0/24, 198.51.100.0-198.51.100.7, # a comment, with a comma
  203.0.113.0/24 }
table inet filter {
  set cn {
    type ipv4_addr
    flags interval
    elements = { 192.0.2.0/24 timeout 1h expires 59m, 203.0.113.9 comment "x, y" }
  }
  chain input { tcp dport { 22, 80 } accept }
}
`;

const IPSET = `create cn hash:net family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x1
create cn6 hash:net family inet6 hashsize 1024 maxelem 65536
add cn 192.0.2.0/24
add cn 198.51.100.9 timeout 300 comment "x"
add cn6 2001:db8::/32
`;

const CLASH = `# a rule provider
payload:
  - DOMAIN-SUFFIX,example.com
  - IP-CIDR,192.0.2.0/24,no-resolve
  - 'IP-CIDR6,2001:db8::/32,no-resolve'
  - IP-ASN,64496
`;

describe('a list of', () => {
  it.each<[string, string, Partial<ListChoice>, string, string[]]>([
    [
      'a registry',
      DELEGATED,
      { countries: ['CN'] },
      'delegated',
      [
        '192.0.2.0-192.0.2.255',
        '198.51.100.0-198.51.102.255',
        '2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff',
      ],
    ],
    [
      'MaxMind, by geoname_id',
      MAXMIND,
      { countries: ['1814991'] },
      'csv',
      ['198.51.100.0-198.51.100.255', '203.0.113.0-203.0.113.255'],
    ],
    [
      'MaxMind, by country',
      MAXMIND,
      { countries: ['CN'], locations: readLocations(LOCATIONS) },
      'csv',
      ['198.51.100.0-198.51.100.255', '203.0.113.0-203.0.113.255'],
    ],
    [
      "MaxMind's AS numbers",
      'network,autonomous_system_number,autonomous_system_organization\n192.0.2.0/24,64496,"Example, Inc. ""x"""\n198.51.100.0/24,64497,Other\n',
      { asns: [64496] },
      'csv',
      ['192.0.2.0-192.0.2.255'],
    ],
    [
      'IPinfo',
      'network,country,country_code,continent,continent_code,asn,as_name,as_domain\n192.0.2.0/24,China,CN,Asia,AS,AS64496,"Example, Inc.",example.com\n198.51.100.9,Japan,JP,Asia,AS,AS64497,Other,example.net\n2001:db8::/32,China,CN,Asia,AS,AS64498,Third,example.org\n',
      { countries: ['CN'], asns: [64496] },
      'csv',
      ['192.0.2.0-192.0.2.255'],
    ],
    [
      'IPinfo, earlier',
      'start_ip,end_ip,country,country_name,continent,continent_name\n192.0.2.0,192.0.2.9,CN,China,AS,Asia\n198.51.100.0,198.51.100.255,JP,Japan,AS,Asia\n',
      { countries: ['CN'] },
      'csv',
      ['192.0.2.0-192.0.2.9'],
    ],
    [
      'DB-IP',
      '192.0.2.0,192.0.2.9,CN\n198.51.100.0,198.51.100.255,JP\n2001:db8::,2001:db8::ffff,CN\n',
      { countries: ['CN'] },
      'csv',
      ['192.0.2.0-192.0.2.9', '2001:db8::-2001:db8::ffff'],
    ],
    [
      'IP2Location',
      '"3221225984","3221226239","CN","China"\n"3325256704","3325256959","JP","Japan"\n',
      { countries: ['CN'] },
      'csv',
      ['192.0.2.0-192.0.2.255'],
    ],
    [
      'AWS',
      AWS,
      { services: ['s3'], regions: ['us-east-1'] },
      'json',
      ['198.51.100.0-198.51.100.255', '2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff'],
    ],
    ['Google', GOOGLE, { regions: ['europe-west1'] }, 'json', ['192.0.2.0-192.0.2.255']],
    ['Azure', AZURE, { services: ['AzureStorage'] }, 'json', ['192.0.2.0-192.0.2.255']],
    ['GitHub', GITHUB, { services: ['hooks'] }, 'json', ['192.0.2.0-192.0.2.255']],
    [
      'Fastly',
      '{"addresses":["192.0.2.0/24"],"ipv6_addresses":["2001:db8::/128"]}',
      {},
      'json',
      ['192.0.2.0-192.0.2.255', '2001:db8::'],
    ],
    [
      'Cloudflare',
      '{"result":{"ipv4_cidrs":["192.0.2.0/24"],"ipv6_cidrs":[],"etag":"x"},"success":true}',
      {},
      'json',
      ['192.0.2.0-192.0.2.255'],
    ],
    [
      'Spamhaus',
      '{"cidr":"192.0.2.0/24","sblid":"SBL000001","rir":"apnic"}\n{"type":"metadata","timestamp":1700000000,"records":1}\n',
      {},
      'json',
      ['192.0.2.0-192.0.2.255'],
    ],
    ['JSON, plainly', '["192.0.2.1", "2001:db8::1"]', {}, 'json', ['192.0.2.1', '2001:db8::1']],
    [
      'sing-box',
      '{\n"version": 3,\n"rules": [{"domain_suffix": [".example.com"], "ip_cidr": ["192.0.2.0/24"]}, {"ip_cidr": "2001:db8::1"}]}',
      {},
      'json',
      ['192.0.2.0-192.0.2.255', '2001:db8::1'],
    ],
    [
      'nft, of which one is meant',
      NFT,
      { sourceSet: 'cn' },
      'nft',
      [
        '192.0.2.0-192.0.2.255',
        '198.51.100.0-198.51.100.7',
        '203.0.113.0-203.0.113.255',
        '192.0.2.0-192.0.2.255',
        '203.0.113.9',
      ],
    ],
    [
      'nft, one element a command',
      'add element inet fw4 cn { 192.0.2.1 }\nadd element inet fw4 cn { 2001:db8::/64 }\n',
      {},
      'nft',
      ['192.0.2.1', '2001:db8::-2001:db8::ffff:ffff:ffff:ffff'],
    ],
    ['ipset', IPSET, { sourceSet: 'cn' }, 'ipset', ['192.0.2.0-192.0.2.255', '198.51.100.9']],
    [
      'ipset, by hand',
      'ipset add -exist cn 192.0.2.1\nipset add -exist cn 192.0.2.9/24\n',
      {},
      'ipset',
      ['192.0.2.1', '192.0.2.0-192.0.2.255'],
    ],
    [
      'Clash',
      CLASH,
      {},
      'clash',
      ['192.0.2.0-192.0.2.255', '2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff'],
    ],
    [
      'Clash, networks alone',
      "payload:\n  - '192.0.2.0/24'\n  - 2001:db8::1 # x\n",
      {},
      'clash',
      ['192.0.2.0-192.0.2.255', '2001:db8::1'],
    ],
    [
      'Surge',
      'DOMAIN,example.com\nIP-CIDR,192.0.2.0/24,no-resolve\nip-cidr,198.51.100.0/24\n',
      {},
      'clash',
      ['192.0.2.0-192.0.2.255', '198.51.100.0-198.51.100.255'],
    ],
    ['addresses, plainly', '# x\n192.0.2.0/24 ; SBL1\n', {}, 'plain', ['192.0.2.0-192.0.2.255']],
  ])('%s', (_name, text, choice, format, entries) => {
    expect(read(text, choice)).toMatchObject({ format, entries, said: [] });
  });

  it('a program that takes host bits for a network is told of', () => {
    expect(read('create x hash:net\nadd x 192.0.2.1/24\nadd x 192.0.2.2/24\n').warned).toEqual([
      'list:2:1: taken as a network: "192.0.2.1/24" has bits set beyond its prefix length, and 1 more line like it',
    ]);
  });

  it('names beside addresses are told of once', () => {
    expect(read(CLASH).warned).toEqual([
      'list:3:3: left out: a rule for names or programs: sidetrack judges addresses and sees no names',
      'list:6:3: left out: a rule that is not for a destination address',
    ]);
  });
});

/** The same list as other programs and editors leave it. */
const VARIANTS: readonly (readonly [string, (text: string) => string])[] = [
  ['a byte order mark', (text) => `\ufeff${text}`],
  ['line ends of Windows', (text) => text.replaceAll('\n', '\r\n')],
  ['both', (text) => `\ufeff${text.replaceAll('\n', '\r\n')}`],
  ['blanks behind its lines', (text) => text.replaceAll('\n', ' \t\n')],
  ['empty lines before it', (text) => `\n\r\n${text}`],
  ['no end of its last line', (text) => text.trimEnd()],
  ['capital letters in its addresses', (text) => text.replaceAll('2001:db8', '2001:DB8')],
];

describe.each(VARIANTS)('a list with %s', (_variant, of) => {
  it.each<[string, string, Partial<ListChoice>?]>([
    ['CIDRs', '# x\n192.0.2.0/24\n2001:db8::/32 # y\n192.0.2.1 - 192.0.2.9\n; z\n'],
    ['a registry', DELEGATED, { countries: ['CN'] }],
    ['MaxMind', MAXMIND, { countries: ['1814991'] }],
    ['DB-IP', '192.0.2.0,192.0.2.9,CN\n2001:db8::,2001:db8::ffff,CN\n', { countries: ['CN'] }],
    ['AWS', JSON.stringify(JSON.parse(AWS), null, 2)],
    ['Google', GOOGLE],
    ['Spamhaus', '{"cidr":"192.0.2.0/24"}\n{"cidr":"2001:db8::/32"}\n{"type":"metadata"}\n'],
    ['sing-box', '{"version":2,"rules":[{"ip_cidr":["192.0.2.0/24","2001:db8::/32"]}]}\n'],
    ['nft', NFT, { sourceSet: 'cn' }],
    ['nft, elements alone', 'elements = { 192.0.2.0/24,\n  2001:db8::/32 }\n'],
    ['ipset', IPSET, { sourceSet: 'cn6' }],
    ['Clash', CLASH],
    [
      'a rule provider of names that end with a dot',
      'payload:\n- +.example.com.\n- 192.0.2.0/24\n',
    ],
    ['rules of Clash', 'rules:\n  - IP-CIDR,192.0.2.0/24,DIRECT\n'],
  ])('is read as without: %s', (_name, text, choice = {}) => {
    const plain = read(text, choice);
    expect(plain).toMatchObject({ said: [] });
    expect(plain.entries.length).toBeGreaterThan(0);
    const { format, entries, said } = read(of(text), choice);
    expect({ format, entries, said }).toEqual({
      format: plain.format,
      entries: plain.entries,
      said: [],
    });
  });
});

describe('a list is refused', () => {
  it('of which a line would take too much to be divided', () => {
    const line = 'x '.repeat(40_000);
    expect(read(`add cn 192.0.2.1\nadd cn ${line}\n`).said).toEqual([
      'list:2:1: the line is too long for such a list',
    ]);
    // A file for nft is one line, if it likes.
    const nft = `define cn = { ${'192.0.2.1, '.repeat(10_000)}192.0.2.2 }`;
    expect(read(nft)).toMatchObject({ said: [] });
  });

  it('of which the values would take too much', () => {
    expect(read(`[${'[],'.repeat(2_000_001)}1]`, { format: 'json' }).said).toEqual([
      'list:1:1: the JSON has more than 4000000 values; take the list as text, or a part of it',
    ]);
  });

  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  it.each([
    [`{"version":1,"rules":[{"ip_cidr":${deep}}]}`, '"[…]" is not an IP address'],
    [`{"version":1,"rules":[{"ip_cidr":[{"a":${deep}}]}]}`, '"{…}" is not an IP address'],
    [`{"values":[{"name":${deep},"properties":{"addressPrefixes":[]}}]}`, 'service: […]'],
    [`{"prefixes":[{"ip_prefix":"192.0.2.0"},${deep}]}`, ''],
  ])('or read, and does not end the program, where it is nested without sense', (text, said) => {
    expect(read(text).said.join('')).toContain(said);
  });

  it.each<[string, string | Buffer, Partial<ListChoice>, string]>([
    ['of all countries of a registry', DELEGATED, {}, 'say which is meant: country: CN'],
    ['of all countries of a table', MAXMIND, {}, 'say which are meant: country: CN, or asn: 64496'],
    [
      'of countries by number',
      MAXMIND,
      { countries: ['CN'] },
      'locations: GeoLite2-Country-Locations-en.csv',
    ],
    ['of no AS numbers', MAXMIND, { asns: [64496] }, 'no column with AS numbers'],
    [
      'of several sets of ipset',
      IPSET,
      {},
      'the file has several sets: cn, cn6; say which one is meant, for example source_set: cn',
    ],
    [
      'of several sets of nft',
      'define a = { 192.0.2.1 }\ndefine b = { 192.0.2.2 }\n',
      {},
      'several sets: a, b',
    ],
    [
      'with exceptions',
      'create x hash:net\nadd x 192.0.2.0/24 nomatch\n',
      {},
      'exceptions (nomatch)',
    ],
    [
      'with ports',
      'create x hash:net,port\nadd x 192.0.2.0/24,tcp:80\n',
      {},
      'more than addresses',
    ],
    [
      'of a map',
      'table ip x { set y { type ipv4_addr . inet_service; elements = { 192.0.2.1 . 80 } } }',
      {},
      'more than addresses',
    ],
    ['with another list in it', 'define a = { $b, 192.0.2.1 }', {}, 'stands for another list'],
    ['of a service of many', GITHUB, {}, 'say which are meant, for example service: hooks'],
    ['of a service of Azure', AZURE, {}, 'service: Storage.WestEurope'],
    [
      'of exceptions',
      '{"version":1,"rules":[{"ip_cidr":["192.0.2.0/24"],"invert":true}]}',
      {},
      'an exception',
    ],
    [
      'of narrower rules',
      '{"version":1,"rules":[{"ip_cidr":["192.0.2.0/24"],"port":[443]}]}',
      {},
      'only together with port',
    ],
    [
      'of names of sing-box',
      '{"version":1,"rules":[{"domain":["example.com"]}]}',
      {},
      'the list has no address: left out: the names of rules[0]',
    ],
    [
      'of rules in one line',
      'payload: ["192.0.2.0/24", "IP-CIDR,198.51.100.0/24"]\n',
      {},
      'one rule a line',
    ],
    ['of names of Clash', "payload:\n  - '+.example.com'\n", {}, 'sees no names'],
    [
      'of several actions',
      'IP-CIDR,192.0.2.0/24,DIRECT\nIP-CIDR,198.51.100.0/24,PROXY\n',
      {},
      'several actions: DIRECT, PROXY',
    ],
    [
      'of dnsmasq',
      'nftset=/example.com/4#inet#fw4#proxy4\nserver=/cn/192.0.2.53\n',
      {},
      'domains are not addresses',
    ],
    [
      'of another page',
      '<!DOCTYPE html>\n<p>Rate limit exceeded for 203.0.113.9</p>\n',
      {},
      'what a web server said',
    ],
    [
      'that is cut off',
      '{"prefixes": [{"ip_prefix": "192.0.2.0/24"}, {"ip_pre',
      {},
      'damaged or cut off',
    ],
    ['of other JSON', '{"error": "rate limited"}', {}, 'no list of networks that is known'],
    [
      'without countries',
      '192.0.2.0/24\n',
      { countries: ['CN'] },
      'the list is a plain list, which cannot be chosen from by country',
    ],
    ['of sing-box, compiled', Buffer.from('5352530100', 'hex'), {}, 'sing-box rule-set decompile'],
    ['of mihomo, compiled', Buffer.from('28b52ffd0400', 'hex'), {}, '(.mrs)'],
    [
      'of MaxMind, compiled',
      Buffer.from('0000abcdef4d61784d696e642e636f6d00', 'hex'),
      {},
      'take the same data base as CSV',
    ],
    ['in an archive', Buffer.from('504b030414000000', 'hex'), {}, 'ZIP archive'],
    ['in UTF-16', Buffer.from('fffe3100', 'hex'), {}, 'iconv -f UTF-16 -t UTF-8'],
    ['of a program', Buffer.from('7f454c4600', 'hex'), {}, 'the file is binary'],
  ])('%s', (_name, text, choice, said) => {
    const list = read(text, choice);
    expect(list.said.join('\n')).toContain(said);
    expect(list.said).toHaveLength(1);
  });
});
