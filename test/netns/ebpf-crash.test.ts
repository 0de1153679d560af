/** kill -9 at every call of an attach or a detach that leaves something in the kernel. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunResult } from '../../control/command/command.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { type Classifier, Fixture, url } from './fixture.js';
import { snapshot } from './snapshot.js';

const CRASH = fileURLToPath(new URL('../../build/test/crash.so', import.meta.url));
/** SIGKILL, as runProcess reports it. */
const KILLED = 128 + 9;
/** Far more than there are. */
const MOST_CALLS = 200;
/** Every point takes a while; the whole suite for this classifier takes them all. */
const STRIDE = process.env.SIDETRACK_CLASSIFIER ? 1 : 12;

interface Step {
  argv: string[];
  stdin?: string;
}

/** A user namespace may not load BPF programs. */
describe.skipIf(process.getuid?.() !== 0)('sidetrack bpf', { timeout: 900_000 }, () => {
  let fixture: Fixture;
  let attaches: Record<'first' | 'second', Step>;
  let detach: Step;

  beforeAll(async () => {
    fixture = await Fixture.start();
    await fixture.startRelay();
    for (const node of ['client', 'server1'])
      await fixture.lab.check(node, ['ethtool', '-K', 'eth0', 'tx', 'off', 'gro', 'on']);
    await fixture.lab.check('server1', ['ping', '-c1', '-W5', ADDRESS.router.v4]);
    attaches = {
      first: await attachOf('ebpf-xdp', []),
      second: await attachOf('ebpf-xdp', [['port: [25,', 'port: [26,']]),
    };
    detach = { argv: attaches.first.argv.slice(0, 6) };
    detach.argv[3] = 'detach';
    await fixture.succeed('apply');
    await run(detach);
  });
  afterAll(() => fixture?.stop());

  /** The step of a plan, from a router where nothing is attached. */
  async function attachOf(
    classifier: Classifier,
    changes: readonly (readonly [string, string])[],
  ): Promise<Step> {
    fixture.classifier = classifier;
    fixture.configureWith(changes);
    const { steps } = JSON.parse(await fixture.succeed('plan', '--json')) as { steps: Step[] };
    return steps.find(({ argv }) => argv.includes('attach'))!;
  }

  const run = ({ argv, stdin }: Step, env: Record<string, string> = {}): Promise<RunResult> =>
    fixture.lab.run('router', argv, { env, ...(stdin !== undefined && { stdin }) });

  async function succeed(step: Step): Promise<void> {
    const { status, stderr } = await run(step);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  }

  const state = () => snapshot(fixture.lab, 'router');

  /** Kills `step` at its first, second … change, until it comes through. */
  async function atEveryCall(step: Step, check: () => Promise<void>): Promise<number> {
    for (let call = 1; call < MOST_CALLS; call += STRIDE) {
      const env = { LD_PRELOAD: CRASH, SIDETRACK_CRASH: String(call) };
      const { status, stderr } = await run(step, env);
      if (status === 0) return call;
      expect({ status, stderr }).toEqual({ status: KILLED, stderr: '' });
      await check();
    }
    throw new Error('it is killed for ever');
  }

  async function expectService(): Promise<void> {
    const answer = await fixture.download('client', url(ADDRESS.internet.v4, '/bytes/1000', 8080));
    expect(answer.status).toBe(0);
  }

  it('attach: the next one brings what was wanted, wherever the first was killed', {
    tags: 'long',
  }, async () => {
    await succeed(attaches.first);
    const wanted = await state();
    await succeed(detach);
    const calls = await atEveryCall(attaches.first, async () => {
      await expectService();
      await succeed(attaches.first);
      expect(await state()).toEqual(wanted);
      await succeed(detach);
    });
    expect(calls).toBeGreaterThan(20);
    await succeed(detach);
  });

  it('attach of another policy: traffic is steered meanwhile, and the next one repairs', {
    tags: 'long',
  }, async () => {
    await succeed(attaches.second);
    const wanted = await state();
    await succeed(attaches.first);
    await atEveryCall(attaches.second, async () => {
      const before = await fixture.counted('steered');
      await expectService();
      expect(await fixture.counted('steered')).toBeGreaterThan(before);
      await succeed(attaches.second);
      expect(await state()).toEqual(wanted);
      await succeed(attaches.first);
    });
    await succeed(detach);
  });

  it('an apply that dies with its attach half-way is repaired by the next one', async () => {
    const wanted = await withApplied(() => state());
    const before = await state();
    for (const call of STRIDE === 1 ? ['1', '12', '24'] : ['12']) {
      const env = { LD_PRELOAD: CRASH, SIDETRACK_CRASH: call, SIDETRACK_CRASH_PARENT: '1' };
      expect((await fixture.sidetrackWith({ env }, 'apply')).status).toBe(KILLED);
      expect((await fixture.sidetrack('status')).status).toBe(1);
      await withApplied(async () => {
        expect((await fixture.sidetrack('status')).status).toBe(0);
        expect(await state()).toEqual(wanted);
      });
      expect((await fixture.sidetrackWith({ env }, 'apply')).status).toBe(KILLED);
      await fixture.succeed('down');
      expect(await state()).toEqual(before);
    }
    await fixture.succeed('apply');
    await succeed(detach);
  });

  /** The result of `work` between apply and down. */
  async function withApplied<T>(work: () => Promise<T>): Promise<T> {
    await fixture.succeed('apply');
    const result = await work();
    await fixture.succeed('down');
    return result;
  }

  it.each(['attach', 'detach'] as const)(
    '%s: detach leaves nothing, wherever it was killed',
    { tags: 'long' },
    async (verb) => {
      const nothing = await state();
      if (verb === 'detach') await succeed(attaches.first);
      await atEveryCall(verb === 'attach' ? attaches.first : detach, async () => {
        await succeed(detach);
        expect(await state()).toEqual(nothing);
        if (verb === 'detach') await succeed(attaches.first);
      });
      await succeed(detach);
      expect(await state()).toEqual(nothing);
    },
  );
});
