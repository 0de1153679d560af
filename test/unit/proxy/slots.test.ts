import { describe, expect, it } from 'vitest';
import { Slots } from '../../../proxy/slots.js';

const idle = () => false;

function take(slots: Slots, names: string[], isBusy = idle): number[] {
  const taken = slots.propose(names, isBusy);
  slots.commit(names, taken);
  return taken;
}

describe('Slots', () => {
  it('keeps a name where it is, whatever comes and goes around it', () => {
    const slots = new Slots(4);
    expect(take(slots, ['a', 'b'])).toEqual([0, 1]);
    expect(take(slots, ['c', 'b'])).toEqual([2, 1]);
    expect(take(slots, ['a', 'b'])).toEqual([0, 1]);
  });

  it('gives away the slot that has been idle longest, and tells', () => {
    const slots = new Slots(3);
    take(slots, ['a']);
    take(slots, ['b']);
    take(slots, ['c']);
    const proposed = slots.propose(['c', 'd'], idle);
    expect(proposed).toEqual([2, 0]);
    expect(slots.reused(['c', 'd'], proposed)).toEqual([0]);
    expect(slots.names).toEqual(['a', 'b', 'c']);
  });

  it('never gives away what is in use', () => {
    const slots = new Slots(2);
    take(slots, ['a', 'b']);
    expect(slots.propose(['c'], (slot) => slot === 0)).toEqual([1]);
    expect(() => slots.propose(['c'], () => true)).toThrow(/still use too many/);
  });

  it('shows what is configured or in use, and the fixed ones always', () => {
    const slots = new Slots(4, ['default']);
    expect(take(slots, ['a', 'b'])).toEqual([1, 2]);
    take(slots, ['a']);
    expect(slots.visible(idle)).toEqual(['default', 'a', undefined, undefined]);
    expect(slots.visible((slot) => slot === 2)).toEqual(['default', 'a', 'b', undefined]);
  });
});
