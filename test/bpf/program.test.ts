/** The program, packet by packet. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flowState, outcomes, structSize, TARGETS_MAX } from '../../bpf/abi.js';
import { addressBytes, type Steering } from '../../bpf/config.js';
import { readFlows } from '../../bpf/flows.js';
import { lookupElement, updateElement } from '../../bpf/map.js';
import type { ClassifierPolicy } from '../../bpf/policy.js';
import type { Packet } from '../../control/policy/evaluate.js';
import { guardRules } from '../../control/policy/guard-rules.js';
import { PrefixSet } from '../../control/policy/prefix-set.js';
import { GUARDS, SERVER_MAC } from './arbitraries.js';
import { ACK, type Dress, FIN, frame, RST, SYN } from './frame.js';
import { canLoad, LoaderPlace } from './loader.js';
import { DROP, leaveNetwork, MARK, PASS, Runner, STEERING, TARGET } from './run.js';

const CLIENT_MAC = '02:00:00:00:00:40';
const v4: Packet = {
  sourceMac: CLIENT_MAC,
  family: 4,
  source: 0xc0a80128,
  destination: 0xc6336407,
  protocol: 'tcp',
  sourcePort: 40000,
  destinationPort: 443,
};
const v6: Packet = {
  ...v4,
  family: 6,
  source: (0xfd00n << 112n) | 0x40n,
  destination: (0x20010db8n << 96n) | 7n,
};
const BOTH = [
  ['IPv4', v4],
  ['IPv6', v6],
] as const;

const POLICY: ClassifierPolicy = {
  rules: [
    ...guardRules(GUARDS),
    { name: 'no', proto: 'tcp', ports: [{ first: 8080, last: 8080 }], action: 'block' },
    { name: 'mail', ports: [{ first: 25, last: 25 }], action: 'direct' },
    { name: 'rest', proto: 'tcp', action: 'proxy' },
  ],
  default: 'direct',
};

let runner: Runner;
beforeAll(() => {
  leaveNetwork();
  runner = Runner.load(POLICY);
});
afterAll(() => runner?.close());

const run = (packet: Packet, dress?: Dress) => runner.run(frame(packet, dress));
const steered = (packet: Packet, dress?: Dress) => run(packet, dress).mark === MARK.value;

describe.each(BOTH)('%s', (_, packet) => {
  it('marks what a rule proxies and passes it on', () => {
    expect(run(packet)).toMatchObject({ action: PASS, mark: MARK.value });
  });

  it('leaves what a rule sends direct, and drops what one blocks', () => {
    expect(run({ ...packet, destinationPort: 25 })).toMatchObject({ action: PASS, mark: 0 });
    expect(run({ ...packet, destinationPort: 8080 })).toMatchObject({ action: DROP, mark: 0 });
  });

  it('sets only its own bits of the mark', () => {
    expect(runner.run(frame(packet), 0xabcd12ff).mark).toBe(0xabcd1296);
    expect(runner.run(frame({ ...packet, destinationPort: 25 }), 0xabcd12ff).mark).toBe(0xabcd12ff);
  });

  it('follows a flow whose SYN it steered, and no other', () => {
    const flow = { ...packet, sourcePort: 1111 };
    expect(steered(flow, { tcpFlags: ACK })).toBe(false);
    expect(steered(flow, { tcpFlags: SYN | ACK })).toBe(false);
    expect(steered(flow, { tcpFlags: SYN })).toBe(true);
    expect(steered(flow, { tcpFlags: ACK })).toBe(true);
    expect(steered({ ...flow, sourcePort: 1112 }, { tcpFlags: ACK })).toBe(false);
    expect(steered({ ...flow, destinationPort: 444 }, { tcpFlags: ACK })).toBe(false);
  });

  it('steers a flow to its end, and what comes after FIN and RST, too', () => {
    const flow = { ...packet, sourcePort: 2222 };
    for (const tcpFlags of [SYN, ACK, FIN | ACK, ACK, RST, ACK]) {
      expect(steered(flow, { tcpFlags })).toBe(true);
    }
  });

  it('judges a new SYN on a known tuple anew', () => {
    const open = Runner.load(POLICY);
    const closed = Runner.load(
      { rules: [{ name: 'all', action: 'direct' }], default: 'direct' },
      {},
      {
        flows_v4: open.object.mapDescriptor('flows_v4'),
        flows_v6: open.object.mapDescriptor('flows_v6'),
      },
    );
    const mark = (one: Runner, tcpFlags: number) => one.run(frame(packet, { tcpFlags })).mark;
    expect(mark(open, SYN)).toBe(MARK.value);
    // The new program set goes on with the flow until the client opens it again.
    expect(mark(closed, ACK)).toBe(MARK.value);
    expect(mark(closed, SYN)).toBe(0);
    expect(mark(closed, ACK)).toBe(0);
    expect(mark(open, ACK)).toBe(0);
    closed.close();
    open.close();
  });

  it('never steers what comes from a server, even on a known tuple', () => {
    const flow = { ...packet, sourcePort: 3333 };
    expect(steered(flow)).toBe(true);
    expect(steered({ ...flow, sourceMac: SERVER_MAC }, { tcpFlags: ACK })).toBe(false);
    expect(steered({ ...flow, sourceMac: SERVER_MAC })).toBe(false);
    const server = packet.family === 4 ? 0xc0a80102 : (0xfd00n << 112n) | 2n;
    expect(steered({ ...flow, source: server })).toBe(false);
    expect(steered(flow, { tcpFlags: ACK })).toBe(true);
  });

  it('takes frames with a priority and no VLAN for its own, behind two tags at most', () => {
    const blocked = { ...packet, destinationPort: 8080 };
    for (const vlanTags of [[0x8100], [0x88a8, 0x8100]]) {
      expect(steered(packet, { vlanTags })).toBe(true);
      expect(run(blocked, { vlanTags }).action).toBe(DROP);
    }
    // The kernel would strip more of them, and go on.
    const endless = { vlanTags: [0x88a8, 0x8100, 0x8100] };
    expect(run(packet, endless)).toMatchObject({ action: DROP, mark: 0 });
  });

  it('leaves frames of other VLANs alone', () => {
    const before = runner.counters().other_vlan.packets;
    const flow = { ...packet, sourcePort: 4444 };
    expect(steered(flow)).toBe(true);
    for (const vlanTags of [[0x8100], [0x88a8], [0x88a8, 0x8100]]) {
      for (const vlanId of [1, 100, 4095]) {
        const dress = { vlanTags, vlanId };
        for (const tcpFlags of [SYN, ACK])
          expect(run(flow, { ...dress, tcpFlags })).toMatchObject({ action: PASS, mark: 0 });
        const blocked = { ...packet, destinationPort: 8080 };
        expect(run(blocked, dress)).toMatchObject({ action: PASS, mark: 0 });
      }
    }
    expect(runner.counters().other_vlan.packets).toBe(before + 27);
  });

  it('never steers fragments, and drops those without ports while a rule could block them', () => {
    const open = Runner.load({
      ...POLICY,
      rules: POLICY.rules.filter(({ action }) => action !== 'block'),
    });
    for (const tcpFlags of [SYN, ACK]) {
      const dress = { fragmentId: 1 + tcpFlags, tcpFlags };
      expect(run(packet, { ...dress, fragment: 'later' })).toMatchObject({ action: DROP });
      for (const fragment of ['first', 'later'] as const)
        expect(run(packet, { ...dress, fragment })).toMatchObject({ action: PASS, mark: 0 });
      for (const fragment of ['first', 'tiny', 'second', 'later'] as const)
        expect(open.run(frame(packet, { ...dress, fragment }))).toMatchObject({
          action: PASS,
          mark: 0,
        });
    }
    open.close();
  });

  it('lets no fragment write over what the first one said', () => {
    const before = runner.counters().unseen.packets;
    const mail = { ...packet, destinationPort: 25 };
    const dress = { fragmentId: 77 };
    // Without flags, and with them in the second part: RFC 1858, 3. The tiny one alone is enough.
    expect(run(mail, { ...dress, fragment: 'tiny' }).action).toBe(DROP);
    expect(run(mail, { ...dress, fragment: 'first', tcpFlags: ACK }).action).toBe(PASS);
    expect(run(mail, { ...dress, fragment: 'second' }).action).toBe(DROP);
    expect(run(mail, { ...dress, fragment: 'later' }).action).toBe(PASS);
    // RFC 3128: a first part once more, with another port.
    const other = { ...packet, destinationPort: 8080 };
    expect(run(other, { ...dress, fragment: 'first' }).action).toBe(DROP);
    expect(run(other, { ...dress, fragment: 'later' }).action).toBe(DROP);
    expect(runner.counters().unseen.packets).toBe(before + 2);
  });

  it('ignores the padding of short frames', () => {
    expect(steered(packet, { padding: 46 })).toBe(true);
  });

  it('leaves frames to another station alone', () => {
    expect(steered(packet, { destinationMac: '02:00:00:00:00:77' })).toBe(false);
  });

  it('takes no truncated packet for a whole one', () => {
    const whole = frame(packet);
    for (let length = 14; length < whole.length; length++) {
      const result = runner.runIfAllowed(whole.subarray(0, length));
      // Of these the kernel itself forwards nothing.
      if (result === undefined) continue;
      const { action, mark } = result;
      expect({ length, action, mark }).toEqual({ length, action: PASS, mark: 0 });
    }
    expect(runner.run(whole).mark).toBe(MARK.value);
  });

  it('takes no packet whose headers contradict themselves', () => {
    const l3 = 14;
    const l4 = l3 + (packet.family === 4 ? 20 : 40);
    const broken: [string, (bytes: Buffer) => void][] = [
      ['version', (bytes) => bytes.writeUInt8(0x55, l3)],
      ['data offset too small', (bytes) => bytes.writeUInt8(4 << 4, l4 + 12)],
      ['data offset too large', (bytes) => bytes.writeUInt8(6 << 4, l4 + 12)],
      [
        'length too large',
        (bytes) => bytes.writeUInt16BE(0x100, l3 + (packet.family === 4 ? 2 : 4)),
      ],
      ['length too small', (bytes) => bytes.writeUInt16BE(8, l3 + (packet.family === 4 ? 2 : 4))],
    ];
    if (packet.family === 4) {
      broken.push(['header too short', (bytes) => bytes.writeUInt8(0x44, l3)]);
      broken.push(['header too long', (bytes) => bytes.writeUInt8(0x4f, l3)]);
    }
    for (const [what, breakIt] of broken) {
      const bytes = frame(packet);
      breakIt(bytes);
      // What the kernel would forward is dropped, for its ports could be those of a rule.
      const isForwarded =
        what.startsWith('data') || (packet.family === 6 && what.endsWith('small'));
      const action = isForwarded ? DROP : PASS;
      expect({ what, ...runner.run(bytes) }).toMatchObject({ what, action, mark: 0 });
    }
  });
});

function flowKey({ source, destination, sourcePort, destinationPort }: Packet): Buffer {
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(sourcePort!, 0);
  ports.writeUInt16BE(destinationPort!, 2);
  return Buffer.concat([addressBytes(source), addressBytes(destination), ports]);
}

describe('IPv4', () => {
  it('reads behind options', () => {
    for (const ipv4Options of [4, 20, 40]) expect(steered(v4, { ipv4Options })).toBe(true);
  });
});

describe('IPv6', () => {
  it('reads behind extension headers', () => {
    expect(steered(v6, { extensions: [0, 43, 60, 51] })).toBe(true);
    expect(steered(v6, { extensions: [0, 60, 60, 60, 60, 60, 60, 60] })).toBe(true);
  });

  it('drops what hides behind endless ones while a rule could block it', () => {
    const endless = { extensions: Array(9).fill(60) };
    expect(run(v6, endless)).toMatchObject({ action: DROP, mark: 0 });
    const toRouter = { ...v6, destination: (0xfd00n << 112n) | 1n };
    expect(run(toRouter, endless)).toMatchObject({ action: PASS, mark: 0 });
    const open = Runner.load({ rules: [], default: 'proxy' });
    expect(open.run(frame(v6, endless))).toMatchObject({ action: PASS, mark: 0 });
    expect(open.counters().malformed.packets).toBe(1);
    open.close();
  });

  it('drops a payload without a length, which the kernel forwards behind hop-by-hop options', () => {
    const bytes = frame(v6, { extensions: [0] });
    bytes.writeUInt16BE(0, 18);
    expect(runner.run(bytes)).toMatchObject({ action: DROP, mark: 0 });
  });

  // 2.5.5 of RFC 4291.
  describe('addresses that stand for an IPv4 one', () => {
    const mapped = 0xffff_cb007105n;
    const compatible = 0xcb007105n;
    const open = () => Runner.load({ rules: [], default: 'proxy' });

    it('are dropped, whatever the rules say, from the first packet to the last', () => {
      const all = open();
      for (const address of [mapped, compatible, 2n, 0xffff_00000000n, 0xffff_ffffffffn]) {
        for (const end of ['source', 'destination'] as const) {
          const bad: Packet = { ...v6, [end]: address };
          const dresses: Dress[] = [
            ...[{}, { tcpFlags: ACK }, { tcpFlags: RST }, { extensions: Array(9).fill(60) }],
            ...[{ fragment: 'first' as const }, { fragment: 'later' as const }],
          ];
          for (const how of dresses) expect(all.run(frame(bad, how)).action).toBe(DROP);
          for (const protocol of ['udp', 58, 47] as const)
            expect(all.run(frame({ ...bad, protocol })).action).toBe(DROP);
          expect(all.run(frame({ ...bad, sourceMac: SERVER_MAC })).action).toBe(DROP);
        }
      }
      expect(all.counters().embedded_v4.packets).toBe(100);
      all.close();
    });

    it('are dropped on a tuple that is steered already', () => {
      const all = open();
      const flow = { ...v6, destination: mapped };
      const other = { ...v6, destination: (0xfd00n << 112n) | 9n };
      expect(all.run(frame(other)).mark).toBe(MARK.value);
      const flows = all.object.mapDescriptor('flows_v6');
      const entry = lookupElement(flows, flowKey(other), structSize.flow)!;
      updateElement(flows, flowKey(flow), entry);
      expect(all.run(frame(other, { tcpFlags: ACK })).mark).toBe(MARK.value);
      expect(all.run(frame(flow, { tcpFlags: ACK }))).toMatchObject({ action: DROP, mark: 0 });
      all.close();
    });

    it('are not :: and ::1, nor what lies beside', () => {
      const all = open();
      for (const destination of [0n, 1n, 0x1_00000000n, 0xfffe_00000000n, 0x1_0000_00000000n])
        expect(all.run(frame({ ...v6, destination })).action).toBe(PASS);
      all.close();
    });
  });
});

describe('two targets, one for each family', () => {
  const first = { ...TARGET, nextHop: { v4: 1 } };
  const second = { ...TARGET, mark: { value: 0x97, mask: 0xff }, nextHop: { v6: 1n } };
  const all: ClassifierPolicy = { rules: [], default: 'proxy' };
  const marks = (runner: Runner, packets: readonly [Packet, number][]) =>
    packets.map(([packet, tcpFlags]) => runner.run(frame(packet, { tcpFlags })).mark);
  const targetsIn = (runner: Runner) =>
    ([4, 6] as const).map((family) =>
      readFlows(runner.object.mapDescriptor(`flows_v${family}`), family).map(
        ({ target }) => target,
      ),
    );
  const both: [Packet, number][] = [v4, v6].flatMap((packet): [Packet, number][] => [
    [packet, SYN],
    [packet, ACK],
  ]);

  it('have marks of their own, for every packet of their flows', () => {
    const divided = Runner.load(all, { targets: [first, second] });
    expect(marks(divided, both)).toEqual([0x96, 0x96, 0x97, 0x97]);
    expect(targetsIn(divided)).toEqual([[0], [1]]);
    divided.close();
  });

  it('keep their flows when another program set chooses otherwise, until a new SYN', () => {
    const divided = Runner.load(all, { targets: [first, second] });
    expect(marks(divided, both)).toEqual([0x96, 0x96, 0x97, 0x97]);
    const kept = {
      flows_v4: divided.object.mapDescriptor('flows_v4'),
      flows_v6: divided.object.mapDescriptor('flows_v6'),
    };
    const whole = { ...second, nextHop: TARGET.nextHop };
    const swapped = Runner.load(all, { targets: [TARGET, whole] }, kept);
    expect(marks(swapped, [[v6, ACK]])).toEqual([0x97]);
    expect(marks(swapped, both)).toEqual([0x96, 0x96, 0x96, 0x96]);
    expect(targetsIn(swapped)).toEqual([[0], [0]]);
    swapped.close();
    divided.close();
  });

  it('change their mark, and their flows change with them', () => {
    const divided = Runner.load(all, { targets: [first, second] });
    marks(divided, both);
    const kept = { flows_v6: divided.object.mapDescriptor('flows_v6') };
    const other = { ...second, mark: { value: 0x1100, mask: 0xff00 } };
    const changed = Runner.load(all, { targets: [first, other] }, kept);
    expect(marks(changed, [[v6, ACK]])).toEqual([0x1100]);
    changed.close();
    divided.close();
  });

  it('may be as many as there is room for, and no more', () => {
    const many = (count: number) =>
      Runner.load(all, {
        targets: Array.from({ length: count }, (_, i) => ({
          ...TARGET,
          macs: [],
          mark: { value: i + 1, mask: 0xff },
          ...(i < count - 1 && { nextHop: {} }),
        })),
      });
    const full = many(TARGETS_MAX);
    expect(marks(full, both)).toEqual(both.map(() => TARGETS_MAX));
    full.close();
    expect(() => many(TARGETS_MAX + 1)).toThrow(`at most ${TARGETS_MAX} servers`);
  });

  it('are not known to entries of a program without targets, which go to the first', () => {
    const divided = Runner.load(all, { targets: [TARGET, second] });
    expect(marks(divided, [[v6, SYN]])).toEqual([0x96]);
    const flows = divided.object.mapDescriptor('flows_v6');
    const entry = lookupElement(flows, flowKey(v6), structSize.flow)!;
    // There the state had all 32 bits.
    entry.writeUInt32LE(flowState.ESTABLISHED, 4);
    updateElement(flows, flowKey(v6), entry);
    expect(marks(divided, [[v6, ACK]])).toEqual([0x96]);
    expect(readFlows(flows, 6)).toMatchObject([{ state: 'established', target: 0 }]);
    divided.close();
  });

  it('leave their flows to the first when they go', () => {
    const divided = Runner.load(all, { targets: [first, second] });
    expect(marks(divided, both)).toEqual([0x96, 0x96, 0x97, 0x97]);
    const kept = { flows_v6: divided.object.mapDescriptor('flows_v6') };
    const alone = Runner.load(all, {}, kept);
    expect(marks(alone, [[v6, ACK]])).toEqual([0x96]);
    alone.close();
    divided.close();
  });
});

describe('a family without a server address', () => {
  it.each(['direct', 'block'] as const)('goes the way of on_failure %s', (onFailure) => {
    const only4 = Runner.load(POLICY, {
      targets: [{ ...TARGET, nextHop: { v4: 1 } }],
      onFailure,
    });
    expect(only4.run(frame(v6))).toMatchObject({
      action: onFailure === 'block' ? DROP : PASS,
      mark: 0,
    });
    expect(only4.run(frame(v6, { tcpFlags: ACK })).mark).toBe(0);
    expect(only4.run(frame(v4)).mark).toBe(MARK.value);
    expect(only4.counters().on_failure.packets).toBe(1);
    only4.close();
  });

  it.each([
    ['left to nftables by its mark', { value: 0xff, mask: 0xff }, { action: PASS, mark: 0xff }],
    ['dropped where the mask has no mark for it', undefined, { action: DROP, mark: 0 }],
  ])('is, with on_failure reset, %s', (_, resetMark, expected) => {
    const only4 = Runner.load(POLICY, {
      targets: [{ ...TARGET, nextHop: { v4: 1 } }],
      onFailure: 'reset',
      ...(resetMark && { resetMark }),
    });
    expect(only4.run(frame(v6))).toMatchObject(expected);
    expect(only4.counters()).toMatchObject({ blocked: { packets: 1 }, on_failure: { packets: 1 } });
    expect(only4.run(frame(v6, { tcpFlags: ACK })).mark).toBe(0);
    only4.close();
  });
});

describe.each([
  ['sidetrack', true],
  ['sidetrack-bpf', canLoad],
])('on_failure reset, loaded by %s', (way, canRun) => {
  const RESET = { onFailure: 'reset', resetMark: { value: 0x0f, mask: 0xff } } as const;

  function load(steering: Partial<Steering>, work: (one: Runner) => void): void {
    const place = way === 'sidetrack' ? undefined : new LoaderPlace();
    try {
      const one = place
        ? new Runner(place.load(POLICY, { ...STEERING, ...RESET, ...steering }))
        : Runner.load(POLICY, { ...RESET, ...steering });
      work(one);
      one.close();
    } finally {
      place?.close();
    }
  }

  it.skipIf(!canRun)('sets only its own bits of the mark, and none of a flow that goes on', () => {
    load({ targets: [{ ...TARGET, nextHop: { v4: 1 } }] }, (one) => {
      expect(one.run(frame(v6), 0xabcd12ff)).toMatchObject({ action: PASS, mark: 0xabcd120f });
      expect(one.run(frame(v6, { tcpFlags: ACK }), 0xabcd12ff).mark).toBe(0xabcd12ff);
      expect(one.run(frame(v4), 0xabcd12ff).mark).toBe(0xabcd1296);
    });
  });

  it.skipIf(!canRun)('resets what a client opens beyond its share, and steers what it has', () => {
    load({ maxFlowsPerClient: 1 }, (one) => {
      const second = { ...v4, sourcePort: 40001 };
      expect(one.run(frame(v4)).mark).toBe(MARK.value);
      expect(one.run(frame(second))).toMatchObject({ action: PASS, mark: 0x0f });
      expect(one.run(frame(v4, { tcpFlags: ACK })).mark).toBe(MARK.value);
      expect(one.run(frame(second, { tcpFlags: ACK })).mark).toBe(0);
      expect(one.counters()).toMatchObject({
        over_share: { packets: 1 },
        on_failure: { packets: 1 },
        blocked: { packets: 1 },
      });
    });
  });
});

describe('other protocols', () => {
  const block: ClassifierPolicy = {
    rules: [{ name: 'quic', proto: 'udp', ports: [{ first: 443, last: 443 }], action: 'block' }],
    default: 'proxy',
  };
  it('are blocked packet by packet or left alone, and never steered', () => {
    const others = Runner.load(block);
    const udp = { ...v4, protocol: 'udp' as const };
    expect(others.run(frame(udp))).toMatchObject({ action: DROP });
    expect(others.run(frame({ ...udp, destinationPort: 53 }))).toMatchObject({
      action: PASS,
      mark: 0,
    });
    expect(others.run(frame({ ...udp, protocol: 47 }))).toMatchObject({ action: PASS, mark: 0 });
    others.close();
  });

  it('are blocked and left alone in all their fragments', () => {
    const others = Runner.load(block);
    const udp = { ...v4, protocol: 'udp' as const };
    const action = (packet: Packet, fragment: NonNullable<Dress['fragment']>, fragmentId: number) =>
      others.run(frame(packet, { fragment, fragmentId })).action;
    for (const [destinationPort, verdict] of [
      [443, DROP],
      [53, PASS],
    ] as const) {
      const parts = ['first', 'second', 'later'] as const;
      const packet = { ...udp, destinationPort };
      for (const part of parts) expect(action(packet, part, destinationPort)).toBe(verdict);
    }
    // Parts of nobody knows what could be QUIC; those of another protocol, or packet, could not.
    expect(action(udp, 'later', 1)).toBe(DROP);
    expect(action({ ...udp, source: 0xc0a80129 }, 'later', 53)).toBe(DROP);
    expect(action({ ...udp, protocol: 47 }, 'later', 2)).toBe(PASS);
    expect(action({ ...udp, protocol: 'tcp' }, 'later', 3)).toBe(PASS);
    others.close();
  });

  it('are not even judged while no rule blocks them', () => {
    const before = runner.counters().unjudged.packets;
    run({ ...v4, protocol: 'udp' });
    expect(runner.counters().unjudged.packets).toBe(before + 1);
  });
});

describe('counters', () => {
  it('count every packet under exactly one outcome', () => {
    const counted = Runner.load(POLICY);
    const frames = [
      frame(v4),
      frame(v4, { tcpFlags: ACK }),
      frame(v4, { tcpFlags: FIN }),
      frame({ ...v4, destinationPort: 8080 }),
      frame({ ...v6, destinationPort: 25 }),
      frame({ ...v6, sourceMac: SERVER_MAC }),
      frame({ ...v6, sourcePort: 9 }, { tcpFlags: ACK }),
      frame(v4, { fragment: 'first', tcpFlags: ACK }),
      frame(v4, { fragment: 'tiny' }),
      frame(v4, { vlanTags: [0x8100], vlanId: 5 }),
      frame({ ...v6, destination: 0xffff_cb007105n }),
      frame({ ...v4, protocol: 1 }),
      frame(v4).subarray(0, 40),
      Buffer.alloc(60),
      frame(v4, { destinationMac: '02:00:00:00:00:77' }),
    ];
    for (const one of frames) counted.run(one);
    const counters = counted.counters();
    const sum = outcomes.reduce((total, name) => total + counters[name].packets, 0);
    expect(sum).toBe(frames.length);
    const seen = Object.fromEntries(outcomes.map((name) => [name, counters[name].packets]));
    expect(seen).toEqual({
      not_for_us: 1,
      not_ip: 1,
      malformed: 1,
      from_server: 1,
      heartbeat: 0,
      heartbeat_ignored: 0,
      fragment: 1,
      embedded_v4: 1,
      other_vlan: 1,
      unseen: 1,
      unjudged: 1,
      unknown_flow: 1,
      direct: 1,
      blocked: 1,
      marked: 3,
      redirected: 0,
    });
    expect(counters.marked.bytes).toBe(3 * 54);
    expect(counters.admitted.packets).toBe(1);
    expect(counters.closing.packets).toBe(1);
    const byRule = counted.ruleCounters(POLICY.rules.length).map(({ packets }) => packets);
    // The one that blocks could have been that of the tiny fragment.
    expect(byRule.slice(-4)).toEqual([2, 1, 1, 0]);
    counted.close();
  });
});

describe('a full flow table', () => {
  const SIZE = 512;
  const open = (small: Runner, sourcePort: number) =>
    small.run(frame({ ...v4, sourcePort })).mark === MARK.value;
  const follows = (small: Runner, sourcePort: number) =>
    small.run(frame({ ...v4, sourcePort }, { tcpFlags: ACK })).mark === MARK.value;
  const ports = (first: number, count: number) =>
    Array.from({ length: count }, (_, i) => first + i);

  it('refuses, counts it, and takes no live flow its place', () => {
    const small = Runner.load(POLICY, {}, {}, SIZE);
    expect(ports(1, SIZE).every((port) => open(small, port))).toBe(true);
    expect(ports(SIZE + 1, SIZE).some((port) => open(small, port))).toBe(false);
    expect(ports(SIZE + 1, SIZE).some((port) => follows(small, port))).toBe(false);
    expect(small.counters().on_failure.packets).toBe(SIZE);
    expect(ports(1, SIZE).every((port) => follows(small, port))).toBe(true);
    // A flow that begins anew keeps its place.
    expect(ports(1, SIZE).every((port) => open(small, port))).toBe(true);
    small.close();
  });

  it('is swept of flows that are too old', () => {
    const small = Runner.load(POLICY, {}, {}, SIZE);
    const flows = small.object.mapDescriptor('flows_v4');
    for (const port of ports(1, SIZE)) open(small, port);
    for (const port of ports(1, SIZE / 2)) {
      const key = Buffer.alloc(structSize.flowKeyV4);
      key.writeUInt32BE(Number(v4.source), 0);
      key.writeUInt32BE(Number(v4.destination), 4);
      key.writeUInt16BE(port, 8);
      key.writeUInt16BE(v4.destinationPort!, 10);
      const flow = lookupElement(flows, key, structSize.flow)!;
      // Four minutes are less than 300 units of the flow table's clock.
      flow.writeUInt32LE((flow.readUInt32LE(0) - 300) >>> 0, 0);
      updateElement(flows, key, flow);
    }
    expect(ports(SIZE + 1, SIZE / 2).every((port) => open(small, port))).toBe(true);
    expect(open(small, 5000)).toBe(false);
    expect(small.counters().expired.packets).toBe(SIZE / 2);
    expect(ports(SIZE / 2 + 1, SIZE / 2).every((port) => follows(small, port))).toBe(true);
    small.close();
  });
});

describe('many rules', () => {
  it('reach the last word of a row', () => {
    const rules = Array.from({ length: 1024 }, (_, i) => ({
      name: `r${i}`,
      proto: 'tcp' as const,
      to: PrefixSet.of([{ family: 4, first: 0x0b000000 + i, last: 0x0b000000 + i }]),
      action: i % 2 === 1 ? ('proxy' as const) : ('direct' as const),
    }));
    const many = Runner.load({ rules, default: 'block' });
    for (const i of [0, 1, 63, 64, 65, 511, 1022, 1023]) {
      const { action, mark } = many.run(frame({ ...v4, destination: 0x0b000000 + i }));
      expect({ i, action, mark }).toEqual({ i, action: PASS, mark: i % 2 === 1 ? MARK.value : 0 });
    }
    expect(many.run(frame({ ...v4, destination: 0x0b000400 })).action).toBe(DROP);
    many.close();
  });
});
