import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frame } from '../../../../control/cli/top/frame.js';
import { pageOf, type Size } from '../../../../control/cli/top/frame-parts.js';
import {
  initialState,
  orderOf,
  pressed,
  type TopState,
  VIEWS,
} from '../../../../control/cli/top/model.js';
import { nextPicture, type Picture } from '../../../../control/cli/top/picture.js';
import { harmless, widthOf } from '../../../../control/cli/top/text.js';
import { connection, picture, state } from './pictures.js';

const USUAL = { columns: 80, rows: 24 };
const many = picture(
  Array.from({ length: 50 }, (_, i) =>
    connection(i, { age: i, originalDestination: `[2001:db8::${i}]:443` }),
  ),
);

const listed = (one: Picture, top: TopState) =>
  VIEWS[top.view]!.list(one, top.filter.wanted, orderOf(top));

function drawn(one: Picture, top: TopState, size: Size = USUAL, trouble?: string): string[] {
  const shown = { ...size, state: top, picture: one, listed: listed(one, top) };
  return frame({ ...shown, ...(trouble !== undefined && { trouble }) }).map((parts) =>
    parts.map(({ text }) => text).join(''),
  );
}

/** @returns the state after the keys, and what they did. */
function typing(
  keys: readonly string[],
  one = many,
  size: Size = USUAL,
  first = initialState(0, ''),
) {
  const effects: unknown[] = [];
  const top = keys.reduce((now, key) => {
    const { ids, cells, filterFor } = listed(one, now);
    const describe = (index: number) => cells(index).slice(0, 3).join(' ');
    const step = pressed(now, key, { ids, page: pageOf(size), filterFor, describe });
    if (step.effect !== undefined) effects.push(step.effect);
    return step.state;
  }, first);
  return { top, effects, lines: drawn(one, top, size) };
}

describe('the picture', () => {
  it('has sums, the worst trouble with what to type, views, and the busiest connections', () => {
    const { lines } = typing([]);
    expect(lines).toHaveLength(24);
    expect(lines[0]).toBe(
      'relay on port 12345: 60 open, up 8.00kbit/s, down 16.0kbit/s, 1.00k new/s',
    );
    expect(lines[1]).toBe(
      'critical relay: upstream backup is down; type: sidetrack status  (+1: press ?)',
    );
    const what = 'a long story '.repeat(9);
    const long = picture([], {
      health: [{ level: 'critical', host: 'relay', what, next: 'sidetrack status' }],
    });
    expect(typing([], long).lines[1]).toMatch(
      /^critical relay: a long .*~; type: sidetrack status$/,
    );
    expect(lines[2]).toMatch(
      /^1 connections 2 clients 3 rules 4 upstreams 5 hosts 6 servers {2}by rate, 1-19\/50$/,
    );
    expect(lines[3]).toMatch(/^ +id +client +destination +upstream age +up\/s down\/s state *$/);
    expect(lines[4]).toMatch(/^> 0 192\.168\.1\.10:40000 /);
    expect(lines.at(-1)).toMatch(/^q quit/);
  });

  it('is a list alone where no window ends it', () => {
    const size = { columns: Number.POSITIVE_INFINITY, rows: Number.POSITIVE_INFINITY };
    const lines = drawn(many, initialState(0, ''), size);
    expect(lines).toHaveLength(53);
    expect(lines[2]).toMatch(/^ *id +client .* state/);
  });

  it.each([
    ['2', /^>192\.168\.1\.10 tv +1 +70 3\.00k 6\.00k /],
    ['3', /^>lan +router direct +5 +- +500 /],
    ['4', /^>vps +up +52s +3 +9 +0 /],
    ['5', /^>router +drifted +1 +0 +12 of 65536 flows +replace chain steer$/],
    ['6', /^>server1 alive +1m40s - +0s ago 2 +7 +1\.00k +0 +-$/],
  ])('of view %s', (key, row) => expect(typing([key]).lines[4]).toMatch(row));

  it('names what is down, and what an exporter would say', () => {
    expect(typing(['4']).lines[5]).toMatch(/^ backup +DOWN refused +52s +3 +9 +5 /);
    expect(typing(['5']).lines[5]).toMatch(
      /^ server1 UNREACHABLE +0 +0 +4\.71k packets +timed out$/,
    );
    const { hosts: _, router: __, ...alone } = state(102, 3000);
    const one = nextPicture(1, { state: alone }, undefined);
    for (const key of ['3', '5', '6'])
      expect(typing([key], one).lines.join('\n')).toContain('start one: sidetrack exporter');
  });

  it('says of a server that is lost why, since when, and where its flows went', () => {
    const [, lost] = typing(['6']).lines.slice(4);
    expect(lost).toMatch(/^ server2 +silent +30s +upstreams +30s ago +backup +0 /);
    const wide = typing(['6'], many, { columns: 160, rows: 24 }).lines;
    expect(wide[3]).toMatch(
      /server +state +since +why +heard +weight +flows +packets\/s +ignored +resets +returns *$/,
    );
    expect(wide[5]).toMatch(/ 12 +40 +3 *$/);
  });

  it('says what it can of a relay that has no state', () => {
    const list = { at: 1, connections: [connection(1)] };
    const one = nextPicture(1, { list }, undefined);
    expect(typing([], one).lines[0]).toBe('relay on port 1: 1 open, up 800bit/s, down 1.60kbit/s');
    for (const key of ['3', '4', '5', '6'])
      expect(typing([key], one).lines.join('\n')).toContain('an older relay');
  });

  it('says that the relay does not answer, in a small window too', () => {
    const top = initialState(0, '');
    expect(drawn(many, top, USUAL, 'it has gone')[1]).toBe('it has gone');
    expect(drawn(many, top, { columns: 80, rows: 4 }, 'it has gone')[3]).toBe('it has gone');
  });
});

describe('keys', () => {
  const first = (keys: string[]) => typing(keys).lines[4]!.slice(1).trim().split(' ')[0];

  it('sort by a column, and the other way round', () => {
    expect(first(['a'])).toBe('49');
    expect(first(['a', 'a'])).toBe('0');
    expect(first(['i'])).toBe('0');
    expect(first(['i', 'i'])).toBe('49');
    // Addresses in the order of numbers: 2001:db8::9 comes before 2001:db8::10.
    expect(first(['d', 'd', 'd'])).toBe('0');
    expect(typing(['<']).top.orders[0]).toEqual({ column: 'state', reversed: false });
    expect(typing(['<', '>']).top.orders[0]).toEqual({ column: 'rate', reversed: false });
  });

  it('filter while they are typed; Esc goes back', () => {
    const typed = [...'/client 192.168.1.10'];
    const { lines, top } = typing([...typed, 'enter']);
    expect(lines[2]).toContain('17 of 50: client 192.168.1.10');
    expect(typing([...typed, 'escape']).top.filter.text).toBe('');
    expect(typing([...typed, 'enter', 'escape']).top.filter.text).toBe('');
    expect(typing([...'/to 1/'].concat('enter')).lines.at(-1)).toMatch(/^\/to 1\/_ {3}to: /);
    expect(typing(['/', 'ctrl-u', 'enter'], many, USUAL, top).top.filter.text).toBe('');
  });

  it('choose a row that stays chosen when the order changes', () => {
    const down = typing(['down', 'down', 'down']).top;
    expect(down.selected).toEqual({ id: '3', index: 3 });
    const { lines } = typing(['i', 'i'], many, USUAL, down);
    expect(lines.find((text) => text.startsWith('>'))).toMatch(/^> 3 /);
    expect(typing(['end']).top.first).toBe(50 - 19);
    expect(typing(['end', 'pageup', 'home']).top).toMatchObject({
      selected: { index: 0 },
      first: 0,
    });
  });

  it('close what was chosen when it was asked, and only after y', () => {
    const { lines, top } = typing(['down', 'x']);
    expect(lines.at(-1)).toBe('close 1 192.168.1.11:40001 [2001:db8::1]:443? y/n');
    // Another order by the time of the answer.
    expect(typing(['y'], picture([connection(7)]), USUAL, top).effects).toEqual([
      { kind: 'close', ids: [1] },
    ]);
    for (const key of ['n', 'escape', 'enter', ' '])
      expect(typing([key], many, USUAL, top)).toMatchObject({
        effects: [],
        top: { message: 'nothing was closed' },
      });
    expect(typing(['2', 'x', 'y']).effects).toEqual([]);
  });

  it('close all that the filter shows, and say how many', () => {
    const { lines, top } = typing([...'/upstream vps', 'enter', 'X']);
    expect(lines.at(-1)).toBe('close 25 connections, "upstream vps"? y/n');
    const [effect] = typing(['y'], many, USUAL, top).effects as { ids: number[] }[];
    expect(effect!.ids.toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 25 }, (_, i) => 2 * i),
    );
    expect(typing(['X']).lines.at(-1)).toBe('close 50 connections, ALL (no filter)? y/n');
  });

  it('go from a client or an upstream to its connections', () => {
    expect(typing(['2', 'enter']).lines[2]).toContain('17 of 50: client 192.168.1.10');
    expect(typing(['4', 'enter']).lines[2]).toContain('25 of 50: upstream vps');
    expect(typing(['5', 'enter']).top.view).toBe(4);
    expect(typing(['2', 'c', 'end', 'enter']).top).toMatchObject({ view: 1, filter: { text: '' } });
  });

  it('help, pause, end', () => {
    const { lines } = typing(['?']);
    expect(lines.join('\n')).toContain('warning router: it has drifted\n    sidetrack apply');
    expect(lines.join('\n')).toContain('Ctrl-Z');
    expect(typing(['?', 'a']).top).toMatchObject({
      ...{ help: false, orders: initialState(0, '').orders },
    });
    expect(typing(['p']).lines[0]).toMatch(/^PAUSED +relay on port 12345/);
    for (const key of ['q', 'ctrl-c', 'ctrl-d'])
      expect(typing([key]).effects).toEqual([{ kind: 'quit' }]);
    for (const keys of [
      ['/', 'ctrl-c'],
      ['x', 'ctrl-c'],
      ['?', 'ctrl-c'],
    ])
      expect(typing(keys).effects).toEqual([{ kind: 'quit' }]);
  });

  it('mean one thing each', () => {
    for (const { name, columns } of VIEWS) {
      const keys = columns.map(({ key }) => key);
      expect(new Set(keys).size, name).toBe(keys.length);
      for (const key of keys) expect('qQpxX/?<> 123456789', `${name} ${key}`).not.toContain(key);
    }
  });

  it('of any kind, in any order and in a window of any size never print more than fits', () => {
    const name = fc.string({ unit: 'binary', maxLength: 40 });
    const odd = fc.array(fc.tuple(name, name, name), { maxLength: 25 }).map((rows) => {
      const connections = rows.map(([client, originalDestination, upstream], id) =>
        connection(id, { client, originalDestination, upstream, state: upstream }),
      );
      const [[what = '', host = '', next = ''] = []] = rows;
      const health = [{ level: 'critical' as const, host, what, next }];
      return picture(connections, { health });
    });
    const words = [
      ...['up', 'down', 'left', 'right', 'pageup', 'pagedown', 'home', 'end', 'enter', 'escape'],
      ...[
        'tab',
        'shift-tab',
        'backspace',
        'delete',
        'ctrl-u',
        'ctrl-l',
        'f1',
        'space',
        'undefined',
      ],
      ...'123456/?xXpyn<>ab',
    ];
    const key = fc.oneof(fc.constantFrom(...words), fc.string({ unit: 'binary', maxLength: 3 }));
    const size = fc.record({
      columns: fc.integer({ min: 1, max: 120 }),
      rows: fc.integer({ min: 1, max: 40 }),
    });
    fc.assert(
      fc.property(odd, fc.array(key, { maxLength: 30 }), size, (one, keys, window) => {
        const { lines, top } = typing(keys, one, window);
        for (const each of [lines, drawn(one, top, window, harmless('it\nhas gone'))]) {
          expect(each).toHaveLength(window.rows);
          for (const text of each) {
            expect(widthOf(text)).toBeLessThanOrEqual(window.columns);
            expect(harmless(text)).toBe(text);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
