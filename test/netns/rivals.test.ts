/**
 * The problem and the cure, with programs that we did not write. Each of them runs on server1 and
 * asks its kernel for the original destination. With DNAT on the router it gets no answer or a wrong
 * one; steered by sidetrack it gets the right one.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ADDRESS } from '../../control/lab/topology.js';
import { parseListing } from '../../control/nft/listing.js';
import { Fixture, url } from './fixture.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';
import { divertedByDnat, installDnat, removeDnat, STATEFUL_FIREWALL } from './rivals/dnat.js';
import { HAPROXY } from './rivals/haproxy.js';
import { missingPrograms, requireAll } from './rivals/installed.js';
import type { Running } from './rivals/launch.js';
import type { FamilyName, Rival } from './rivals/program.js';
import { REDSOCKS } from './rivals/redsocks.js';
import { RELAY } from './rivals/relay.js';
import { SS_REDIR } from './rivals/ss-redir.js';

const SIZES = [300_000, 5_000_000];
/** The router's address on the way out: what the Internet sees of every client. */
const { wan } = ADDRESS;

for (const rival of [REDSOCKS, SS_REDIR, HAPROXY, RELAY]) {
  const missing = missingPrograms(rival.needs);
  const skipped = missing.length > 0 && !requireAll;
  if (skipped) console.warn(`skipped ${rival.name}: not installed: ${missing.join(', ')}`);
  describe.skipIf(skipped)(rival.name, () => {
    beforeAll(() => {
      if (missing.length > 0) throw new Error(`not installed: ${missing.join(', ')}`);
    });
    prove(rival);
  });
}

function prove(rival: Rival): void {
  let fixture: Fixture;
  let running: Running[] = [];

  beforeAll(async () => {
    fixture = await Fixture.start();
    if (rival.program === 'external')
      fixture.configureWith([['program: relay', 'program: external']]);
  });
  afterAll(() => fixture?.stop());

  beforeEach(async () => {
    running = await rival.start(fixture);
  });
  afterEach(async () => {
    for (const one of running) await one.stop();
  });

  const report = async () => rival.report?.(fixture) ?? running.at(-1)!.log;
  const seenByInternet = async (family: FamilyName) => {
    const argv = ['curl', '-gsSf', '--max-time', '10', url(ADDRESS.internet[family], '/who')];
    return (await fixture.lab.check('client', argv)).replace('::ffff:', '');
  };
  const expectDownloads = async (family: FamilyName) => {
    for (const size of SIZES) {
      const address = url(ADDRESS.internet[family], `/bytes/${size}`);
      expect(await fixture.download('client', address)).toEqual({
        status: 0,
        digest: pseudoRandomDigest(size),
      });
    }
  };

  describe.each([
    ['gets an error from SO_ORIGINAL_DST', false],
    ['is told its own address where server1 has a stateful firewall', true],
  ])('behind DNAT on the router %s', (_, conntrack) => {
    beforeEach(async () => {
      await installDnat(fixture);
      if (conntrack) await STATEFUL_FIREWALL.install(fixture);
    });
    afterEach(async () => {
      await removeDnat(fixture);
      if (conntrack) await STATEFUL_FIREWALL.remove(fixture);
    });

    /** One try of a client: ends somehow, with nothing. */
    const fail = async (family: FamilyName) => {
      const address = url(ADDRESS.internet[family], '/bytes/300000');
      const request = ['curl', '-gsSf', '--max-time', '3', '-o', '/dev/null'];
      const argv = [...request, '-w', '%{size_download}', address];
      const { status, stdout } = await fixture.lab.run('client', argv);
      // Reset at once, time-out, empty reply or reset later, by program.
      expect([7, 28, 52, 56]).toContain(status);
      expect(stdout).toBe('0');
    };

    test.each(rival.families)('and nothing arrives over %s', async (family) => {
      const misled = rival.misled(ADDRESS.server1[family], conntrack);
      // A client that is cut off before its request was read leaves no trace in some programs' logs.
      await expect
        .poll(() => fail(family).then(report), { timeout: 30_000, interval: 200 })
        .toMatch(misled);
      expect(await divertedByDnat(fixture)).toBeGreaterThan(0);
    });
  });

  describe('steered by sidetrack', () => {
    beforeAll(() => fixture.succeed('apply'));

    test.each(rival.families)('delivers over %s what the Internet sent', async (family) => {
      const before = await steeredAndRedirected(fixture);
      await expectDownloads(family);
      expect(await seenByInternet(family)).toBe(rival.exit?.[family] ?? wan[family]);
      const after = await steeredAndRedirected(fixture);
      expect(after.rule).toBeGreaterThan(before.rule);
      // server1's kernel handed every connection to the program, and none went another way.
      expect(after.redirected - before.redirected).toBe(SIZES.length + 1);
      if (rival.reached) await expect.poll(report).toMatch(rival.reached(ADDRESS.internet[family]));
    });

    test('and after `sidetrack down` everything goes directly again', async () => {
      await fixture.succeed('down');
      for (const family of rival.families) {
        expect(await seenByInternet(family)).toBe(wan[family]);
        await expectDownloads(family);
      }
    });
  });
}

async function steeredAndRedirected(fixture: Fixture) {
  return {
    rule: await fixture.counted('rule rest'),
    redirected: await redirected(fixture),
  };
}

/** Connections that server1's kernel redirected; its first packet counts, as in every nat chain. */
async function redirected({ lab }: Fixture): Promise<number> {
  const argv = ['nft', '-j', 'list', 'table', 'inet', 'sidetrack'];
  const { chains } = parseListing(await lab.check('server1', argv));
  const rules = chains.flatMap(({ rules }) => rules);
  const counted = rules.filter(({ comment }) => comment === 'redirected');
  return counted.reduce((sum, { packets }) => sum + packets, 0);
}
