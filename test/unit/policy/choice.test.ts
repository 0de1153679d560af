import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../../control/config/address.js';
import { BALANCES } from '../../../control/config/balance.js';
import {
  type Candidate,
  CHOICE_LEVELS,
  CHOICE_SEED,
  CHOICE_SLOTS,
  type ChoiceTable,
  choiceKey,
  choiceSlot,
  choiceTable,
  choiceTables,
  chooseTarget,
  type Fitness,
  slotOf,
} from '../../../control/policy/choice.js';
import { jhash } from '../../../control/policy/jhash.js';
import { slotCounts } from '../../../control/policy/maglev.js';

const named = (...names: string[]): Candidate[] =>
  names.map((name, number) => ({ number, name, weight: 1, backup: false }));

const candidates = fc
  .uniqueArray(
    fc.record({
      name: fc.stringMatching(/^[a-z0-9][a-z0-9_.-]{0,9}$/),
      weight: fc.integer({ min: 1, max: 1000 }),
    }),
    { minLength: 2, maxLength: 16, selector: ({ name }) => name },
  )
  .map((all): Candidate[] => all.map((one, number) => ({ ...one, number, backup: false })));

const count = (slots: readonly number[], target: number) =>
  slots.filter((one) => one === target).length;

const everySlot = Array.from({ length: CHOICE_SLOTS }, (_, slot) => slot);

function chosen(tables: readonly ChoiceTable[], isFit: (target: number) => boolean) {
  const fitness = (target: number): Fitness => (isFit(target) ? 'fit' : 'unfit');
  return everySlot.map((slot) => chooseTarget(tables, slot, fitness, false));
}

describe('the hash', () => {
  const address = (text: string) => parseAddress(text)!;
  const key = (family: 4 | 6, source: string, sourcePort = 0) => ({
    family,
    source: address(source),
    destination: address(family === 4 ? '127.0.0.9' : 'fd00::9'),
    sourcePort,
    destinationPort: 80,
  });

  // What nft 1.0.6 on a kernel 6.18 made of `jhash … mod 1021 seed 0x5d7ac4`.
  it.each([
    ['client', 4, '127.0.0.1', 0, 0x3a7],
    ['client', 4, '127.0.0.2', 0, 0x30a],
    ['client', 4, '127.0.0.77', 0, 0x12],
    ['client', 4, '127.0.0.200', 0, 0x9c],
    ['client', 6, 'fd00::1', 0, 0x134],
    ['client', 6, 'fd00::fe', 0, 0x170],
    ['flow', 4, '127.0.0.1', 5000, 0xda],
    ['flow', 4, '127.0.0.1', 5001, 0x289],
    ['flow', 4, '127.0.0.1', 5002, 0x364],
  ] as const)("is the kernel's: %s IPv%i %s %i", (balance, family, source, port, slot) => {
    expect(CHOICE_SEED).toBe(0x5d7ac4);
    expect(choiceSlot(balance, key(family, source, port))).toBe(slot);
  });

  it('goes over whole 32-bit words', () => {
    for (const balance of BALANCES) {
      expect(choiceKey(balance, key(4, '10.0.0.1')).length % 4).toBe(0);
      expect(choiceKey(balance, key(6, 'fd00::1')).length % 4).toBe(0);
    }
  });

  it('gives every slot, and no other', () => {
    expect([slotOf(0), slotOf(2 ** 32 - 1)]).toEqual([0, CHOICE_SLOTS - 1]);
    const bytes = (i: number) => Uint8Array.of(i, i >> 8);
    const found = new Set(Array.from({ length: 20_000 }, (_, i) => slotOf(jhash(bytes(i), 1))));
    expect(found.size).toBe(CHOICE_SLOTS);
  });

  it('is unsigned for keys of every length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(), (bytes, seed) => {
        const hash = jhash(bytes, seed);
        return Number.isInteger(hash) && hash >= 0 && hash < 2 ** 32;
      }),
    );
  });
});

describe('the table', () => {
  it('has no hash for a group of one', () => {
    expect(choiceTables(named('a'))).toEqual([{ levels: [], order: [0] }]);
  });

  it('has as many levels as there are candidates, three at most', () => {
    const depths = [2, 3, 4, 9].map(
      (n) => choiceTable(named(...'abcdefghi'.slice(0, n))).levels.length,
    );
    expect(depths).toEqual([2, 3, CHOICE_LEVELS, CHOICE_LEVELS]);
  });

  it("gives each its weight's share, exact to a slot", () => {
    fc.assert(
      fc.property(candidates, (all) => {
        const [level = []] = choiceTable(all).levels;
        const total = all.reduce((sum, { weight }) => sum + weight, 0);
        const shares = all.map(({ weight }) => (weight * CHOICE_SLOTS) / total);
        const smallest = shares.filter((share) => share < 1).length;
        for (const [i, { number }] of all.entries()) {
          const slots = count(level, number);
          expect(slots).toBeGreaterThan(0);
          // Those that have less than a slot get one, which the others give.
          expect(Math.abs(slots - shares[i]!)).toBeLessThan(1 + smallest);
          if (smallest === 0) expect(Math.abs(slots - shares[i]!)).toBeLessThan(1);
        }
        expect(level).toHaveLength(CHOICE_SLOTS);
      }),
      { numRuns: 20 },
    );
  });

  it('counts slots so that none is left over, whatever the weights', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 16 });
    fc.assert(
      fc.property(weights, (all) => {
        const counts = slotCounts(
          all.map((weight, i) => ({ name: `${i}`, weight })),
          CHOICE_SLOTS,
        );
        expect(counts.reduce((sum, one) => sum + one, 0)).toBe(CHOICE_SLOTS);
        expect(Math.min(...counts)).toBeGreaterThan(0);
      }),
    );
  });

  it('names each slot three different ones', () => {
    fc.assert(
      fc.property(candidates, (all) => {
        const { levels } = choiceTable(all);
        const isTwice = (slot: number) =>
          new Set(levels.map((level) => level[slot])).size !== levels.length;
        expect(everySlot.filter(isTwice)).toEqual([]);
      }),
      { numRuns: 8 },
    );
  });

  it('does not depend on the order in the file', () => {
    fc.assert(
      fc.property(
        candidates.chain((all) =>
          fc.tuple(
            fc.constant(all),
            fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length }),
          ),
        ),
        ([all, shuffled]) => {
          expect(choiceTable(shuffled).levels).toEqual(choiceTable(all).levels);
        },
      ),
      { numRuns: 8 },
    );
  });

  it('moves only the slots of one that is lost', () => {
    fc.assert(
      fc.property(candidates, fc.nat(), (all, pick) => {
        const lost = pick % all.length;
        const tables = choiceTables(all);
        const before = chosen(tables, () => true);
        const after = chosen(tables, (target) => target !== lost);
        const moved = everySlot.filter((slot) => before[slot] !== after[slot]);
        expect(moved).toEqual(everySlot.filter((slot) => before[slot] === lost));
      }),
      { numRuns: 8 },
    );
  });

  it('moves only the slots of one that is drained, and to where they would go if it were lost', () => {
    fc.assert(
      fc.property(candidates, fc.nat(), (all, pick) => {
        const drained = pick % all.length;
        const without = choiceTables(
          all.map((one) => ({ ...one, drained: one.number === drained })),
        );
        const lost = chosen(choiceTables(all), (target) => target !== drained);
        expect(chosen(without, () => true)).toEqual(lost);
        expect(without.flatMap(({ order }) => order)).not.toContain(drained);
      }),
      { numRuns: 8 },
    );
  });

  it.each([2, 3, 4, 8, 15])('moves about its share when one comes to %i others', (n) => {
    const all = named(...Array.from({ length: n + 1 }, (_, i) => `server${i + 1}`));
    const [before = []] = choiceTable(all.slice(0, n)).levels;
    const [after = []] = choiceTable(all).levels;
    const moved = everySlot.filter((slot) => before[slot] !== after[slot]).length;
    expect(moved).toBeGreaterThanOrEqual(count(after, n));
    expect(moved).toBeLessThan(1.5 * count(after, n));
  });
});

describe('the choice', () => {
  const group: Candidate[] = [
    ...named('a', 'b', 'c'),
    { number: 3, name: 'spare1', weight: 1, backup: true },
    { number: 4, name: 'spare2', weight: 3, backup: true },
  ];
  const tables = choiceTables(group);
  const choose = (states: Record<number, Fitness>, holds: boolean) =>
    everySlot.map((slot) =>
      chooseTarget(tables, slot, (target) => states[target] ?? 'unfit', holds),
    );

  it('asks backups only where no other is fit', () => {
    expect(new Set(choose({ 2: 'fit', 3: 'fit', 4: 'fit' }, false))).toEqual(new Set([2]));
    const spare = choose({ 0: 'held', 3: 'fit', 4: 'fit' }, true) as number[];
    expect([count(spare, 3), count(spare, 4)]).toEqual([255, 766]);
  });

  it('takes a held one where none is fit and on_failure is block, and else none', () => {
    expect(new Set(choose({ 1: 'held' }, true))).toEqual(new Set([1]));
    expect(new Set(choose({ 1: 'held' }, false))).toEqual(new Set([undefined]));
    expect(new Set(choose({}, true))).toEqual(new Set([undefined]));
  });

  it('has nobody where all are drained', () => {
    expect(choiceTables(named('a', 'b').map((one) => ({ ...one, drained: true })))).toEqual([]);
  });

  it('of four, loses a quarter with one of them', () => {
    const four = choiceTables(named('s1', 's2', 's3', 's4'));
    const before = chosen(four, () => true);
    const after = chosen(four, (target) => target !== 1);
    const moved = everySlot.filter((slot) => before[slot] !== after[slot]).length;
    expect(moved / CHOICE_SLOTS).toBeCloseTo(0.25, 2);
  });
});
