/** An apply over ssh is kept only where what worked before works again; the probes are run on real machines. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../control/lab/topology.js';
import { Fixture } from './fixture.js';
import { Gate } from './machines/gate.js';
import { type MachineNode, Machines } from './machines/machines.js';
import { canMakeMachines } from './machines/programs.js';
import { snapshot } from './snapshot.js';

const { v4, v6 } = ADDRESS.internet;
const CONFIG = `router:
  host: ssh://root@192.168.1.1
  interfaces: [br-lan, lan2]
servers:
  - name: server1
    host: ssh://root@192.168.1.2
    interface: eth0
    address: [192.168.1.2, "fd00:1::2"]
    health: route
rules:
  - { to: private, action: direct }
  - { action: proxy }
confirm: { dns: [], internet: ["${v4}:80"], canary: ["${v4}:80", "[${v6}]:80"], timeout_seconds: 20 }
`;

const NODES = ['router', 'server1'] as const;

/** What went with the link: its default routes, and the address of IPv6. */
const UPLINK_BACK = [
  'sh',
  '-c',
  'ip link set wan up; ip route add default via 203.0.113.10; ip -6 address replace 2001:db8:ffff::1/64 dev wan nodad; ip -6 route replace default via 2001:db8:ffff::10',
];

interface Report {
  host: string;
  probe: string;
  before: string;
  demanded: boolean;
  after?: string;
}

describe.skipIf(!canMakeMachines)('an apply over ssh', () => {
  let fixture: Fixture;
  let machines: Machines;
  const state = () => Promise.all(NODES.map((node) => snapshot(fixture.lab, node)));

  beforeAll(async () => {
    fixture = await Fixture.start();
    machines = await Machines.prepare(fixture);
    await machines.openWrt('router');
    await machines.debian('server1');
    fixture.configure(CONFIG);
  });
  afterAll(() => fixture?.stop());

  describe('with a relay', () => {
    let relay: Awaited<ReturnType<Fixture['startRelay']>>;
    beforeAll(async () => {
      relay = await fixture.startRelay();
    });
    afterAll(async () => {
      relay.signal('SIGKILL');
      await relay.exited;
    });
    beforeEach(() => async () => {
      await machines.sidetrack('down');
    });

    it('demands what worked, by every way, and says so as data', async () => {
      const { status, stdout, stderr } = await machines.sidetrack('apply', '--json');
      expect({ status, stderr }).toMatchObject({ status: 0 });
      const { probes } = JSON.parse(stdout) as { probes: Report[] };
      const works = { before: 'works', demanded: true, after: 'works' };
      const expected = [
        ['server1', `internet ${v4}:80`],
        ['router', 'gateway-ping 203.0.113.10'],
        ['router', 'gateway-neighbour 2001:db8:ffff::10'],
        ['router', `forwarding br-lan ${v4}`],
        ['router', `canary ${v4}:80`],
        ['router', `canary [${v6}]:80`],
        ['this machine', `canary ${v4}:80`],
      ].map(([host, probe]) => expect.objectContaining({ host, probe, ...works }));
      expect(probes).toEqual(expect.arrayContaining(expected));
      expect(probes.filter(({ demanded, after }) => demanded && after !== 'works')).toEqual([]);
    });

    it('is put back by both, where the change cuts the router off from its gateway', async () => {
      const before = await state();
      // Without the others, which would be told of first.
      fixture.configure(
        CONFIG.replace(/internet: .*?\], canary: .*?\], t/, 'internet: [], canary: [], t'),
      );
      const gateway = fixture.lab.spawn('router', [
        'timeout',
        '60',
        'sh',
        '-c',
        'until ip rule | grep -q 1500; do :; done; ip link set wan down',
      ]);
      const { status, stderr } = await machines.sidetrack('apply');
      await gateway.exited;
      fixture.configure(CONFIG);
      expect(status).not.toBe(0);
      expect(stderr).toContain('the router no longer reaches its gateway 203.0.113.10 (ping)');
      await fixture.lab.check('router', UPLINK_BACK);
      expect(await state()).toEqual(before);
    });

    describe('whose router loses its uplink', { tags: 'long', timeout: 300_000 }, () => {
      const gates = new Map<MachineNode, Gate>();
      beforeAll(async () => {
        for (const node of NODES) gates.set(node, await Gate.install(machines.get(node)));
      });
      afterAll(() => {
        for (const gate of gates.values()) gate.remove();
      });

      it.each<[MachineNode, string, number]>([
        ['server1', 'before nft -j -f', 3],
        ['router', 'before nft -j -f', 3],
        ['router', 'after nft -j -f', 3],
        // It takes its confirmation back.
        ['server1', 'after mv /run/sidetrack/change/pending', 3],
        // All have confirmed.
        ['router', 'after mv /run/sidetrack/change/pending', 0],
      ])('on %s %s, ends with %i', async (node, text, expected) => {
        const before = await state();
        const gate = gates.get(node)!;
        for (const one of gates.values()) one.openAll();
        gate.closeAt(text);
        const applying = machines.sidetrack('apply');
        await gate.reached(applying);
        await fixture.lab.check('router', ['ip', 'link', 'set', 'wan', 'down']);
        gate.release();
        const { status, stderr } = await applying;
        await fixture.lab.check('router', UPLINK_BACK);
        expect(status, stderr).toBe(expected);
        const kept = expected === 0;
        const told = await machines.sidetrack('status');
        expect(told, stderr).toMatchObject({ status: kept ? 0 : 1 });
        if (kept) return;
        expect(stderr).toMatch(/^error: .*(no longer|does not).*; every change was put back$/m);
        expect(told.stdout.match(/not applied/g), told.stdout).toHaveLength(NODES.length);
        expect(told.stderr.match(/the last change by .* was reverted/g)).toHaveLength(NODES.length);
        expect(await state()).toEqual(before);
        for (const one of gates.values()) one.openAll();
        expect(await machines.sidetrack('apply')).toMatchObject({ status: 0 });
      });
    });
  });

  const FOUND = 'is put back where nothing runs on the server, as %s finds out';
  it.each([
    [
      'this machine',
      `"${v4}:80"`,
      `${v4}:80, which answered this machine before the change, does not any more`,
    ],
  ])(FOUND, expectFound);
  /** Over IPv6 this machine has no management connection, so the router's own canary is left. */
  it.each([
    [
      'the router',
      `"[${v6}]:80"`,
      `[${v6}]:80, which answered before the change, does not answer by way of server1`,
    ],
  ])(FOUND, { tags: 'long' }, expectFound);

  async function expectFound(_: string, canary: string, said: string): Promise<void> {
    fixture.configure(CONFIG.replace(/canary: .*?\], t/, `canary: [${canary}], t`));
    const before = await state();
    const { status, stderr } = await machines.sidetrack('apply');
    expect(status).not.toBe(0);
    expect(stderr).toContain(said);
    expect(await state()).toEqual(before);
  }
});
