import { expect, it } from 'vitest';
import { Counters } from '../../../control/exporter/counters.js';
import { Sums } from '../../../control/exporter/resets.js';
import { guardRules } from '../../../control/nft/guards.js';

const counted = (comment: string) => ({
  ...{ id: comment, chain: 'c', comment },
  ...{ packets: 2, bytes: 80 },
});

it('counts each guard that there is, and none that a router has made up', () => {
  const own = [
    ...new Set(guardRules({ accept: null }).flatMap(({ comment }) => comment ?? [])),
    'guard:dhcp',
    'guard:fragment',
    'guard:embedded-v4',
  ];
  const madeUp = Array.from({ length: 1000 }, (_, i) => `guard:made-up-${i}`);
  const counters = new Counters(new Sums(), [...own, ...madeUp].map(counted));
  expect(Object.keys(counters.guards()).sort()).toEqual(
    ['dhcp', 'embedded-v4', 'fragment', 'link-local', 'local', 'server', 'unspecified'].sort(),
  );
});

it('adds up guards that one classifier has in two parts', () => {
  const classifier = ['guard:local', 'guard:multicast', 'guard:broadcast'].map((rule) => ({
    rule,
    packets: 3,
  }));
  expect(new Counters(new Sums(), [], classifier).guards()).toEqual({ local: 9 });
});
