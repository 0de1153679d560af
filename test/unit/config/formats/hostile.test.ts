/** What comes from the network is anything: no list makes a parser throw, run long, or take what it does not say. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIST_FORMATS, WHOLE_LIST } from '../../../../control/config/formats/choice.js';
import { readList } from '../../../../control/config/formats/read.js';

const CHOICE = { ...WHOLE_LIST, countries: ['CN'] };
const SEEDS = [
  'apnic|CN|ipv4|192.0.2.0|256|20110414|allocated\n',
  'network,geoname_id,country_code\n192.0.2.0/24,1814991,CN\n"198.51.100.0/24","x ""y""",CN\n',
  '{"prefixes":[{"ip_prefix":"192.0.2.0/24","region":"x","service":"S3"}]}',
  '{"version":1,"rules":[{"ip_cidr":["192.0.2.0/24"]}]}',
  '{"cidr":"192.0.2.0/24"}\n{"type":"metadata"}\n',
  'create cn hash:net\nadd cn 192.0.2.0/24 timeout 3\n',
  'table inet x { set cn { type ipv4_addr; elements = { 192.0.2.0/24, 192.0.2.1 - 192.0.2.9 } } }',
  'payload:\n  - IP-CIDR,192.0.2.0/24,no-resolve\n  - "2001:db8::/32"\n',
  '192.0.2.0/24\n2001:db8::1-2001:db8::ff # x\n',
];

/** A seed with some of its pieces doubled, gone, or in another place. */
const mangled = fc
  .tuple(
    fc.constantFrom(...SEEDS),
    fc.array(
      fc.tuple(
        fc.nat(200),
        fc.nat(12),
        fc.constantFrom('', '{', '"', ',', '|', '\n', '/33', '-', ' ', '\0', 'é', '0'),
      ),
      {
        maxLength: 8,
      },
    ),
  )
  .map(([seed, edits]) =>
    edits.reduce((text, [at, length, put]) => {
      const from = at % (text.length + 1);
      return text.slice(0, from) + put + text.slice(from + length);
    }, seed),
  );

const formats = fc.constantFrom(...LIST_FORMATS);

function assertSound(
  text: string,
  format: (typeof LIST_FORMATS)[number],
  countries: readonly string[],
) {
  const list = readList('list', Buffer.from(text), { ...CHOICE, countries, format });
  for (const { first, last } of list.entries) expect(first <= last).toBe(true);
  expect(list.diagnostics.length).toBeLessThan(13);
  for (const { message, line } of list.diagnostics) {
    expect(message.length).toBeLessThan(400);
    expect(line).toBeGreaterThan(0);
  }
}

describe('a reader of lists', () => {
  it('makes sound entries or says why not, whatever it is given', () => {
    fc.assert(
      fc.property(mangled, formats, fc.constantFrom([], ['CN']), (text, format, countries) =>
        assertSound(text, format, countries),
      ),
      { numRuns: 1000 },
    );
  });

  it('reads a file for nft to its end and no further, wherever that is', () => {
    assertSound('set x { elements = { 192.0.2.1, 192.0.2.2', 'nft', []);
    assertSound('define x = { 192.0.2.1', 'nft', []);
  });

  it.each(LIST_FORMATS)('of %s takes time by the length of what it is given', (format) => {
    const pieces = [
      '{',
      '"',
      '[',
      ',',
      '|',
      ' ',
      '-',
      '#',
      'a',
      '1.',
      'add x ',
      'define x = {',
      '"",',
      '\\',
      'IP-CIDR,',
      '- ',
      'x\n',
      'b\r',
      '1.2.3.4 . 5, ',
    ];
    for (const piece of pieces) {
      const text = `define x = { a${piece.repeat(2 ** 18 / piece.length)}b`;
      const began = performance.now();
      assertSound(text, format, format === 'delegated' || format === 'csv' ? ['CN'] : []);
      // A second on a busy machine; what is quadratic takes minutes.
      expect(performance.now() - began).toBeLessThan(5000);
    }
  });

  /** Of a format each that is taken for one, and what goes on as none. */
  const HEADS = ['', ...SEEDS];
  const LINES = [
    ...[
      '{',
      '"',
      '[',
      ',',
      '|',
      ' ',
      '-',
      '#',
      '\n',
      'x\n',
      'x\r\n',
      '\ufeff',
      '\\',
      '%',
      '1:',
      '/',
    ],
    ...['1.2.3.4/33\n', '1.2.3.4 255.255.255.0\n', '1.2.3.4/24\n', '::1-::\n', '1.2.3.4,CN\n'],
    ...['a b;"c"\n', '(1.2.3.4)\n', "' ", '1;2"\n', '"a""b",', '!1.2.3.4\n', 'x:1.2.3.4-1.2.3.5\n'],
    ...['set x { elements = { ', 'elements = {', 'add element a b {', '$a,', '1.2.3.4 . 5, '],
    ...['{"a":\n', '{"cidr":"1.2.3.4"}\n', '{"rules":[', 'a|CN|ipv4|1.2.3.4|x|1|allocated\n'],
    ...['add x 1.2.3.4,5\n', 'create x list:set\n', '-exist ', '#!', '#! nft', "- '", ' //'],
    ...['IP-CIDR,1.2.3.4/8,a,src\n', 'AND,((x\n', 'DOMAIN,a\n', '+.a.\n'],
  ];

  /** Of the processor, whoever else has it. */
  function secondsFor(work: () => void): number {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  }

  it.each(LIST_FORMATS)(
    'of %s takes less than a second for a MiB of any line',
    {
      tags: ['long'],
      timeout: 900_000,
    },
    (format) => {
      for (const head of HEADS)
        for (const line of LINES) {
          const text = `${head}${line.repeat(2 ** 20 / line.length)}b`;
          const countries = format === 'delegated' || format === 'csv' ? ['CN'] : [];
          const bytes = Buffer.from(text);
          const once = () =>
            secondsFor(() => readList('list', bytes, { ...CHOICE, countries, format }));
          const first = once();
          // What runs beside it on the same core costs it, too.
          const seconds = first < 1 ? first : Math.min(once(), once());
          expect(seconds, JSON.stringify([head, line])).toBeLessThan(1);
        }
    },
  );
});
