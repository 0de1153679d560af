import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pagesAround, pathOf, whereOf } from '../../../../monitoring/web/connections.js';
import { hostOf, parseFilter, withWord } from '../../../../monitoring/web/filter.js';

it.each([
  ['', {}],
  ['  443 ', { q: '443' }],
  [
    'client=192.168.1.10 to:203.0.113.0/24 443 tv',
    {
      client: '192.168.1.10',
      to: '203.0.113.0/24',
      q: '443 tv',
    },
  ],
  ['to=fd00::1', { to: 'fd00::1' }],
  ['upstream="my vps" route=video', { upstream: 'my vps', route: 'video' }],
  ['client=a client=b', { client: 'b' }],
  ['foo=bar', { q: 'foo=bar' }],
  ['[2001:db8::1]:443', { q: '[2001:db8::1]:443' }],
  ['upstream="open', { upstream: 'open' }],
])('%j filters by %j', (text, filter) => {
  expect(parseFilter(text)).toEqual(filter);
});

it('takes anything that can be typed', () => {
  fc.assert(fc.property(fc.string(), (text) => void parseFilter(text)));
});

it('sets one word and keeps the others', () => {
  expect(withWord('443 client=a to=b', 'client', 'c')).toBe('443 to=b client=c');
  expect(parseFilter(withWord('', 'upstream', 'my "vps"'))).toEqual({ upstream: 'my vps' });
});

it('knows the host of an endpoint', () => {
  expect(['192.0.2.1:80', '[2001:db8::1]:443', 'other'].map(hostOf)).toEqual([
    '192.0.2.1',
    '2001:db8::1',
    'other',
  ]);
});

describe('a page of the list', () => {
  it('is asked for by words that cannot break out of theirs', () => {
    const path = pathOf({
      filter: { q: 'a&limit=9#' },
      state: 'open',
      sort: 'rate',
      offset: 50,
      limit: 50,
    });
    expect(path).toBe(
      'connections.json?q=a%26limit%3D9%23&state=open&sort=rate&limit=50&offset=50',
    );
  });
  it('says where it is', () => {
    expect(whereOf(50, 50, 5000, 5000)).toBe('51–100 of 5\u{a0}000');
    expect(whereOf(0, 7, 7, 5000)).toBe('1–7 of 7 that match, 5\u{a0}000 in all');
    expect(whereOf(0, 0, 0, 0)).toBe('none');
    expect(whereOf(0, 0, 0, 12)).toBe('none of 12');
    expect(pagesAround(0, 50)).toEqual({});
    expect(pagesAround(50, 120)).toEqual({ before: 0, after: 100 });
  });
});
