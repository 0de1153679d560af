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
});
