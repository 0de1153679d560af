import { expect, it } from 'vitest';
import { addressText } from '../../../bpf/config.js';
import { policyMetadata, readPolicy, readWay, wayMetadata } from '../../../bpf/pin-metadata.js';
import { classifierCounters, classifierState } from '../../../bpf/report.js';

/** As the version before printed it. */
const OLDER = {
  interfaces: [{ name: 'br-lan', filter: 'attached' }],
  program: 12,
  flowTable: { v4: 4096, v6: 4096 },
  flows: { v4: 1, v6: 0 },
  digest: 'abc',
  outdated: false,
};

it('what an older show printed is read', () => {
  expect(classifierState.parse(OLDER)).toEqual(OLDER);
});

it.each([
  { ...OLDER, version: 2 },
  { ...OLDER, interfaces: [{ name: 'br-lan', filter: 'perhaps' }] },
  { ...OLDER, flows: { v4: '1', v6: 0 } },
  { ...OLDER, outdated: undefined },
  {},
])('another shape is none: %#', (state) => {
  expect(classifierState.safeParse(state).success).toBe(false);
});

it('counters of which one is missing are none', () => {
  const counter = { packets: 1, bytes: 2 };
  const counters = {
    outcomes: { marked: counter, redirected: counter, embedded_v4: counter, later: counter },
    events: { on_failure: 0, over_share: 0, table_full: 0, no_route: 0 },
    rules: [{ name: 'lan', ...counter }],
  };
  expect(classifierCounters.safeParse(counters).success).toBe(true);
  const { no_route: _, ...events } = counters.events;
  expect(classifierCounters.safeParse({ ...counters, events }).success).toBe(false);
});

it.each([
  [0xc0000201, '192.0.2.1'],
  [0x20010db8n << 96n, '2001:db8::'],
  [1n, '::1'],
])('an address is %s', (address, text) => expect(addressText(address)).toBe(text));

it('metadata beside the pins is read as it was written, and nothing else is', () => {
  const [written] = [policyMetadata('my-own-name', process.execPath)].flat();
  expect(readPolicy(written)).toEqual({
    digest: 'my-own-name',
    program: expect.stringMatching(/^[0-9a-f]{12}$/),
  });
  for (const text of [undefined, '', 'abc', 'abc-12', 'v9:abc'])
    expect(readPolicy(text)).toBeUndefined();
  const way = { bridge: 'br-lan', mac: '02:00:00:00:00:01', port: 'lan0' };
  expect(readWay(wayMetadata(way))).toEqual(way);
  for (const text of [undefined, '', 'br-lan', 'br-lan=x=lan0', 'a=02:00:00:00:00:01=b=c'])
    expect(readWay(text)).toBeUndefined();
});
