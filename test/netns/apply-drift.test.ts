/** What others change of ours is seen by status and repaired by apply; each test leaves an applied host to the next. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLASSIFIER, Fixture } from './fixture.js';
import { snapshot } from './snapshot.js';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await Fixture.start();
  await fixture.succeed('apply');
});
afterAll(() => fixture?.stop());

/** What there is to spoil in our table. Beside the eBPF classifier it holds neither rules nor their sets. */
const SPOILT =
  CLASSIFIER === 'nftables'
    ? { chain: 'classify', set: 'set_private_4', element: '9.9.9.9' }
    : { chain: 'prerouting', set: 'server_macs', element: '02:00:00:00:00:99' };

describe('drift', () => {
  const REPAIRED = '%s is seen by status and repaired by apply';
  it.each([
    ['a deleted rule', ['nft', 'flush', 'chain', 'inet', 'sidetrack', SPOILT.chain]],
    ['a removed policy rule', ['ip', 'rule', 'del', 'priority', '1500']],
    ['a changed sysctl', ['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/all/send_redirects']],
    ['a flushed ruleset', ['nft', 'flush', 'ruleset']],
  ])(REPAIRED, expectRepaired);
  it.each([
    [
      'a foreign rule in our table',
      ['nft', 'insert', 'rule', 'inet', 'sidetrack', 'prerouting', 'return'],
    ],
    [
      'an added set element',
      ['nft', 'add', 'element', 'inet', 'sidetrack', SPOILT.set, `{ ${SPOILT.element} }`],
    ],
    ['a removed route', ['ip', 'route', 'flush', 'table', '250']],
  ])(REPAIRED, { tags: 'long' }, expectRepaired);

  async function expectRepaired(_name: string, argv: readonly string[]): Promise<void> {
    const good = await snapshot(fixture.lab, 'router');
    await fixture.lab.check('router', argv);
    expect((await fixture.sidetrack('status')).status).toBe(1);
    expect(await fixture.succeed('apply')).toContain('Done.');
    expect((await fixture.sidetrack('status')).status).toBe(0);
    const repaired = await snapshot(fixture.lab, 'router');
    // A flushed ruleset also took the lab's own masquerading, which is not ours to repair.
    const ours = (text: string) => text.slice(text.indexOf('table inet sidetrack'));
    const nft = 'nft -s list ruleset';
    expect({ ...repaired, [nft]: ours(repaired[nft]!) }).toEqual({
      ...good,
      [nft]: ours(good[nft]!),
    });
  }
});
