/** The classifier on a router with real traffic, with forwarding by mark and by redirect. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LabProcess } from '../../control/lab/lab.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { waitFor } from '../../control/lab/wait.js';
import { type Attach, RULES, SteeringLab } from './lab.js';

let steering: SteeringLab;
beforeAll(async () => {
  steering = await SteeringLab.start();
});
afterAll(() => steering?.stop());
afterEach(() => steering.detach());

const FAMILIES = ['v4', 'v6'] as const;
const INTERNET = ADDRESS.internet;

/** Lines that a stream has brought so far. */
class Stream {
  text = '';
  ended = false;

  constructor(readonly process: LabProcess) {
    process.child.stdout!.on('data', (chunk: Buffer) => {
      this.text += chunk;
    });
    process.exited.then(() => {
      this.ended = true;
    });
  }

  get lines(): string[] {
    return this.text.split('\n').slice(0, -1);
  }

  async grow(): Promise<void> {
    const before = this.lines.length;
    await waitFor('the stream to go on', async () => {
      if (this.ended) throw new Error('the stream ended');
      return this.lines.length > before + 3;
    });
  }
}

const MODES = [
  ['mark', {}],
  ['redirect', { redirectInterface: 'br-lan' }],
] as const;

describe.each(MODES)('forwarding: %s', (mode, way) => {
  beforeEach(() => steering.attach(way));

  it.each(FAMILIES)(
    'steers, leaves direct and blocks, over %s',
    { tags: 'emulator' },
    async (family) => {
      expect(await steering.whoAnswers('client', INTERNET[family])).toBe('server1');
      expect(await steering.whoAnswers('client', INTERNET[family], 25)).toBe('internet');
      expect(await steering.whoAnswers('client', INTERNET[family], 8080)).toBe('nobody (curl: 28)');
      const { outcomes, rules } = await steering.stats();
      expect(outcomes.blocked.packets).toBeGreaterThan(0);
      expect(outcomes[mode === 'mark' ? 'marked' : 'redirected'].packets).toBeGreaterThan(3);
      expect(rules.find(({ name }) => name === 'mail')!.packets).toBe(1);
      expect(rules.find(({ name }) => name === 'rest')!.packets).toBe(1);
    },
  );

  it.each(FAMILIES)('serves clients of another subnet over %s', async (family) => {
    expect(await steering.whoAnswers('client2', INTERNET[family])).toBe('server1');
  });

  it('takes one hop from the TTL, as a router does', async () => {
    const before = await Promise.all(
      ['ttl4', 'ttl6'].map((comment) => steering.counted('server1', comment)),
    );
    for (const family of FAMILIES) await steering.whoAnswers('client', INTERNET[family]);
    const after = await Promise.all(
      ['ttl4', 'ttl6'].map((comment) => steering.counted('server1', comment)),
    );
    expect(after.map((count, i) => count > before[i]!)).toEqual([true, true]);
  });

  it('swaps policies under live flows of both families', async () => {
    const streams = FAMILIES.map(
      (family) => new Stream(steering.stream('client', INTERNET[family])),
    );
    const goOn = () => Promise.all(streams.map((stream) => stream.grow()));
    const answer = () =>
      Promise.all(FAMILIES.map((family) => steering.whoAnswers('client', INTERNET[family])));
    await goOn();
    for (let i = 0; i < 3; i++) {
      await steering.attach({ ...way, rules: [{ name: 'all', action: 'direct' }] });
      await goOn();
      expect(await answer()).toEqual(['internet', 'internet']);
      await steering.attach(way);
      await goOn();
      expect(await answer()).toEqual(['server1', 'server1']);
    }
    for (const stream of streams) {
      expect(new Set(stream.lines)).toEqual(new Set(['server1']));
      stream.process.signal('SIGTERM');
    }
  });
});

describe('mark', () => {
  it('sets the mark that the policy route and the firewall see', async () => {
    await steering.attach();
    const before = await steering.counted('router', 'steered');
    await steering.whoAnswers('client', INTERNET.v4);
    const { outcomes } = await steering.stats();
    expect((await steering.counted('router', 'steered')) - before).toBe(outcomes.marked.packets);
  });
});

describe('redirect', () => {
  it('needs no route once the neighbour is known, and marks the first packet until then', async () => {
    await steering.sh('router', 'ip neigh flush dev br-lan');
    await steering.attach({ redirectInterface: 'br-lan' });
    expect(await steering.whoAnswers('client', INTERNET.v4)).toBe('server1');
    const { outcomes, events } = await steering.stats();
    expect(events.fallback_neighbour).toBeGreaterThan(0);
    expect(outcomes.marked.packets).toBe(events.fallback_neighbour);
    await steering.sh('router', 'ip rule del iif br-lan fwmark 0x96/0xff lookup 250');
    expect(await steering.whoAnswers('client', INTERNET.v4)).toBe('server1');
    await steering.sh('router', 'ip rule add iif br-lan fwmark 0x96/0xff lookup 250');
  });

  it.each(FAMILIES)('does not mind that netfilter sees bridged frames, over %s', async (family) => {
    await steering.attach({ redirectInterface: 'br-lan' });
    await steering.bridgeNetfilter(true);
    expect(await steering.whoAnswers('client', INTERNET[family])).toBe('server1');
    await steering.bridgeNetfilter(false);
  });

  it('leaves a packet that dies here to the stack, which says so', async () => {
    await steering.attach({ redirectInterface: 'br-lan' });
    await steering.whoAnswers('client', INTERNET.v4);
    const dying = `exec python3 - <<'EOF'
import socket
s = socket.socket(); s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1); s.settimeout(1)
try: s.connect(('${INTERNET.v4}', 80))
except OSError: pass
EOF`;
    await steering.sh('client', dying);
    expect((await steering.stats()).events.fallback_ttl).toBeGreaterThan(0);
  });
});

describe('flows that existed before', () => {
  it('are left alone', async () => {
    const stream = new Stream(steering.stream('client', INTERNET.v4));
    await stream.grow();
    await steering.attach();
    await stream.grow();
    expect(new Set(stream.lines)).toEqual(new Set(['internet']));
    stream.process.signal('SIGTERM');
  });
});

describe('an address that the router got after the rules were made', () => {
  it.each([
    ['v4', '203.0.113.77', '24'],
    ['v6', '2001:db8:ffff::77', '64'],
  ])('is never steered (%s)', async (_, address, length) => {
    await steering.attach();
    await steering.sh('router', `ip addr add ${address}/${length} dev wan nodad`);
    // Nobody listens there: a router that gets the packet refuses, one that steers it does not.
    expect(await steering.whoAnswers('client', address)).toBe('nobody (curl: 7)');
    expect((await steering.stats()).events.local).toBeGreaterThan(0);
    await steering.sh('router', `ip addr del ${address}/${length} dev wan`);
  });
});

const qdiscs = () => steering.sh('router', 'tc qdisc show; tc filter show dev br-lan ingress');

describe('coming and going', () => {
  it('leaves nothing behind', { tags: 'emulator' }, async () => {
    const before = await qdiscs();
    await steering.attach();
    expect(await steering.show()).toMatchObject({
      interfaces: [
        { name: 'br-lan', filter: 'attached' },
        { name: 'lan2', filter: 'attached' },
      ],
      flowTable: { v4: 65536, v6: 65536 },
    });
    expect(await qdiscs()).not.toBe(before);
    await steering.detach();
    await steering.detach();
    expect(await qdiscs()).toBe(before);
    expect(await steering.pins()).toBe('');
    expect(await steering.show()).toBeNull();
  });

  it('moves to other interfaces', async () => {
    await steering.attach({ interfaces: ['br-lan'] });
    await steering.attach({ interfaces: ['lan2'] });
    expect((await steering.show())!.interfaces).toEqual([{ name: 'lan2', filter: 'attached' }]);
    expect(await steering.whoAnswers('client', INTERNET.v4)).toBe('internet');
    expect(await steering.whoAnswers('client2', INTERNET.v4)).toBe('server1');
  });

  it('repairs what was taken away, and shows it', async () => {
    await steering.attach();
    await steering.sh('router', 'tc qdisc del dev br-lan clsact');
    expect((await steering.show())!.interfaces[0]).toEqual({ name: 'br-lan', filter: 'missing' });
    await steering.attach();
    expect((await steering.show())!.interfaces[0]).toEqual({ name: 'br-lan', filter: 'attached' });
  });

  it('survives an interface that vanishes', async () => {
    await steering.sh('router', 'ip link add gone.10 type veth peer name gone1');
    await steering.attach({ interfaces: ['br-lan', 'gone.10'] });
    await steering.sh('router', 'ip link del gone.10');
    expect((await steering.show())!.interfaces).toContainEqual({
      name: 'gone.10',
      filter: 'missing',
    });
    expect(await steering.tryAttach({ interfaces: ['br-lan', 'gone.10'] })).toMatchObject({
      code: 'interface-missing',
    });
    expect(await steering.whoAnswers('client', INTERNET.v4)).toBe('server1');
    await steering.detach();
    expect(await steering.pins()).toBe('');
  });

  it('never touches the filters of others', async () => {
    await steering.sh('router', 'tc qdisc add dev br-lan clsact');
    const other = 'tc filter add dev br-lan ingress prio 10 u32 match u32 0xdeadbeef 0xffffffff';
    await steering.sh('router', other);
    const before = await qdiscs();
    await steering.attach();
    expect(await steering.whoAnswers('client', INTERNET.v4)).toBe('server1');
    await steering.detach();
    expect(await qdiscs()).toBe(before);
    await steering.sh('router', 'tc qdisc del dev br-lan clsact');
  });

  it('keeps a qdisc that somebody began to use', async () => {
    await steering.attach();
    await steering.sh(
      'router',
      'tc filter add dev br-lan egress prio 10 u32 match u32 0 0 classid 1:1',
    );
    await steering.detach();
    expect(await qdiscs()).toContain('clsact');
    await steering.sh('router', 'tc qdisc del dev br-lan clsact');
  });

  it("refuses to take another filter's place, and keeps the old policy", async () => {
    await steering.attach({ interfaces: ['br-lan'] });
    await steering.sh('router', 'tc qdisc add dev lan2 clsact');
    await steering.sh(
      'router',
      'tc filter add dev lan2 ingress prio 1500 u32 match u32 0 0 classid 1:1',
    );
    const program = (await steering.show())!.program;
    expect(await steering.tryAttach({ rules: [{ name: 'all', action: 'direct' }] })).toMatchObject({
      code: 'tc-filter-foreign',
    });
    expect(await steering.show()).toMatchObject({
      program,
      interfaces: [{ name: 'br-lan', filter: 'attached' }],
    });
    expect(await steering.whoAnswers('client', INTERNET.v4)).toBe('server1');
    await steering.sh('router', 'tc qdisc del dev lan2 clsact');
  });
});

describe('bad input', () => {
  it.each([
    ['interface-missing', { interfaces: ['nowhere'] }],
    ['bpffs-missing', { directory: '/run/elsewhere/sidetrack' }],
  ])('%s: the old policy stays in force', { tags: 'long' }, expectRefused);
  it.each([
    ['interface-not-ethernet', { interfaces: ['lo'] }],
    [
      'policy-too-large',
      {
        rules: Array.from({ length: 1025 }, (_, i) => ({
          name: `${i}`,
          action: 'direct' as const,
        })),
      },
    ],
  ])('%s: the old policy stays in force', expectRefused);

  async function expectRefused(code: string, options: Attach): Promise<void> {
    await steering.attach();
    const before = await steering.show();
    expect(await steering.tryAttach({ rules: RULES, ...options })).toMatchObject({ code });
    expect(await steering.show()).toEqual(before);
    expect(await steering.whoAnswers('client', INTERNET.v4)).toBe('server1');
  }
});
