import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Pace } from '../../../control/exporter/pace.js';
import { Shared } from '../../../control/exporter/shared.js';

let now = 0;
beforeEach(() => {
  now = 1_000_000;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => vi.restoreAllMocks());

it('is made once for all who ask meanwhile, and again when it is old', async () => {
  let made = 0;
  const shared = new Shared(async () => {
    await delay(1);
    return ++made;
  }, 1000);
  expect(await Promise.all([shared.get(), shared.get(), shared.get()])).toEqual([1, 1, 1]);
  now += 999;
  expect(await shared.get()).toBe(1);
  now += 1;
  expect(await shared.get()).toBe(2);
});

it('is tried again after a failure', async () => {
  let tries = 0;
  const shared = new Shared(async () => {
    if (++tries === 1) throw new Error('not now');
    return tries;
  }, 1000);
  await expect(shared.get()).rejects.toThrow('not now');
  expect(await shared.get()).toBe(2);
});

it('spends a twentieth of the time on what is dear, and no more often than it should', () => {
  const pace = new Pace(60_000);
  expect(pace.isDue).toBe(true);
  pace.took(10_000);
  now += 199_000;
  expect(pace.isDue).toBe(false);
  now += 1000;
  expect(pace.isDue).toBe(true);
  pace.took(1);
  now += 59_000;
  expect(pace.isDue).toBe(false);
  pace.hurry(59_001);
  expect(pace.isDue).toBe(false);
  pace.hurry();
  expect(pace.isDue).toBe(true);
});
