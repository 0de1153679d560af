/** A host keeps what was applied: each kind of drift is repaired within two seconds, while traffic goes on. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { LabProcess } from '../../../control/lab/lab.js';
import { Fixture, waitFor } from '../fixture.js';
import { snapshot } from '../snapshot.js';
import { Kept } from './kept.js';

let fixture: Fixture;
let watcher: (LabProcess & { said: string[] }) | undefined;

beforeAll(async () => {
  fixture = await Fixture.start();
  await fixture.succeed('apply');
});
afterAll(() => fixture?.stop());
afterEach(async () => {
  watcher?.signal('SIGTERM');
  await watcher?.exited;
});

const DRIFTS: [string, string, string[]][] = [
  ['a flushed chain', 'nft table', ['nft', 'flush', 'chain', 'inet', 'sidetrack', 'prerouting']],
  ['a lost table', 'nft table', ['nft', 'delete', 'table', 'inet', 'sidetrack']],
  ['a removed policy rule', 'rule', ['ip', 'rule', 'del', 'priority', '1500']],
  ['a removed route', 'route', ['ip', 'route', 'flush', 'table', '250']],
  [
    'a changed sysctl',
    'sysctl',
    ['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/all/send_redirects'],
  ],
];

describe('drift', () => {
  it('is repaired within two seconds', async () => {
    const kept = await Kept.of(fixture, 'router');
    watcher = await kept.watch();
    const good = await snapshot(fixture.lab, 'router');
    for (const [name, kind, argv] of DRIFTS) {
      const before = (await kept.state())!.repairs[kind] ?? 0;
      await fixture.lab.check('router', argv);
      const start = Date.now();
      await waitFor(`${name} to be repaired`, async () => {
        return ((await kept.state())!.repairs[kind] ?? 0) > before;
      });
      expect(Date.now() - start, name).toBeLessThan(2000);
      expect(await snapshot(fixture.lab, 'router'), name).toEqual(good);
    }
    expect((await fixture.sidetrack('status')).status).toBe(0);
  });
});
