/** A small part of `make load`: iperf3, the relay's metrics and the router's counters agree about the same bytes. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { burstPhase, flowsPhase } from '../load/steered/phase.js';
import { Fixture } from './fixture.js';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await Fixture.start();
  await fixture.startRelay();
  await fixture.succeed('apply');
});
afterAll(() => fixture?.stop());

it.each([
  [1, 'upload'],
  [10, 'download'],
] as const)('%d flows of iperf3 add up: %s', async (flows, direction) => {
  const { checks, bitsPerSecond } = await flowsPhase(fixture, { flows, seconds: 1, direction });
  expect(checks.filter(({ ok }) => !ok)).toEqual([]);
  expect(checks.length).toBeGreaterThan(8);
  expect(bitsPerSecond).toBeGreaterThan(1e6);
});

it('short connections add up', async () => {
  const { checks } = await burstPhase(fixture, 200);
  expect(checks.filter(({ ok }) => !ok)).toEqual([]);
});
