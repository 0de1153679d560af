/** Random lists of rules and routes, as words for `ip`, and packets that meet them. */
import fc from 'fast-check';
import type { Family } from '../../../control/plan/state.js';

/** What the lists speak of. */
export interface World {
  family: Family;
  sources: readonly string[];
  selectors: readonly string[];
  destinations: readonly string[];
  prefixes: readonly string[];
  gateway(device: string, table: number, index: number): string;
}

export const WORLDS: Readonly<Record<Family, World>> = {
  4: {
    family: 4,
    sources: ['192.168.1.10', '192.168.1.200'],
    selectors: ['192.168.1.0/24', '192.168.1.10', '192.168.1.128/25', '10.0.0.0/8', '0.0.0.0/0'],
    destinations: ['10.1.2.3', '10.200.0.1', '9.9.9.9', '198.51.100.7'],
    prefixes: ['default', '10.0.0.0/8', '10.1.0.0/16', '128.0.0.0/1', '9.9.9.9'],
    gateway: (device, table, index) => `172.1${device.slice(1)}.${table}.${index + 2}`,
  },
  6: {
    family: 6,
    sources: ['fd00:1::10', 'fd00:1::8000:1'],
    selectors: ['fd00:1::/64', 'fd00:1::10', 'fd00:1::8000:0/113', '2001:db8::/32', '::/0'],
    destinations: ['2001:db8:1::3', '2001:db8:2::1', '2606:4700::1111', '9000::1'],
    prefixes: ['default', '2001:db8::/32', '2001:db8:1::/48', '8000::/1', '2606:4700::1111'],
    gateway: (device, table, index) => `fd1${device.slice(1)}::${table}:${index + 2}`,
  },
};

const TABLES = [100, 101, 102];
/** Of the rule that is always there. */
const LAST = 20;
const PRIORITIES = fc.integer({ min: 1, max: 12 });

const words = (...parts: (fc.Arbitrary<string> | string)[]) =>
  fc.tuple(...parts.map((part) => (typeof part === 'string' ? fc.constant(part) : part)));
/** Nothing in `weight` of `weight + 1` cases. */
const maybe = (arbitrary: fc.Arbitrary<string[]>, weight: number) =>
  fc.oneof({ weight, arbitrary: fc.constant<string[]>([]) }, { weight: 1, arbitrary });
const oneOf = (values: readonly string[]) => fc.constantFrom(...values);

function selector(world: World): fc.Arbitrary<string[]> {
  const rest = fc.constantFrom(
    ...Array.from({ length: 5 }, () => []),
    ['ipproto', 'tcp'],
    ['ipproto', 'udp'],
    ['sport', '1000-2000'],
    ['dport', '443'],
    ['ipproto', 'tcp', 'dport', '1-79'],
    // Who sends what is forwarded the two families see differently in a user namespace.
    ...(world.family === 4
      ? [
          ['uidrange', '0-0'],
          ['uidrange', '1-5'],
        ]
      : []),
  );
  return fc
    .tuple(
      maybe(fc.constant(['not']), 5),
      maybe(words('from', oneOf(world.selectors)), 2),
      maybe(words('to', oneOf([...world.prefixes.slice(1), world.selectors[4]!])), 2),
      maybe(words('iif', oneOf(['e0', 'e0', 'e1', 'gone'])), 4),
      maybe(words('oif', oneOf(['e1', 'gone'])), 9),
      maybe(words('fwmark', oneOf(['0x96/0xff', '0x90/0xf0', '0xca6c', '0/0x100'])), 3),
      maybe(words('tos', oneOf(['0x10', '0x8'])), 5),
      rest,
    )
    .map((parts) => parts.flat());
}

const lookup = fc
  .tuple(
    fc.constantFrom('100', '101', '102', 'main'),
    maybe(fc.constantFrom(['suppress_prefixlength', '0'], ['suppress_prefixlength', '8']), 2),
    maybe(fc.constantFrom(['suppress_ifgroup', '5'], ['suppress_ifgroup', 'default']), 4),
  )
  .map(([table, ...suppress]) => ['lookup', table, ...suppress.flat()]);

const action = fc.oneof(
  { weight: 6, arbitrary: lookup },
  {
    weight: 2,
    arbitrary: fc.constantFrom(4, 8, 12, LAST).map((target) => ['goto', String(target)]),
  },
  { weight: 1, arbitrary: fc.constantFrom(['nop'], ['unreachable'], ['prohibit'], ['blackhole']) },
);

/** `ip rule add` of one rule; a goto that leads backwards is what the kernel refuses. */
const rule = (world: World) =>
  fc
    .tuple(PRIORITIES, selector(world), action)
    .map(([priority, chosen, done]) => ['rule', 'add', ...chosen, ...done, 'pref', `${priority}`]);

function routes(world: World): fc.Arbitrary<string[][]> {
  const type = fc.constantFrom('', '', '', '', 'throw', 'unreachable', 'blackhole', 'prohibit');
  const device = fc.constantFrom('e1', 'e2');
  const one = fc.tuple(fc.constantFrom(...TABLES), fc.nat(world.prefixes.length - 1), type, device);
  return fc.array(one, { minLength: 2, maxLength: 8 }).map((made) =>
    made.map(([table, index, kind, dev]) => {
      const hop = kind === '' ? ['via', world.gateway(dev, table, index), 'dev', dev] : [];
      const words = ['route', 'replace', ...(kind === '' ? [] : [kind]), world.prefixes[index]!];
      return [...words, ...hop, 'table', `${table}`];
    }),
  );
}

/** Arguments of `ip -FAMILY`, one line each. */
export const lists = (world: World): fc.Arbitrary<string[][]> =>
  fc
    .tuple(routes(world), fc.array(rule(world), { minLength: 1, maxLength: 7 }))
    .map((parts) => [...parts.flat(), ...lastResort(world)]);

/** Tells what no rule took from what a rule refused. */
const lastResort = (world: World) => [
  ['route', 'replace', 'default', 'via', world.gateway('e1', 200, 0), 'table', '200'],
  ['rule', 'add', 'lookup', '200', 'pref', String(LAST)],
];

export interface Probe {
  source: string;
  destination: string;
  tos: number;
  sourcePort: number;
  destinationPort: number;
}

/** What else than its addresses a packet may have: iif e0 and mark 0x96 all of them. */
export const probe = (world: World): fc.Arbitrary<Probe> =>
  fc.record({
    source: oneOf(world.sources),
    destination: oneOf(world.destinations),
    tos: fc.constantFrom(0, 0x10),
    sourcePort: fc.constantFrom(1500, 40_000),
    destinationPort: fc.constantFrom(80, 443),
  });
