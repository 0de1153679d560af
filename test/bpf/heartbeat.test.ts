/** What the program makes of packets to the heartbeats' port, one by one. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { beginServers } from '../../bpf/health.js';
import { updateElement } from '../../bpf/map.js';
import type { ClassifierPolicy } from '../../bpf/policy.js';
import { decodeHeartbeat, encodeHeartbeat } from '../../control/heartbeat/message.js';
import type { Packet } from '../../control/policy/evaluate.js';
import { ACK, frame, SYN } from './frame.js';
import {
  beat,
  beatingTarget,
  beatPacket,
  FIT,
  knownServer,
  LAN,
  markOf,
  PORT,
  payloadOf,
  ROUTER_NETWORK,
  State,
  steeringOf,
  testServer,
} from './heartbeats.js';
import { DROP, leaveNetwork, PASS, REDIRECT, Runner } from './run.js';

const SEED = Number(process.env.SIDETRACK_FUZZ_SEED ?? Date.now() & 0x7fffffff);
const RUNS = Number(process.env.SIDETRACK_FUZZ_PACKETS ?? 500);
const ALL: ClassifierPolicy = { rules: [], default: 'proxy' };
const FAMILIES = [4, 6] as const;

const server = testServer(0);
const other = testServer(1);

const client: Packet = {
  sourceMac: '02:00:00:00:00:40',
  family: 4,
  source: 0xc0a80128,
  destination: 0xc6336407,
  protocol: 'tcp',
  sourcePort: 40000,
  destinationPort: 443,
};
const clientOf = (family: 4 | 6): Packet =>
  family === 4
    ? client
    : {
        ...client,
        family,
        source: (0xfd00n << 112n) | 0x40n,
        destination: (0x20010db8n << 96n) | 7n,
      };

let lan: number;
beforeAll(() => {
  leaveNetwork();
  const neighbour = `ip neigh add 192.168.1.16 lladdr ${server.mac} dev ${LAN}`;
  execFileSync('sh', ['-ec', `${ROUTER_NETWORK}\n${neighbour}`]);
  const [link] = JSON.parse(execFileSync('ip', ['-j', 'link', 'show', LAN], { encoding: 'utf8' }));
  lan = link.ifindex;
});

let runner: Runner;
let state: State;
const load = (...args: Parameters<typeof steeringOf>) => Runner.load(ALL, steeringOf(...args));
beforeAll(() => {
  runner = load([server, other]);
  state = new State(runner, server);
});
beforeEach(() => {
  for (const one of [server, other]) new State(runner, one).clear();
  updateElement(runner.object.mapDescriptor('moved'), Buffer.alloc(4), Buffer.alloc(8));
  runner.resetCounters();
});
afterAll(() => runner?.close());

const hear = (counter: number, what = {}, family: 4 | 6 = 4) =>
  runner.run(beat(server, counter, what, family)).action;
const steered = (family: 4 | 6 = 4, one = runner) => one.run(frame(clientOf(family))).mark;
/** Three in a row: fit. */
const rise = (from = 1) => {
  for (const counter of [from, from + 1, from + 2]) expect(hear(counter)).toBe(PASS);
};

describe.each(FAMILIES)('a heartbeat over IPv%i', (family) => {
  it('is heard, and passed on to nftables', () => {
    expect(hear(7, {}, family)).toBe(PASS);
    expect(runner.counters().heartbeat.packets).toBe(1);
    expect(state.counter).toBe(7n);
    expect(state.health).toMatchObject({ reason: 'ok', families: { 4: 'rising', 6: 'rising' } });
    expect(state.health.lastHeardSeconds).toBeLessThan(60);
  });

  it('counts for nothing with one byte changed', () => {
    const good = payloadOf(server, 1);
    for (let at = 0; at < good.length; at++) {
      const payload = Buffer.from(good);
      payload[at]! ^= 0x10;
      const bytes = frame(beatPacket(server, family), { payload });
      expect({ at, action: runner.run(bytes).action }).toEqual({ at, action: DROP });
    }
    expect(state.counter).toBe(0n);
    // Magic and version; all that follows is hashed.
    expect(hear(9, {}, family)).toBe(PASS);
    expect(state.health.ignored).toMatchObject({ malformed: 5, tag: 35 });
  });

  it('counts once: a copy of it and of older ones does not', () => {
    expect(hear(20, {}, family)).toBe(PASS);
    for (const counter of [20, 19, 1, 0]) expect(hear(counter, {}, family)).toBe(DROP);
    expect(hear(21, {}, family)).toBe(PASS);
    expect(state.health.ignored).toMatchObject({ replay: 4, tag: 0 });
  });

  it('of another length is none', () => {
    expect(hear(1, {}, family)).toBe(PASS);
    const payload = payloadOf(server, 2);
    const whole = frame(beatPacket(server, family), { payload });
    const wrong = [payload.subarray(0, 39), Buffer.concat([payload, Buffer.alloc(1)])];
    for (const one of [...wrong, Buffer.alloc(0)])
      expect(runner.run(frame(beatPacket(server, family), { payload: one })).action).toBe(DROP);
    for (let length = 14; length < whole.length; length++) {
      // Cut short by the way: IP says more than there is, and the kernel drops it itself.
      runner.runIfAllowed(whole.subarray(0, length));
      expect(state.counter).toBe(1n);
    }
    expect(state.health.ignored.malformed).toBe(3);
    expect(runner.run(whole).action).toBe(PASS);
    expect(state.counter).toBe(2n);
  });

  it('with tags, options, extension headers or in fragments is none', () => {
    const dresses = [
      { vlanTags: [0x8100] },
      { fragment: 'first' as const },
      family === 4 ? { ipv4Options: 4 } : { extensions: [0] },
    ];
    for (const dress of dresses) {
      const bytes = frame(beatPacket(server, family), { payload: payloadOf(server, 5), ...dress });
      expect({ dress, action: runner.run(bytes).action }).toEqual({ dress, action: DROP });
    }
    for (const dress of [{ vlanTags: [0x8100], vlanId: 7 }, { fragment: 'later' as const }]) {
      const bytes = frame(beatPacket(server, family), { payload: payloadOf(server, 5), ...dress });
      expect(runner.run(bytes).action).toBe(PASS);
    }
    expect(state.counter).toBe(0n);
    expect(runner.counters().other_vlan.packets).toBe(1);
    expect(runner.counters().heartbeat.packets).toBe(0);
  });

  it("from another server's address is none", () => {
    const payload = payloadOf(server, 5);
    expect(runner.run(frame(beatPacket(other, family), { payload })).action).toBe(DROP);
    expect(state.counter).toBe(0n);
    expect(runner.counters().heartbeat_ignored.packets).toBe(1);
  });

  it("from no server's address is none, and left alone: it may answer a masqueraded client", () => {
    const stranger = { ...beatPacket(server, family), sourceMac: client.sourceMac };
    const answer = { ...stranger, source: clientOf(family).destination, sourcePort: 53 };
    stranger.source = clientOf(family).source;
    for (const one of [stranger, answer])
      for (const run of ['run', 'runListening'] as const)
        expect(runner[run](frame(one, { payload: payloadOf(server, 5) })).action).toBe(PASS);
    expect(state.counter).toBe(0n);
    expect(runner.counters()).toMatchObject({
      heartbeat_stranger: { packets: 4 },
      heartbeat_ignored: { packets: 0 },
      unjudged: { packets: 2 },
    });
  });

  it('leaves packets to other ports, and to other machines, as they were', () => {
    const to = { ...beatPacket(server, family), destination: clientOf(family).destination };
    const fromClient = { ...to, source: clientOf(family).source, sourceMac: client.sourceMac };
    const next = { ...fromClient, destinationPort: PORT + 1 };
    for (const one of [fromClient, next])
      expect(runner.run(frame(one, { payload: Buffer.alloc(3) })).action).toBe(PASS);
    expect(runner.run(frame(to, { payload: Buffer.alloc(3) })).action).toBe(PASS);
    expect(runner.counters()).toMatchObject({
      heartbeat_ignored: { packets: 0 },
      from_server: { packets: 1 },
      unjudged: { packets: 2 },
    });
  });

  it('is heard by the program of interfaces without clients, which leaves the rest alone', () => {
    expect(runner.runListening(beat(server, 3, {}, family)).action).toBe(PASS);
    expect(state.counter).toBe(3n);
    expect(runner.runListening(beat(server, 3, {}, family)).action).toBe(DROP);
    for (const tcpFlags of [SYN, ACK])
      expect(runner.runListening(frame(clientOf(family), { tcpFlags }))).toMatchObject({
        action: PASS,
        mark: 0,
      });
    const { heartbeat, direct, marked } = runner.counters();
    expect([heartbeat, direct, marked].map(({ packets }) => packets)).toEqual([1, 0, 0]);
  });
});

describe('the hash', () => {
  it(`is SipHash-2-4 of the reference, for any key and message (seed ${SEED})`, () => {
    const keyed = load([server]);
    const keys = keyed.object.mapDescriptor('heartbeat_keys');
    const number = Buffer.alloc(4);
    for (let i = 1; i <= 300; i++) {
      const siphashKey = randomBytes(16);
      updateElement(keys, number, siphashKey);
      const secrets = {
        tag: randomBytes(16).toString('hex'),
        siphashKey: siphashKey.toString('hex'),
      };
      const payload = encodeHeartbeat({ ...FIT, counter: BigInt(i) << 40n }, secrets);
      const bytes = frame(beatPacket(server), { payload });
      expect(keyed.run(bytes).action).toBe(PASS);
    }
    expect(new State(keyed, server).counter).toBe(300n << 40n);
    keyed.close();
  });
});

describe('a key that was never written', () => {
  const nothing = { tag: '00'.repeat(16), siphashKey: '00'.repeat(16) };

  it.each(FAMILIES)('signs nothing for a single server with number 1, over IPv%i', (family) => {
    const alone = load([other]);
    const its = new State(alone, other);
    its.clear();
    const forged = { ...other, secrets: nothing };
    expect(alone.run(beat(forged, 1000, {}, family)).action).toBe(DROP);
    expect([its.counter, new State(alone, server).counter]).toEqual([0n, 0n]);
    for (const counter of [1, 2, 3])
      expect(alone.run(beat(other, counter, {}, family)).action).toBe(PASS);
    expect(its.counter).toBe(3n);
    expect(its.health.ignored).toMatchObject({ tag: 1, replay: 0 });
    expect(steered(family, alone)).toBe(markOf(other));
    alone.close();
  });

  it('is not that of a server whose own is missing, either', () => {
    const deaf = load([server]);
    updateElement(deaf.object.mapDescriptor('heartbeat_keys'), Buffer.alloc(4), Buffer.alloc(16));
    expect(deaf.run(beat({ ...server, secrets: nothing }, 1)).action).toBe(DROP);
    deaf.close();
  });
});

describe('the parser', () => {
  it(`believes nothing that the reference does not (seed ${SEED})`, () => {
    const heartbeat = fc.tuple(fc.bigInt(0n, 2n ** 64n - 1n), fc.nat(255), fc.nat(255));
    const noise = fc.array(fc.tuple(fc.nat(47), fc.nat(255)), { maxLength: 3 });
    const cut = fc.integer({ min: 0, max: 48 });
    let believed = 0;
    fc.assert(
      fc.property(heartbeat, noise, cut, ([counter, flags, reason], changes, keep) => {
        state.put('unfit');
        const before = state.counter;
        const payload = Buffer.concat([payloadOf(server, counter), Buffer.alloc(8)]).subarray(
          0,
          40,
        );
        payload[5] = flags;
        payload[6] = reason;
        const resigned = encodeLike(payload);
        for (const [at, value] of changes) if (at < resigned.length) resigned[at] = value;
        const sent = resigned.subarray(0, keep > 40 ? 40 : keep);
        const { action } = runner.run(frame(beatPacket(server), { payload: sent }));
        const read = decodeHeartbeat(sent, server.secrets);
        const authentic = typeof read === 'object' && read.counter > before;
        expect(action).toBe(authentic ? PASS : DROP);
        expect(state.counter).toBe(authentic ? read.counter : before);
        believed += Number(authentic);
      }),
      { numRuns: RUNS, seed: SEED },
    );
    expect(believed).toBeGreaterThan(5);
  });

  /** The same with the right hash. */
  function encodeLike(payload: Buffer): Buffer {
    const counter = payload.readBigUInt64BE(8);
    const whole = payloadOf(server, counter);
    const flags = payload[5]!;
    return encodeHeartbeat(
      {
        counter: whole.readBigUInt64BE(8),
        fit4: (flags & 1) !== 0,
        fit6: (flags & 2) !== 0,
        leaving: (flags & 4) !== 0,
        reason: payload[6]! % 2 === 0 ? 'ok' : 'upstreams',
      },
      server.secrets,
    );
  }
});

describe('a server', () => {
  it('is given flows from the third heartbeat on, and not in a family that it cannot', () => {
    for (const [counter, mark] of [
      [1, 0],
      [2, 0],
      [3, markOf(server)],
    ] as const) {
      hear(counter, { fit6: false });
      expect(steered()).toBe(mark);
    }
    expect(steered(6)).toBe(0);
    expect(state.health.families).toEqual({ 4: 'alive', 6: 'unfit' });
    expect(runner.counters().no_server.packets).toBeGreaterThan(2);
  });

  it('is given none as soon as it says that it leaves, or is not fit', () => {
    rise();
    expect(steered()).toBe(markOf(server));
    hear(4, { leaving: true, reason: 'leaving' });
    expect(steered()).toBe(0);
    expect(state.health).toMatchObject({ reason: 'leaving', families: { 4: 'unfit', 6: 'unfit' } });
    rise(5);
    // Back within two minutes of the last time: held for five seconds.
    expect(steered()).toBe(0);
    state.age(6, true);
    expect(steered()).toBe(markOf(server));
    hear(11, { fit4: false, reason: 'upstreams' });
    expect([steered(4), steered(6)]).toEqual([0, markOf(server)]);
  });

  it('is given none after two seconds of silence, and its flows stay', () => {
    rise();
    expect(steered()).toBe(markOf(server));
    state.age(2.5);
    expect(runner.run(frame({ ...client, sourcePort: 5 })).mark).toBe(0);
    expect(state.health.families).toEqual({ 4: 'silent', 6: 'silent' });
    rise(4);
    expect(runner.run(frame({ ...client, sourcePort: 6 }, { tcpFlags: ACK })).mark).toBe(0);
  });

  it('gives way to the next one, and its flows stay with it', () => {
    const second = new State(runner, other);
    rise();
    second.put('fit');
    expect(steered()).toBe(markOf(server));
    state.age(3);
    expect(runner.run(frame({ ...client, sourcePort: 5 })).mark).toBe(markOf(other));
    expect(runner.run(frame(client, { tcpFlags: ACK })).mark).toBe(markOf(server));
    expect(runner.run(frame({ ...client, sourcePort: 5 }, { tcpFlags: ACK })).mark).toBe(
      markOf(other),
    );
  });

  it('that keeps coming back is held, the longer the more often', () => {
    const held = () => state.health.families[4];
    const away = (counter: number) => {
      state.age(3);
      rise(counter);
    };
    rise();
    expect(held()).toBe('alive');
    for (const [i, seconds] of [5, 15, 45, 45].entries()) {
      away(100 * i + 10);
      state.keep();
      state.age(seconds - 3, true);
      expect(held()).toBe('held');
      state.age(4, true);
      expect(held()).toBe('alive');
      hear(100 * i + 20);
    }
    // Two minutes without trouble.
    state.age(121, true);
    away(2000);
    expect(held()).toBe('alive');
  });

  it('that is held gets flows where no other is fit and on_failure blocks', () => {
    const blocking = load([server, other], { onFailure: 'block' });
    const second = new State(blocking, other);
    for (const one of [runner, blocking]) new State(one, server).put('held');
    expect(steered(4, runner)).toBe(0);
    expect(steered(4, blocking)).toBe(markOf(server));
    second.put('fit');
    expect(steered(4, blocking)).toBe(markOf(other));
    second.put('unfit');
    new State(blocking, server).put('unfit');
    expect(blocking.run(frame(client))).toMatchObject({ action: DROP });
    blocking.close();
  });

  it('of which nothing is known is believed in for a moment where none is known', () => {
    const fd = runner.object.mapDescriptor('servers');
    for (const one of [server, other]) new State(runner, one).erase();
    const undo = beginServers(fd, [knownServer(server), knownServer(other)]);
    expect([steered(4), steered(6)]).toEqual([markOf(server), markOf(server)]);
    expect(state.health).toMatchObject({ families: { 4: 'alive', 6: 'alive' } });
    expect(state.health.lastHeardSeconds).toBeUndefined();
    state.age(2);
    expect(steered()).toBe(markOf(server));
    expect(state.health).toMatchObject({ families: { 4: 'alive', 6: 'alive' } });
    state.age(4);
    expect(steered()).toBe(markOf(other));
    expect(state.health).toMatchObject({ families: { 4: 'unknown', 6: 'unknown' } });
    undo();
    expect(steered()).toBe(0);
  });

  it('with another key begins anew, and is not believed in while another one is known', () => {
    rise(100);
    const changed = { ...server, secrets: testServer(0, 'another key').secrets };
    const next = load([changed, other]);
    const fd = next.object.mapDescriptor('servers');
    updateElement(fd, Buffer.alloc(4), state.bytes);
    new State(next, other).put('fit');
    const after = new State(next, changed);
    expect(steered(4, next)).toBe(markOf(other));
    const undo = beginServers(fd, [knownServer(changed), knownServer(other)]);
    expect(after.counter).toBe(0n);
    expect(next.run(beat(server, 200)).action).toBe(DROP);
    expect(next.run(beat(changed, 1)).action).toBe(PASS);
    expect(after.counter).toBe(1n);
    undo();
    expect(after.counter).toBe(102n);
    // Without a word from the loader, too.
    expect(next.run(beat(changed, 5)).action).toBe(PASS);
    expect(after.counter).toBe(5n);
    next.close();
  });

  it('goes on in the next program set', () => {
    rise();
    state.keep();
    const shared = {
      servers: runner.object.mapDescriptor('servers'),
      moved: runner.object.mapDescriptor('moved'),
    };
    const next = Runner.load(ALL, steeringOf([server, other]), shared);
    expect(beginServers(shared.servers, [knownServer(server)])).toBeTypeOf('function');
    expect(steered(4, next)).toBe(markOf(server));
    expect(next.run(beat(server, 3)).action).toBe(DROP);
    next.close();
  });
});

describe('the link address of a server', () => {
  const moved = { ...server, mac: '02:00:00:00:07:07' };
  /** An answer to a client elsewhere: only its link address tells that it is a server's. */
  const answer = { ...client, sourceMac: moved.mac };

  it('is followed where it may be, and back', () => {
    expect(runner.run(frame(answer)).action).toBe(PASS);
    const count = () => runner.counters().from_server.packets;
    const before = count();
    expect(runner.run(beat(moved, 1)).action).toBe(PASS);
    runner.run(frame(answer));
    expect(count()).toBe(before + 1);
    runner.run(frame({ ...client, sourceMac: server.mac }));
    expect(count()).toBe(before + 2);
    expect(runner.run(beat(server, 2)).action).toBe(PASS);
    runner.run(frame(answer));
    expect(count()).toBe(before + 2);
  });

  it('is not where it is configured', () => {
    const fixed = load([server], { targets: [beatingTarget(server, true)] });
    new State(fixed, server).clear();
    expect(fixed.run(beat(moved, 1)).action).toBe(DROP);
    expect(fixed.run(beat(server, 1)).action).toBe(PASS);
    expect(new State(fixed, server).health.ignored).toMatchObject({ mac: 1, replay: 0 });
    fixed.close();
  });
});

describe('flows of a silent server', () => {
  it('are redirected until reset_after, then marked, so that nftables resets them', () => {
    const straight = load([server], {
      targets: [{ ...beatingTarget(server), redirectIfindex: lan }],
    });
    const one = new State(straight, server);
    one.put('fit');
    expect(straight.run(frame(client)).action).toBe(REDIRECT);
    for (const counter of [10, 11]) straight.run(beat(server, counter));
    one.age(9);
    expect(straight.run(frame(client, { tcpFlags: ACK })).action).toBe(REDIRECT);
    one.age(2);
    expect(straight.run(frame(client, { tcpFlags: ACK }))).toMatchObject({
      action: PASS,
      mark: markOf(server),
    });
    expect(straight.counters().fallback_silent.packets).toBe(1);
    straight.run(beat(server, 12));
    expect(straight.run(frame(client, { tcpFlags: ACK })).action).toBe(REDIRECT);
    straight.close();
  });
});
