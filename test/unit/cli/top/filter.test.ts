import { describe, expect, it } from 'vitest';
import { parseFilter } from '../../../../control/cli/top/filter.js';

describe('what is typed after /', () => {
  it.each([
    [
      'client 192.168.1.0/24',
      { client: { family: 4, first: 0xc0a80100, last: 0xc0a801ff }, texts: [] },
    ],
    ['--upstream vps  TV', { upstream: 'vps', texts: ['tv'] }],
    ['to=198.51.100.7', { to: { family: 4, first: 0xc6336407, last: 0xc6336407 }, texts: [] }],
    ['upstream:vps :443', { upstream: 'vps', texts: [':443'] }],
    ['  ', { texts: [] }],
  ])('%s', (text, expected) => expect(parseFilter(text)).toEqual(expected));

  it.each([
    ['client', /client: what\? for example/],
    ['to=', /to: what\?/],
    ['to 192.0.2.0/33', /^to: .*prefix length/],
    ['client \x1b[2J', /^client: [ -~]*$/],
  ])('says what is wrong with %j', (text, expected) => expect(parseFilter(text)).toMatch(expected));
});
