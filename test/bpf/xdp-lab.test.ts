/** Redirect in XDP with real traffic, on the ports of the lab's bridge and on a plain interface. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../control/lab/topology.js';
import { RULES, SteeringLab } from './lab.js';

const INTERNET = ADDRESS.internet;
const FAMILIES = ['v4', 'v6'] as const;
const TC = { redirectInterface: 'br-lan' };
const XDP = { ...TC, xdp: true };
/** A program of somebody else: two instructions, to pass. */
const FOREIGN = `
printf '__attribute__((section("xdp"), used)) int other_xdp(void *frame) { return 2; }' > /run/foreign.c
clang -O2 -target bpf -c -o /run/foreign.o /run/foreign.c
ip link set dev lan2 xdpgeneric obj /run/foreign.o sec xdp`;

let steering: SteeringLab;
beforeAll(async () => {
  steering = await SteeringLab.start();
  // A veth hands frames on before their checksum is made, and takes redirected ones only with NAPI.
  for (const node of ['client', 'client2', 'server1'])
    await steering.sh(node, 'ethtool -K eth0 tx off gro on >/dev/null');
  // The bridge has then heard the server.
  await steering.sh('server1', `ping -c1 -W2 ${ADDRESS.router.v4} >/dev/null`);
});
afterAll(() => steering?.stop());
afterEach(() => steering.detach());

const modes = async () => (await steering.show())?.xdp;

describe('redirect in XDP', () => {
  it.each(FAMILIES)('steers, leaves direct and blocks, over %s', async (family) => {
    // The router asks for the server's link address before it can be used.
    await steering.sh('router', `ping -c1 -W2 ${ADDRESS.server1[family]} >/dev/null`);
    await steering.attach(XDP);
    expect(await steering.whoAnswers('client', INTERNET[family])).toBe('server1');
    expect(await steering.whoAnswers('client2', INTERNET[family])).toBe('server1');
    expect(await steering.whoAnswers('client', INTERNET[family], 25)).toBe('internet');
    expect(await steering.whoAnswers('client', INTERNET[family], 8080)).toBe('nobody (curl: 28)');
    const { outcomes, events, rules } = await steering.stats();
    expect(outcomes.redirected.packets).toBeGreaterThan(6);
    expect(outcomes.blocked.packets).toBeGreaterThan(0);
    expect([events.xdp_passed, outcomes.marked.packets]).toEqual([0, 0]);
    expect(rules.find(({ name }) => name === 'mail')!.packets).toBe(1);
    expect(rules.find(({ name }) => name === 'rest')!.packets).toBe(2);
  });

  it('leaves the first packet to tc while the server is no known neighbour', async () => {
    await steering.attach(XDP);
    await steering.sh('router', 'ip neigh flush dev br-lan');
    expect(await steering.whoAnswers('client', INTERNET.v4)).toBe('server1');
    expect((await steering.stats()).events.xdp_passed).toBeGreaterThan(0);
  });

  it('swaps program sets and ways of forwarding under a live flow', async () => {
    await steering.attach(TC);
    const flow = steering.stream('client', INTERNET.v4);
    let text = '';
    flow.child.stdout!.on('data', (chunk: Buffer) => {
      text += chunk;
    });
    const direct = { rules: [{ name: 'all', action: 'direct' as const }] };
    for (const way of [XDP, { ...XDP, ...direct }, TC, {}, XDP]) {
      await steering.attach(way);
      const before = text.length;
      await expect.poll(() => text.length, { timeout: 10_000 }).toBeGreaterThan(before + 40);
    }
    expect(new Set(text.split('\n').slice(0, -1))).toEqual(new Set(['server1']));
    flow.signal('SIGTERM');
    await flow.exited;
  });
});

describe('coming and going', () => {
  const programs = () => steering.sh('router', 'ip -o link show | grep -c "prog/xdp" || true');

  it('sits on the ports of a bridge, natively, and leaves nothing behind', async () => {
    expect(await programs()).toBe('0\n');
    await steering.attach(XDP);
    const native = ['lan0', 'lan1', 'lan2'].map((name) => ({ name, mode: 'native' }));
    expect(await modes()).toEqual(native);
    await steering.attach(TC);
    expect(await modes()).toBeUndefined();
    expect(await programs()).toBe('0\n');
    await steering.attach(XDP);
    await steering.detach();
    expect(await programs()).toBe('0\n');
    expect(await steering.pins()).toBe('');
  });

  it("never replaces another tool's program, and keeps the old policy", async () => {
    await steering.sh('router', FOREIGN);
    await steering.attach({ interfaces: ['br-lan'] });
    const before = await steering.show();
    const failure = await steering.tryAttach({ ...XDP, rules: RULES });
    expect(failure).toMatchObject({ code: 'xdp-foreign' });
    expect(await steering.show()).toEqual(before);
    expect(await steering.sh('router', 'ip link show lan2')).toContain('xdpgeneric');
    await steering.sh('router', 'ip link set dev lan2 xdpgeneric off');
  });

  it('needs a way to redirect to', async () => {
    expect(await steering.tryAttach({ xdp: true })).toMatchObject({ code: 'xdp-needs-redirect' });
  });
});
