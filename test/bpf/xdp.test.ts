/**
 * The XDP program beside the tc program and the reference evaluator: the same frames through both,
 * and, in the lab, the same traffic.
 */
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findXdpWay } from '../../bpf/port.js';
import { XDP_PROGRAM } from '../../bpf/xdp.js';
import { classifyFirstPacket, type Packet } from '../../control/policy/evaluate.js';
import { guardedPolicy } from '../../control/policy/guard-rules.js';
import type { Verdict } from '../../control/policy/rule.js';
import { GUARDS, packet, policy } from './arbitraries.js';
import { ACK, type Dress, frame, RST, SYN } from './frame.js';
import { beatingTarget, State, steeringOf, testServer } from './heartbeats.js';
import { DROP, leaveNetwork, MARK, PASS, REDIRECT, Runner, TARGET } from './run.js';

const POLICIES = 12;
const PACKETS_PER_POLICY = 500;
const SEED = Number(process.env.SIDETRACK_FUZZ_SEED ?? Date.now() & 0x7fffffff);

const XDP = { DROP: 1, PASS: 2, TX: 3, REDIRECT: 4 } as const;
const LOOPBACK = 1;
const LAN = 'lan';
const LAN_MAC = '02:00:00:00:00:01';
const SERVER_LINK = '02:00:00:00:00:02';

/** The server's link address is known for both families. */
const NETWORK = `
ip link add ${LAN} address ${LAN_MAC} type veth peer name host
ip addr add 192.168.1.1/24 dev ${LAN}
ip addr add fd00::1/64 dev ${LAN} nodad
ip link set host up
ip link set ${LAN} up
ip neigh add 192.168.1.2 lladdr ${SERVER_LINK} dev ${LAN}
ip neigh add fd00::2 lladdr ${SERVER_LINK} dev ${LAN}
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv6/conf/all/forwarding`;

let lan: number;
beforeAll(() => {
  leaveNetwork();
  execFileSync('sh', ['-ec', NETWORK]);
  const [link] = JSON.parse(execFileSync('ip', ['-j', 'link', 'show', LAN], { encoding: 'utf8' }));
  lan = link.ifindex;
});

/** Test runs come in by lo, whose address is zero; `towards` is where the server is. */
const way = (towards: number) => ({
  targets: [{ ...TARGET, redirectIfindex: lan, xdpIfindex: towards }],
  xdpPorts: [{ name: 'lo', ifindex: LOOPBACK, router: LOOPBACK, mac: '00:00:00:00:00:00' }],
});

const dress: fc.Arbitrary<Dress> = fc.record(
  {
    vlanTags: fc.array(fc.constantFrom(0x8100, 0x88a8), { maxLength: 2 }),
    ipv4Options: fc.constantFrom(0, 4, 40),
    extensions: fc.array(fc.constantFrom(0, 43, 60, 51), { maxLength: 6 }),
    fragment: fc.constantFrom('none' as const, 'none' as const, 'first' as const, 'later' as const),
    padding: fc.nat(30),
    ttl: fc.constantFrom(1, 64, 255),
    tcpFlags: fc.constantFrom(SYN, SYN, ACK, RST),
  },
  { requiredKeys: [] },
);

/** What XDP leaves to tc, whatever the rules say. */
const isForTc = ({ vlanTags = [], fragment = 'none' }: Dress) =>
  vlanTags.length > 0 || fragment !== 'none';

function expectedAction(verdict: Verdict, how: Dress): number {
  if (isForTc(how) || verdict === 'direct') return XDP.PASS;
  if (verdict === 'block') return XDP.DROP;
  return how.ttl === 1 ? XDP.PASS : XDP.TX;
}

const verdictOf = ({ action, mark }: { action: number; mark: number }): Verdict => {
  if (action === DROP) return 'block';
  return mark === MARK.value ? 'proxy' : 'direct';
};

const text = (value: unknown) =>
  JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? `${one}n` : one));

describe('the XDP program', () => {
  let runner: Runner | undefined;
  let tc: Runner | undefined;
  afterAll(() => {
    runner?.close();
    tc?.close();
  });

  it(`judges as tc and the reference evaluator do (seed ${SEED})`, () => {
    const seen: Record<Verdict, number> = { direct: 0, proxy: 0, block: 0 };
    for (let round = 0; round < POLICIES; round++) {
      const seed = SEED + round;
      const [rules] = fc.sample(policy, { seed, numRuns: 1 });
      const compiled = guardedPolicy(rules!, GUARDS);
      const early = Runner.load(compiled, way(LOOPBACK));
      const late = Runner.load(compiled);
      [runner, tc] = [early, late];
      const shots = fc.sample(fc.tuple(packet, dress), { seed, numRuns: PACKETS_PER_POLICY });
      for (const [one, how] of shots) {
        // A flow is entered by its plain SYN, so that later packets have something to follow.
        for (const dressed of [how, { ...how, tcpFlags: SYN }, { ...how, tcpFlags: ACK }]) {
          const bytes = frame(one, dressed);
          const verdict = verdictOf(late.run(bytes));
          const { action } = early.runXdp(bytes);
          // A TTL that ends keeps XDP from opening the flow: tc, behind it, would.
          const isUnopened = how.ttl === 1 || isForTc(how);
          const expected =
            isUnopened && verdict === 'proxy' ? XDP.PASS : expectedAction(verdict, how);
          if (action !== expected)
            expect.fail(
              `seed ${seed}: ${action}, not ${expected}: ${text({ one, dressed, rules })}`,
            );
          seen[verdict]++;
        }
        checkEvaluator(early, one, how, rules!);
      }
      early.close();
      late.close();
      [runner, tc] = [undefined, undefined];
    }
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(100);
  });

  function checkEvaluator(
    early: Runner,
    one: Packet,
    how: Dress,
    rules: Parameters<typeof classifyFirstPacket>[0],
  ) {
    const { verdict } = classifyFirstPacket(rules, GUARDS, one);
    if (isForTc(how)) return;
    const { action } = early.runXdp(frame(one, { ...how, tcpFlags: SYN }));
    const expected = expectedAction(verdict, how);
    if (action !== expected)
      expect.fail(`${action}, evaluator wants ${expected}: ${text({ one, how, rules })}`);
  }

  it('rewrites as a router does, and sends to the port of the server', () => {
    const all = { rules: [], default: 'proxy' as const };
    const one: Packet = {
      sourceMac: '02:00:00:00:00:40',
      family: 4,
      source: 0xc0a80128,
      destination: 0xc6336407,
      protocol: 'tcp',
      sourcePort: 40000,
      destinationPort: 443,
    };
    const six: Packet = {
      ...one,
      family: 6,
      source: (0xfd00n << 112n) | 0x40n,
      destination: (0x20010db8n << 96n) | 7n,
    };
    const elsewhere = Runner.load(all, way(lan));
    for (const each of [one, six]) {
      const { action, data } = elsewhere.runXdp(frame(each));
      expect(action).toBe(XDP.REDIRECT);
      const expected = frame(
        { ...each, sourceMac: LAN_MAC },
        { ttl: 63, destinationMac: SERVER_LINK },
      );
      expect(data.toString('hex')).toBe(expected.toString('hex'));
    }
    const { redirected, admitted } = elsewhere.counters();
    expect([redirected.packets, admitted.packets]).toEqual([2, 2]);
    elsewhere.close();
  });

  it('shares the flow table with tc, and leaves it what it cannot send', () => {
    const all = { rules: [], default: 'proxy' as const };
    const mixed = Runner.load(all, way(LOOPBACK));
    const one = fc.sample(packet, { seed: 7, numRuns: 1 })[0]!;
    const flow: Packet = {
      ...one,
      sourceMac: '02:00:00:00:00:40',
      protocol: 'tcp',
      sourcePort: 1,
      destinationPort: 2,
    };
    expect(mixed.run(frame(flow, { ttl: 1 })).mark).toBe(MARK.value);
    expect(mixed.runXdp(frame(flow, { tcpFlags: ACK })).action).toBe(XDP.TX);
    expect(mixed.runXdp(frame(flow, { tcpFlags: ACK, ttl: 1 })).action).toBe(XDP.PASS);
    expect(mixed.counters().xdp_passed.packets).toBe(1);
    expect(mixed.runXdp(frame(flow, { destinationMac: SERVER_LINK })).action).toBe(XDP.PASS);
    mixed.close();
  });

  it('never sends what is cut short', () => {
    const all = Runner.load({ rules: [], default: 'proxy' }, way(LOOPBACK));
    for (const one of fc.sample(packet, { seed: SEED, numRuns: 200 })) {
      const whole = frame(one);
      for (let length = 14; length < whole.length; length += 3)
        expect(all.runXdp(whole.subarray(0, length)).action).toBe(XDP.PASS);
    }
    all.close();
  });

  it('sends new flows to a server that is fit, and leaves those of a silent one to tc', () => {
    const [first, second] = [testServer(0), testServer(1)];
    const targets = [first, second].map((server) => ({
      ...beatingTarget(server),
      // Both by the way that is known.
      nextHop: TARGET.nextHop,
      redirectIfindex: lan,
      xdpIfindex: server === first ? LOOPBACK : lan,
    }));
    const steering = steeringOf([first, second], { ...way(LOOPBACK), targets });
    const beating = Runner.load({ rules: [], default: 'proxy' }, steering);
    const [one, two] = [first, second].map((server) => new State(beating, server));
    one!.put('fit');
    two!.put('fit');
    const client: Packet = {
      sourceMac: '02:00:00:00:00:40',
      family: 4,
      source: 0xc0a80128,
      destination: 0xc6336407,
      protocol: 'tcp',
      destinationPort: 443,
    };
    const go = (sourcePort: number, tcpFlags: number) =>
      beating.runXdp(frame({ ...client, sourcePort }, { tcpFlags })).action;
    expect(go(1, SYN)).toBe(XDP.TX);
    one!.put('unfit');
    expect(go(2, SYN)).toBe(XDP.REDIRECT);
    expect([go(1, ACK), go(2, ACK)]).toEqual([XDP.TX, XDP.REDIRECT]);
    one!.age(3600 + 11);
    expect([go(1, ACK), go(2, ACK)]).toEqual([XDP.PASS, XDP.REDIRECT]);
    expect(beating.counters().xdp_passed.packets).toBe(1);
    two!.put('unfit');
    // What becomes of it tc says.
    expect(go(3, SYN)).toBe(XDP.PASS);
    beating.close();
  });

  it('leaves to tc what goes to a server that no port has heard', () => {
    const target = { ...TARGET, redirectIfindex: lan };
    const unheard = Runner.load(
      { rules: [], default: 'proxy' },
      { ...way(lan), targets: [target] },
    );
    const flow: Packet = {
      sourceMac: '02:00:00:00:00:40',
      family: 4,
      source: 0xc0a80128,
      destination: 0xc6336407,
      protocol: 'tcp',
      sourcePort: 40000,
      destinationPort: 443,
    };
    expect(unheard.runXdp(frame(flow)).action).toBe(XDP.PASS);
    expect(unheard.run(frame(flow)).action).toBe(REDIRECT);
    expect(unheard.runXdp(frame(flow, { tcpFlags: ACK })).action).toBe(XDP.PASS);
    const { xdp_passed, admitted, redirected } = unheard.counters();
    expect([xdp_passed.packets, admitted.packets, redirected.packets]).toEqual([2, 1, 1]);
    unheard.close();
  });

  it('is not loaded where nobody asked for it', () => {
    const plain = Runner.load({ rules: [], default: 'proxy' });
    expect(() => plain.object.programDescriptor(XDP_PROGRAM)).toThrow();
    expect(plain.run(frame(fc.sample(packet, { seed: 1, numRuns: 1 })[0]!)).action).toBe(PASS);
    plain.close();
  });
});

describe('the way of XDP behind a bridge', () => {
  const BRIDGE = 'br-xdp';
  const [heard, silent] = [SERVER_LINK, '02:00:00:00:00:03'];
  const find = (...macs: string[]) =>
    findXdpWay(
      [BRIDGE],
      macs.map((mac) => ({ redirectInterface: BRIDGE, macs: [mac] })),
    );
  beforeAll(() => {
    const network = `
ip link add ${BRIDGE} type bridge
ip link add port type veth peer name far
ip link set port master ${BRIDGE}
bridge fdb add ${heard} dev port master static`;
    execFileSync('sh', ['-ec', network]);
  });

  it('is left out for a server that was not heard, as long as another one was', () => {
    const { exits, ports } = find(silent, heard);
    expect(ports.map(({ name }) => name)).toEqual(['port']);
    expect(exits[0]).toBeUndefined();
    expect(exits[1]).toEqual({
      ifindex: ports[0]!.ifindex,
      heard: { bridge: BRIDGE, mac: heard, port: 'port' },
    });
  });

  it('is missing where no server was heard', () => {
    for (const macs of [[silent], [silent, '02:00:00:00:00:04']])
      expect(() => find(...macs)).toThrow(expect.objectContaining({ code: 'xdp-port-unknown' }));
  });
});
