/** `forwarding: xdp` from plan to down, on the ports of the lab's bridge and on a plain interface. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../control/lab/topology.js';
import { type Classifier, FAMILIES, Fixture, url, waitFor } from './fixture.js';
import { holdConnection } from './hold.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';
import { leftovers, snapshot } from './snapshot.js';

/** A program of somebody else: two instructions, to pass. */
const FOREIGN = `
printf '__attribute__((section("xdp"), used)) int other_xdp(void *frame) { return 2; }' > /run/foreign.c
clang -O2 -target bpf -c -o /run/foreign.o /run/foreign.c
ip link set dev lan2 xdpgeneric obj /run/foreign.o sec xdp`;

/** A user namespace may not load BPF programs. */
describe.skipIf(process.getuid?.() !== 0)('forwarding: xdp', () => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await Fixture.start();
    await fixture.startRelay();
    // A bridge without an address of its own takes another one when its ports change, and clients
    // would go on with the old one.
    await fixture.lab.check('router', [
      'ip',
      'link',
      'set',
      'br-lan',
      'address',
      '02:00:00:00:01:01',
    ]);
    // A veth hands frames on before their checksum is made, and takes redirected ones only with NAPI.
    for (const node of ['client', 'client2', 'server1'])
      await fixture.lab.check(node, ['ethtool', '-K', 'eth0', 'tx', 'off', 'gro', 'on']);
  });
  afterAll(() => fixture?.stop());
  beforeEach(async () => {
    await hearServer();
    use('ebpf-xdp');
    await fixture.sidetrack('down');
  });

  /** The bridge knows the server's port then, and the router its link address. */
  async function hearServer(): Promise<void> {
    for (const family of FAMILIES)
      await fixture.lab.check('server1', ['ping', '-c1', '-W5', ADDRESS.router[family]]);
  }

  /** After a change of cables. */
  function serverAnswers(): Promise<void> {
    return waitFor('the server to reach the router', async () => {
      const ping = ['ping', '-c1', '-W1', ADDRESS.router.v4];
      return (await fixture.lab.run('server1', ping)).status === 0;
    });
  }

  function use(classifier: Classifier, changes: readonly (readonly [string, string])[] = []): void {
    fixture.classifier = classifier;
    fixture.configureWith(changes);
  }

  const onRouter = (script: string) => fixture.lab.check('router', ['sh', '-ec', script]);
  const bpf = (...args: string[]) =>
    fixture.lab.run('router', [
      process.execPath,
      'build/control/cli/main.js',
      'bpf',
      ...args,
      '--directory',
      '/sys/fs/bpf/sidetrack-netns-router',
    ]);
  const steered = () => fixture.counted('steered');
  const modes = async () =>
    JSON.parse((await fixture.sidetrack('status', '--json', '--only', 'router')).stdout).hosts[0]
      .classifier?.xdp;
  const native = (...names: string[]) => names.map((name) => ({ name, mode: 'native' }));

  async function expectSteered(node: string): Promise<void> {
    let before = await steered();
    for (const family of FAMILIES) {
      const address = url(ADDRESS.internet[family], '/bytes/300000');
      const { status, digest } = await fixture.download(node, address);
      expect({ status, digest }).toEqual({ status: 0, digest: pseudoRandomDigest(300_000) });
      const after = await steered();
      expect(after).toBeGreaterThan(before);
      before = after;
    }
  }

  it('steers, says where it sits, changes nothing twice, and leaves nothing', async () => {
    const before = await snapshot(fixture.lab, 'router');
    expect(await fixture.succeed('plan')).toContain(
      'attach the eBPF classifier to br-lan, lan2 (forwarding: xdp)',
    );
    await fixture.succeed('apply');
    for (const node of ['client', 'client2']) await expectSteered(node);
    const { outcomes, events } = JSON.parse((await bpf('stats', '--json')).stdout);
    // XDP ended what tc would have: a packet that it passes is counted.
    expect(outcomes.redirected.packets).toBeGreaterThan(10 * events.xdp_passed);
    expect(await fixture.succeed('status', '--only', 'router')).toContain(
      'eBPF classifier: br-lan attached, lan2 attached; XDP: lan0 native, lan1 native, lan2 native',
    );
    const applied = await snapshot(fixture.lab, 'router');
    expect(await fixture.succeed('apply')).toContain('Nothing changes');
    expect(await snapshot(fixture.lab, 'router')).toEqual(applied);
    await fixture.succeed('down');
    expect(await snapshot(fixture.lab, 'router')).toEqual(before);
    expect(await leftovers(fixture.lab)).toBe('');
  });

  it('changes the forwarding under a live flow', { tags: 'long' }, async () => {
    use('ebpf-mark');
    await fixture.succeed('apply');
    const held = await holdConnection(fixture, 'client');
    for (const way of ['ebpf-xdp', 'ebpf-redirect', 'ebpf-xdp', 'nftables', 'ebpf-xdp'] as const) {
      use(way);
      await fixture.succeed('apply');
      const before = await steered();
      await held.roundTrip(way);
      expect(await steered()).toBeGreaterThan(before);
      expect(await modes()).toEqual(
        way === 'ebpf-xdp' ? native('lan0', 'lan1', 'lan2') : undefined,
      );
    }
    await held.end();
  });

  it.each([
    [
      'that a device lost its program',
      'ip link set dev lan0 xdp off',
      'no XDP program of ours on lan0',
    ],
    [
      'that a port joined the bridge',
      'ip link add lan3 type veth peer name far3; ip link set lan3 master br-lan',
      'no XDP program of ours on lan3',
    ],
  ])('status says %s, and apply repairs it', { tags: 'long' }, async (_name, script, said) => {
    await fixture.succeed('apply');
    await onRouter(script);
    const { status, stdout } = await fixture.sidetrack('status');
    expect(stdout).toContain(said);
    expect(status).toBe(1);
    await fixture.succeed('apply');
    expect((await fixture.sidetrack('status')).status).toBe(0);
    await expectSteered('client');
    await fixture.succeed('down');
    await onRouter('ip link del lan3 2>/dev/null || true');
  });

  it('status says that the server moved to another port, and apply follows it', {
    tags: 'long',
  }, async () => {
    await fixture.succeed('apply');
    // A switch between: the server is now behind port moved0.
    await onRouter(`ip link add other type bridge; ip link set other up
      ip link add moved0 type veth peer name moved1
      ethtool -K moved1 gro on; ethtool -K moved0 gro on
      ip link set lan1 master other; ip link set moved1 master other; ip link set moved0 master br-lan
      ip link set moved0 up; ip link set moved1 up`);
    await serverAnswers();
    // A port that has the program leaves the question of the server's alone.
    const { status, stdout } = await fixture.sidetrack('status');
    expect(stdout).toContain('no XDP program of ours on moved0');
    expect(status).toBe(1);
    await fixture.succeed('apply');
    expect(await modes()).toEqual(native('lan0', 'lan2', 'moved0'));
    expect((await fixture.sidetrack('status')).status).toBe(0);
    await expectSteered('client');
    await fixture.succeed('down');
    await onRouter('ip link del moved0; ip link set lan1 master br-lan; ip link del other');
    await serverAnswers();
  });

  it('status says that the server moved to a port that has the program, and apply follows it', {
    tags: 'long',
  }, async () => {
    await onRouter(`ip link add other type bridge; ip link set other up
      ip link add moved0 type veth peer name moved1
      ethtool -K moved1 gro on; ethtool -K moved0 gro on
      ip link set moved0 master br-lan; ip link set moved0 up; ip link set moved1 up`);
    await fixture.succeed('apply');
    expect(await modes()).toEqual(native('lan0', 'lan1', 'lan2', 'moved0'));
    await onRouter('ip link set lan1 master other; ip link set moved1 master other');
    await serverAnswers();
    for (const looked of [fixture.sidetrack('status'), bpf('show')]) {
      const { status, stdout } = await looked;
      expect(stdout).toContain('the server moved from lan1 to moved0');
      expect(status).toBe(1);
    }
    await fixture.succeed('apply');
    expect((await fixture.sidetrack('status')).status).toBe(0);
    await expectSteered('client');
    await fixture.succeed('down');
    await onRouter('ip link del moved0; ip link set lan1 master br-lan; ip link del other');
    await serverAnswers();
  });

  it("another tool's program: said before anything changes, and the old policy stays", {
    tags: 'long',
  }, async () => {
    use('ebpf-redirect');
    await fixture.succeed('apply');
    await onRouter(FOREIGN);
    const before = await snapshot(fixture.lab, 'router');
    use('ebpf-xdp');
    for (const verb of ['plan', 'apply']) {
      const { status, stderr } = await fixture.sidetrack(verb);
      expect(stderr).toContain("another tool's XDP program is on lan2");
      expect(stderr).toContain('write forwarding: redirect');
      expect(status).toBe(1);
    }
    expect(await snapshot(fixture.lab, 'router')).toEqual(before);
    await fixture.succeed('down');
    expect(await onRouter('ip link show lan2')).toContain('xdpgeneric');
    await onRouter('ip link set dev lan2 xdpgeneric off');
  });

  it('a bridge that has not heard the server: said before anything changes', {
    tags: 'long',
  }, async () => {
    // A cable that was just plugged in: the bridge forgets what it heard on a port that goes down.
    await onRouter('ip link set lan1 down');
    const before = await snapshot(fixture.lab, 'router');
    const { status, stderr } = await fixture.sidetrack('apply');
    expect(stderr).toContain('no port of br-lan has heard the server yet');
    expect(stderr).toContain('hint: ping the server');
    expect(status).toBe(1);
    expect(await snapshot(fixture.lab, 'router')).toEqual(before);
    await onRouter('ip link set lan1 up');
    await serverAnswers();
  });

  it('generic where the driver cannot: it steers all the same', { tags: 'long' }, async () => {
    // An ifb has no XDP of its own; nothing comes in there, but it must not spoil the others.
    await onRouter('ip link add plain0 type ifb; ip link set plain0 up');
    use('ebpf-xdp', [['[br-lan, lan2]', '[br-lan, lan2, plain0]']]);
    await fixture.succeed('apply');
    expect(await modes()).toEqual([
      ...native('lan0', 'lan1', 'lan2'),
      { name: 'plain0', mode: 'generic' },
    ]);
    await expectSteered('client');
    await fixture.succeed('down');
    await onRouter('ip link del plain0');
  });
});
