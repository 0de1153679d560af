/** The compiled routes, asked through the real engine, against asking every route in turn. */
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { type Address, formatAddress } from '../../../control/config/address.js';
import { PrefixSet } from '../../../control/policy/prefix-set.js';
import { destinationTable } from '../../../control/policy/routes.js';
import { type Relay, startRelay } from '../../../proxy/relay.js';
import type { Route } from '../../../proxy/routes.js';
import { cidr, plainV6, v4 } from '../arbitraries.js';

let relay: Relay | undefined;
afterEach(() => {
  relay?.stop();
  relay = undefined;
});

interface PlainRoute {
  to?: PrefixSet;
  port?: { first: number; last: number };
}

const port = fc.integer({ min: 1, max: 65535 });
const plainRoute: fc.Arbitrary<PlainRoute> = fc.record(
  {
    to: fc.array(cidr, { maxLength: 12 }).map((texts) => PrefixSet.parse(...texts)),
    port: fc.tuple(port, port).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) })),
  },
  { requiredKeys: [] },
);

/** Addresses at and beside every border, which is where mistakes are. */
function bordersOf(routes: readonly PlainRoute[]): Address[] {
  const v4s = routes.flatMap(({ to }) => {
    const { starts = [], ends = [] } = to?.v4Intervals() ?? {};
    return [...starts, ...ends].flatMap((at) => [at - 1, at, at + 1]);
  });
  const v6s = routes.flatMap(({ to }) => {
    const { starts = [], ends = [] } = to?.v6Intervals() ?? {};
    return [...starts, ...ends].flatMap((at) => [at - 1n, at, at + 1n]);
  });
  return [
    ...v4s.filter((at) => at >= 0 && at < 2 ** 32),
    ...v6s.filter((at) => at >= 0n && at < 1n << 128n && at >> 32n !== 0xffffn),
  ];
}

function plainFind(routes: readonly PlainRoute[], address: Address, port: number) {
  const found = routes.findIndex(
    ({ to, port: range }) =>
      (to === undefined || to.contains(address)) &&
      (range === undefined || (range.first <= port && port <= range.last)),
  );
  return found < 0 ? undefined : found;
}

const routing = (routes: readonly PlainRoute[]) => ({
  routes: routes.map(
    ({ to, port }, i): Route => ({
      name: `r${i}`,
      upstreams: ['direct'],
      anyDestination: to === undefined,
      ...(port && { ports: [port] }),
    }),
  ),
  destinations: destinationTable(routes.map(({ to }) => to)),
});

describe('routes', () => {
  it('are found as if each had been asked', async () => {
    relay = startRelay({ port: 0, threads: 1 });
    const routes = fc.array(plainRoute, { minLength: 1, maxLength: 32 });
    const addresses = fc.array(fc.oneof(v4, plainV6), { minLength: 10, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(routes, addresses, port, async (routes, random, port) => {
        await relay!.reload({ routing: routing(routes) });
        for (const address of [...random, ...bordersOf(routes).slice(0, 60)])
          expect([address, relay!.routeTo(formatAddress(address), port)]).toEqual([
            address,
            plainFind(routes, address, port),
          ]);
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  it('takes a hundred thousand prefixes in one go', async () => {
    relay = startRelay({ port: 0, threads: 1 });
    const entries = Array.from({ length: 100_000 }, (_, i) => ({
      family: 4 as const,
      first: i * 4096,
      last: i * 4096 + 1023,
    }));
    await relay.reload({ routing: routing([{ to: PrefixSet.of(entries) }]) });
    expect(relay.routeTo(formatAddress(99_999 * 4096 + 1023), 1)).toBe(0);
    expect(relay.routeTo(formatAddress(99_999 * 4096 + 1024), 1)).toBeUndefined();
    expect(relay.routeTo('::1', 1)).toBeUndefined();
  });
});
