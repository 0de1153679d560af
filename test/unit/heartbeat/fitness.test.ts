import { describe, expect, it } from 'vitest';
import {
  fitnessText,
  programFitness,
  type RelayFacts,
  relayFitness,
} from '../../../control/heartbeat/fitness.js';

const WELL: RelayFacts = {
  families: ['ipv4', 'ipv6'],
  hangingMs: 0,
  notAcceptingMs: 0,
  listening: ['ipv4', 'ipv6'],
  upstreams: [{ up: true, carries: ['ipv4', 'ipv6'], lacking: [] }],
  descriptors: { used: 30, limit: 1024 },
  memory: { available: 1 << 30, total: 4 * 2 ** 30 },
  paused: [],
};

const MIB = 2 ** 20;
const down = { up: false, carries: ['ipv4', 'ipv6'], lacking: [] } as const;
const [only4, only6] = [
  { up: true, carries: ['ipv4'], lacking: [] },
  { up: true, carries: ['ipv4', 'ipv6'], lacking: ['ipv4'] },
] as const;

describe('a relay is fit', () => {
  it.each<[string, Partial<RelayFacts>, string]>([
    ['when all is well', {}, 'ipv4 ipv6 ok'],
    ['with one of two upstreams', { upstreams: [down, ...WELL.upstreams] }, 'ipv4 ipv6 ok'],
    ['with upstreams of one family each', { upstreams: [only4, only6] }, 'ipv4 ipv6 ok'],
    ['for what its upstreams carry', { upstreams: [only4, down] }, 'ipv4 upstreams'],
    ['for what the probes carry', { upstreams: [only6] }, 'ipv6 upstreams'],
    ['for what it accepts', { listening: ['ipv4'] }, 'ipv4 upstreams'],
    ['for the families of its addresses', { families: ['ipv4'], upstreams: [only4] }, 'ipv4 ok'],
    ['a moment after a thread has turned', { hangingMs: 999 }, 'ipv4 ipv6 ok'],
    ['while one connection waits', { notAcceptingMs: 999 }, 'ipv4 ipv6 ok'],
    ['where it cannot connect to itself', { notAcceptingMs: undefined }, 'ipv4 ipv6 ok'],
    ['while it is full', { notAcceptingMs: 60_000, sinceFullMs: 0 }, 'ipv4 ipv6 ok'],
    ['a moment after that', { notAcceptingMs: 60_000, sinceFullMs: 999 }, 'ipv4 ipv6 ok'],
    ['without a limit', { descriptors: { used: 9e6 } }, 'ipv4 ipv6 ok'],
    ['with a small limit', { descriptors: { used: 50, limit: 64 } }, 'ipv4 ipv6 ok'],
    ['on a small machine', { memory: { available: 8 * MIB, total: 128 * MIB } }, 'ipv4 ipv6 ok'],
    ['not when a thread hangs', { hangingMs: 1000 }, 'threads'],
    ['not when nobody accepts', { notAcceptingMs: 1000 }, 'listener'],
    ['not when nobody accepts then', { notAcceptingMs: 60_000, sinceFullMs: 1000 }, 'listener'],
    ['not when a full one hangs', { hangingMs: 1000, sinceFullMs: 0 }, 'threads'],
    ['not without an upstream', { upstreams: [down, down] }, 'upstreams'],
    ['not with no upstream at all', { upstreams: [] }, 'upstreams'],
    ['not with few descriptors left', { descriptors: { used: 961, limit: 1024 } }, 'descriptors'],
    ['not when they ran out', { paused: ['descriptors'] }, 'descriptors'],
    ['not with little memory', { memory: { available: 20 * MIB, total: 2 ** 31 } }, 'memory'],
    ['not when memory ran out', { paused: ['memory'] }, 'memory'],
    [
      'for the reason that others follow from',
      { hangingMs: 5000, notAcceptingMs: 5000, upstreams: [] },
      'threads',
    ],
    [
      'for what keeps it from accepting',
      { notAcceptingMs: 5000, paused: ['descriptors'] },
      'descriptors',
    ],
  ])('%s', (_, facts, wanted) => {
    const { fit, reason } = relayFitness({ ...WELL, ...facts });
    expect([...fit, reason].join(' ')).toBe(wanted);
  });

  it('says so in words', () => {
    const words = (facts: Partial<RelayFacts>) => fitnessText(relayFitness({ ...WELL, ...facts }));
    expect([words({}), words({ upstreams: [only4] }), words({ hangingMs: 3000 })]).toEqual([
      'fit for IPv4 and IPv6',
      'fit for IPv4 alone: none of its upstreams is up (upstreams)',
      'not fit: a thread of its relay does not turn (threads)',
    ]);
  });
});

describe('a program that is not ours is fit', () => {
  const families = ['ipv4', 'ipv6'] as const;
  it.each([
    ['when its port accepts', { families, accepting: families, check: undefined }, 'ipv4 ipv6 ok'],
    ['when its check says so, too', { families, accepting: families, check: true }, 'ipv4 ipv6 ok'],
    ['for what accepts', { families, accepting: ['ipv6'], check: true }, 'ipv6 port'],
    ['not when no port accepts', { families, accepting: [], check: true }, 'port'],
    ['not when its check fails', { families, accepting: families, check: false }, 'check'],
  ] as const)('%s', (_, facts, wanted) => {
    const { fit, reason } = programFitness(facts);
    expect([...fit, reason].join(' ')).toBe(wanted);
  });
});
