import { describe, expect, it } from 'vitest';
import { elementsIn } from '../../../control/exporter/flows.js';
import { interfaceBytes, martiansOf, tcpExtension } from '../../../control/exporter/kernel.js';
import { countedRules } from '../../../control/nft/counted-rules.js';

describe('/proc/net/stat/rt_cache', () => {
  const HEAD = 'entries  in_hit in_martian_dst in_martian_src out_hit';

  it('is summed over processors', () => {
    const text = `${HEAD}\n00000005 00000000 00000010 000000ff 00000000\n00000005 00000000 00000001 00000001 00000000\n`;
    expect(martiansOf(text)).toEqual({ source: 256, destination: 17 });
  });

  it.each(['', HEAD, `${HEAD}\nzz zz zz zz zz`, 'other\n00000001'])(
    'says nothing by %j',
    (text) => {
      expect(martiansOf(text)).toBeUndefined();
    },
  );
});

it('finds a number of /proc/net/netstat by its name', () => {
  const text =
    'TcpExt: SyncookiesSent IPReversePathFilter TW\nTcpExt: 0 42 7\nIpExt: In\nIpExt: 1\n';
  expect(tcpExtension(text, 'IPReversePathFilter')).toBe(42);
  expect(tcpExtension(text, 'Absent')).toBeUndefined();
  expect(
    tcpExtension('TcpExt: IPReversePathFilter\nTcpExt: -3\n', 'IPReversePathFilter'),
  ).toBeUndefined();
});

it('reads /proc/net/dev, and passes over names that are none', () => {
  const text = `Inter-|   Receive                      |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       0    0    0    0     0          0         0      200       0    0    0    0     0       0          0
br-lan: 18446744 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0
\u001b[2J: 1 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0
eth0: many 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0
`;
  expect(interfaceBytes(text)).toEqual([
    { name: 'lo', receive: 100, transmit: 200 },
    { name: 'br-lan', receive: 18446744, transmit: 7 },
  ]);
});

it('takes the sets that nft listed, and no others', () => {
  const text =
    'flows4 0 12\nclosing4 1 0\nflows6 0 0\n\u001b[2J 0 3\nover_share4 0 99999999999999\n';
  expect(elementsIn(text)).toEqual(
    new Map([
      ['flows4', 12],
      ['flows6', 0],
    ]),
  );
});

describe('counted rules', () => {
  const rule = (handle: number, packets: unknown, table = 'sidetrack') => ({
    rule: {
      table,
      chain: 'c',
      name: 'c',
      comment: 'rule a',
      handle,
      expr: [{ counter: { packets, bytes: 60 } }, { accept: null }],
    },
  });
  const of = (handle: number, ...entries: object[]) =>
    countedRules(
      {
        nftables: [
          { metainfo: {} },
          { table: { family: 'inet', name: 'sidetrack', handle } },
          ...entries,
        ] as never,
      },
      'sidetrack',
    );

  it('have names by which a table that was made anew is known', () => {
    const [first] = of(3, rule(7, 5))!.rules;
    const [again] = of(4, rule(7, 5))!.rules;
    expect(first).toMatchObject({ comment: 'rule a', packets: 5, bytes: 60 });
    expect(again!.id).not.toBe(first!.id);
  });

  it('are those of our table; without one there are none', () => {
    expect(of(3, rule(1, 1, 'other'))!.rules).toEqual([]);
    expect(countedRules({ nftables: [] }, 'sidetrack')).toBeUndefined();
  });

  it('know how many elements a set has where nft says it', () => {
    const set = { set: { table: 'sidetrack', name: 'flows4', count: 17 } };
    expect(of(3, set)!.elements).toEqual(new Map([['flows4', 17]]));
  });

  it.each(['5', null, -1, Number.NaN, Number.POSITIVE_INFINITY, {}])(
    'refuse %j packets',
    (packets) => {
      expect(() => of(3, rule(1, packets))).toThrow(RangeError);
    },
  );
});
