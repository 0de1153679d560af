/** Programs that we did not write behind `capture: tproxy`, over both families. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADDRESS } from '../../control/lab/topology.js';
import { Fixture, url } from './fixture.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';
import { missingPrograms, requireAll } from './rivals/installed.js';
import type { Running } from './rivals/launch.js';
import { HAPROXY_TRANSPARENT, SS_REDIR_TRANSPARENT } from './rivals/transparent.js';

const SIZE = 3_000_000;

for (const rival of [HAPROXY_TRANSPARENT, ...SS_REDIR_TRANSPARENT]) {
  const missing = missingPrograms(rival.needs);
  const skipped = missing.length > 0 && !requireAll;
  if (skipped) console.warn(`skipped ${rival.name}: not installed: ${missing.join(', ')}`);
  describe.skipIf(skipped)(`${rival.name} with tproxy`, () => {
    let fixture: Fixture;
    let running: Running[] = [];

    beforeAll(async () => {
      if (missing.length > 0) throw new Error(`not installed: ${missing.join(', ')}`);
      fixture = await Fixture.start();
      fixture.configureWith([['program: relay', 'capture: tproxy\n    program: external']]);
      running = await rival.start(fixture);
      await fixture.succeed('apply');
    });
    afterAll(async () => {
      for (const one of running) await one.stop();
      fixture?.stop();
    });

    test.each(rival.families)('delivers over %s what the Internet sent', async (family) => {
      const address = ADDRESS.internet[family];
      expect(await fixture.download('client', url(address, `/bytes/${SIZE}`))).toEqual({
        status: 0,
        digest: pseudoRandomDigest(SIZE),
      });
      const argv = ['curl', '-gsSf', '--max-time', '10', url(address, '/who')];
      const seen = (await fixture.lab.check('client', argv)).replace('::ffff:', '');
      expect(seen).toBe(rival.exit?.[family] ?? ADDRESS.wan[family]);
      await expect.poll(() => running.at(-1)!.log).toMatch(rival.reached(address));
      expect(await fixture.counted('rule rest')).toBeGreaterThan(0);
    });
  });
}
