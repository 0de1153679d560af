import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LAB_VARIANTS, parseLabVariants } from '../../../control/bench/lab-variants.js';
import {
  bulkSeconds,
  type PlanOptions,
  planBench,
  serverPorts,
  TEST_KINDS,
  type Way,
} from '../../../control/bench/plan.js';
import { LAB_CONFIG } from '../../../control/lab/demo.js';

const OPTIONS: PlanOptions = {
  kinds: TEST_KINDS,
  allFamilies: false,
  streams: 8,
  seconds: 2,
  runs: 5,
  order: 'abba',
  seed: 1,
};

function way(name: string, { v6 = true, echo = true, ports = [5201] } = {}): Way {
  const target = { ports, ...(echo && { echo: 5300 }) };
  return {
    name,
    description: name,
    targets: {
      4: { address: '192.0.2.1', ...target },
      ...(v6 && { 6: { address: '2001:db8::1', ...target } }),
    },
  };
}

it('the defaults, both ways and both families, take less than three minutes', () => {
  const plan = planBench([[way('direct'), way('steered')]], OPTIONS);
  expect(plan.tests.map(({ name }) => name)).toEqual([
    ...['download-4', 'upload-4', 'parallel-4', 'latency-4', 'connections-4'],
    ...['download-6', 'upload-6'],
  ]);
  expect(plan.turns).toHaveLength(7 * 2 * 6);
  expect(plan.seconds).toBeLessThan(180);
  expect(bulkSeconds(plan)).toBe(5 * 2 * 2 * 6);
  expect(plan.notes).toEqual([]);
});

describe('what cannot be measured is left out, and told', () => {
  const only = (one: Way, options: Partial<PlanOptions> = {}) =>
    planBench([[way('direct'), one]], { ...OPTIONS, ...options });

  it('a family', () => {
    const plan = only(way('steered', { v6: false }));
    expect(plan.notes).toEqual(['steered: no IPv6']);
    const mine = plan.turns.filter(({ variant }) => variant === 'steered');
    expect(mine.every(({ test }) => test.endsWith('-4'))).toBe(true);
    expect(plan.tests.map(({ name }) => name)).toContain('download-6');
  });

  it('small requests, where nothing answers them; bulk beside them is measured', () => {
    const plan = only(way('steered', { echo: false }));
    const mine = new Set(plan.turns.flatMap((one) => (one.variant === 'steered' ? one.test : [])));
    expect([...mine]).toEqual(['download-4', 'upload-4', 'parallel-4', 'download-6', 'upload-6']);
    expect(plan.notes.join()).toContain('nothing there answers small requests');
    // A test is the same thing for all.
    expect(plan.tests.find(({ name }) => name === 'parallel-4')).toMatchObject({ probed: false });
  });

  it('more flows than its ports can have', () => {
    const other = way('direct', { ports: [5201, 5202, 5203] });
    const options = { ...OPTIONS, streams: 120, kinds: ['parallel'] } as const;
    const plan = planBench([[other, way('steered')]], options);
    expect(plan.notes).toContain(
      'steered: 120 flows need 3 iperf3 servers, each with a port of its own; there is one',
    );
    expect(() => planBench([[way('x')]], options)).toThrow('there is nothing to measure');
    expect(serverPorts(5201, 120)).toEqual({ iperf3: [5201, 5202, 5203], echo: 5204 });
  });
});

it('more than an hour is refused, and counts changes of the set-up', () => {
  const groups = [[way('direct'), way('steered')], [way('tproxy')]];
  expect(() => planBench(groups, { ...OPTIONS, runs: 50, seconds: 60 })).toThrow('minutes');
  const one = planBench(groups, { ...OPTIONS, kinds: ['latency'], runs: 1 });
  const same = planBench([groups.flat()], { ...OPTIONS, kinds: ['latency'], runs: 1 });
  expect(one.seconds).toBeGreaterThan(same.seconds);
});

it('whatever is asked for, each turn has a way and a test, and each test a turn', () => {
  fc.assert(
    fc.property(
      fc.subarray([...TEST_KINDS], { minLength: 1 }),
      fc.integer({ min: 1, max: 60 }),
      fc.boolean(),
      (kinds, streams, allFamilies) => {
        const plan = planBench([[way('a'), way('b', { v6: false })]], {
          ...{ ...OPTIONS, kinds, allFamilies, runs: 2 },
          streams: Math.min(streams, 50),
        });
        for (const { test, variant } of plan.turns) {
          const wanted = plan.tests.find(({ name }) => name === test)!;
          const target = plan.ways.flat().find(({ name }) => name === variant)!.targets;
          expect(target[wanted.family]).toBeDefined();
        }
        const used = new Set(plan.turns.map(({ test }) => test));
        expect(plan.tests.map(({ name }) => name)).toEqual([...used]);
      },
    ),
  );
});

describe('the lab’s set-ups', () => {
  it('change the usual configuration where it says so', () => {
    expect(LAB_VARIANTS.steered.configuration(LAB_CONFIG)).toBe(LAB_CONFIG);
    expect(LAB_VARIANTS.tproxy.configuration(LAB_CONFIG)).toContain('    capture: tproxy\n');
    expect(LAB_VARIANTS.ebpf.configuration(LAB_CONFIG)).toMatch(/^router:\n {2}classifier: ebpf\n/);
  });

  it('are known by name', () => {
    expect(parseLabVariants(['ebpf', 'direct'])).toEqual(['ebpf', 'direct']);
    expect(() => parseLabVariants(['redirect'])).toThrow('there is no variant "redirect"');
    expect(() => parseLabVariants(['ebpf', 'ebpf'])).toThrow('stands twice');
  });
});
