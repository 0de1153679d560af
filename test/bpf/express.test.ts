/** The program of the relay's mode `express`, packet by packet, against the model of it. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXPRESS_PROGRAM } from '../../bpf/express.js';
import { lookupElement, mapInfo, updateElement } from '../../bpf/map.js';
import { BpfObject } from '../../bpf/object.js';
import {
  decodeSlot,
  type Endpoints,
  encode,
  encodeKey,
  encodeSlot,
  FLAG,
  type Option,
  type Segment,
  type Side,
  SLOT_SIZE,
  STATE,
  translate,
} from './express-model.js';
import { EXPRESS_OBJECT, leaveNetwork, REDIRECT, Runner } from './run.js';

const PASS = -1;
const DROP = 2;
const SLOT = 7;

let runner: Runner;
beforeAll(() => {
  leaveNetwork();
  const object = BpfObject.open(EXPRESS_OBJECT, EXPRESS_PROGRAM);
  object.load();
  runner = new Runner(object);
});
afterAll(() => runner?.close());

const slotKey = Buffer.from(Uint32Array.of(SLOT).buffer);
const map = (name: string) => runner.object.mapDescriptor(name);

/** Enters a flow as the relay does. */
function enter(state: number, sides: readonly [Side, Side]): void {
  updateElement(map('slots'), slotKey, encodeSlot(state, sides));
  for (const [number, side] of sides.entries()) {
    const place = Buffer.from(Uint32Array.of(SLOT, number).buffer);
    updateElement(map('flows'), encodeKey(side.comes), place);
  }
}

const slot = () => decodeSlot(lookupElement(map('slots'), slotKey, SLOT_SIZE)!);
const run = (segment: Segment) => runner.run(encode(segment));

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const port = fc.integer({ min: 1, max: 0xffff });
const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((array) => Buffer.from(array));

function endpoints(family: 4 | 6): fc.Arbitrary<Endpoints> {
  const address = bytes(family === 4 ? 4 : 16);
  return fc.record({
    family: fc.constant(family),
    source: address,
    destination: address,
    sourcePort: port,
    destinationPort: port,
  });
}

const turned = ({ source, destination, sourcePort, destinationPort, family }: Endpoints) => ({
  family,
  source: destination,
  destination: source,
  sourcePort: destinationPort,
  destinationPort: sourcePort,
});

/** Two sides of one flow: what the one adds the other takes away. */
const flow = fc.constantFrom(4 as const, 6 as const).chain((family) =>
  fc
    .record({
      client: endpoints(family),
      upstream: endpoints(family),
      sequence: u32,
      acknowledge: u32,
      scales: fc.tuple(fc.integer({ min: 0, max: 14 }), fc.integer({ min: 0, max: 14 })),
      hasTimestamps: fc.boolean(),
      timestamps: fc.tuple(u32, u32),
    })
    .map((one): [Side, Side] => {
      const common = { hasTimestamps: one.hasTimestamps, end: 0, acknowledged: 0, window: 0 };
      const client = {
        ...common,
        comes: one.client,
        leaves: turned(one.upstream),
        sequenceDelta: one.sequence,
        acknowledgeDelta: one.acknowledge,
        windowLeft: one.scales[0],
        windowRight: one.scales[1],
        timestampDelta: one.timestamps[0],
      };
      const upstream = {
        ...common,
        comes: one.upstream,
        leaves: turned(one.client),
        sequenceDelta: -one.acknowledge >>> 0,
        acknowledgeDelta: -one.sequence >>> 0,
        windowLeft: one.scales[1],
        windowRight: one.scales[0],
        timestampDelta: one.timestamps[1],
      };
      return [client, upstream];
    }),
);

const option: fc.Arbitrary<Option> = fc.oneof(
  fc.constant<Option>({ kind: 'nop' }),
  fc.record({ kind: fc.constant('timestamp' as const), value: u32, echo: u32 }),
  fc.record({
    kind: fc.constant('sack' as const),
    edges: fc
      .integer({ min: 1, max: 3 })
      .chain((n) => fc.array(u32, { minLength: 2 * n, maxLength: 2 * n })),
  }),
  bytes(3).map(
    (rest): Option => ({ kind: 'other', bytes: Buffer.concat([Buffer.of(253, 5), rest]) }),
  ),
);

const optionLength = (one: Option) =>
  one.kind === 'nop'
    ? 1
    : one.kind === 'timestamp'
      ? 10
      : one.kind === 'sack'
        ? 2 + 4 * one.edges.length
        : one.bytes.length;

/** As many of them as a header has room for, and one timestamp at most. */
function fitting(options: readonly Option[]): Option[] {
  let room = 40;
  const last = options.findLast(({ kind }) => kind === 'timestamp');
  return options.filter((one) => {
    const fits = optionLength(one) <= room && (one.kind !== 'timestamp' || one === last);
    if (fits) room -= optionLength(one);
    return fits;
  });
}

const segmentOf = (comes: Endpoints) =>
  fc.record({
    endpoints: fc.constant(comes),
    hops: fc.integer({ min: 3, max: 255 }),
    traffic: fc.integer({ min: 0, max: 255 }),
    sequence: u32,
    acknowledge: u32,
    flags: fc.integer({ min: 0, max: 255 }),
    window: u16,
    urgent: u16,
    options: fc.array(option, { maxLength: 6 }).map(fitting),
    payload: fc.uint8Array({ maxLength: 1460 }).map((array) => Buffer.from(array)),
  });

const packet = fc.tuple(flow, fc.constantFrom(0 as const, 1 as const)).chain(([sides, side]) =>
  fc.record({
    sides: fc.constant(sides),
    side: fc.constant(side),
    segment: segmentOf(sides[side].comes),
  }),
);

describe('a flow that passes', () => {
  it('has each of its packets translated as the model says', () => {
    fc.assert(
      fc.property(packet, ({ sides, side, segment }) => {
        enter(STATE.passing, sides);
        const { action, data } = run(segment);
        expect(action).toBe(REDIRECT);
        const expected = encode(translate(segment, sides[side], sides[side ^ 1]!));
        expect(data.toString('hex')).toBe(expected.toString('hex'));
      }),
      { numRuns: 2000 },
    );
  });

  it('has a packet restored by the inverse translation, hops and windows apart', () => {
    fc.assert(
      fc.property(packet, ({ sides: original, side, segment }) => {
        const sides: [Side, Side] = [
          { ...original[0], windowLeft: 0, windowRight: 0 },
          { ...original[1], windowLeft: 0, windowRight: 0 },
        ];
        // An echo of nothing stays one, and would come back as what is added to nothing.
        const plain = {
          ...segment,
          options: segment.options.filter((one) => one.kind !== 'timestamp' || one.echo !== 0),
        };
        enter(STATE.passing, sides);
        const there = Buffer.from(run(plain).data);
        const from = sides[side];
        const inverse: Side = {
          ...from,
          comes: from.leaves,
          leaves: from.comes,
          sequenceDelta: -from.sequenceDelta >>> 0,
          acknowledgeDelta: -from.acknowledgeDelta >>> 0,
          timestampDelta: -from.timestampDelta >>> 0,
        };
        const to = sides[side ^ 1]!;
        const other = { ...to, timestampDelta: -to.timestampDelta >>> 0 };
        enter(STATE.passing, side === 0 ? [inverse, other] : [other, inverse]);
        const back = runner.run(there).data;
        const zeroEcho = plain.options.some(
          (one) => one.kind === 'timestamp' && from.hasTimestamps && one.echo === to.timestampDelta,
        );
        fc.pre(!zeroEcho);
        expect(back.toString('hex')).toBe(
          encode({ ...plain, hops: plain.hops - 2 }).toString('hex'),
        );
      }),
      { numRuns: 500 },
    );
  });
});

const v4 = (last: number) => Buffer.of(192, 168, 1, last);
const side = (comes: Endpoints, leaves: Endpoints, rest: Partial<Side> = {}): Side => ({
  comes,
  leaves,
  sequenceDelta: 0,
  acknowledgeDelta: 0,
  windowLeft: 7,
  windowRight: 7,
  hasTimestamps: false,
  timestampDelta: 0,
  end: 5000,
  acknowledged: 9000,
  window: 100_000,
  ...rest,
});
const CLIENT: Endpoints = {
  family: 4,
  source: v4(40),
  destination: v4(7),
  sourcePort: 4000,
  destinationPort: 443,
};
const UPSTREAM: Endpoints = {
  family: 4,
  source: v4(7),
  destination: v4(2),
  sourcePort: 443,
  destinationPort: 5000,
};
/**
 * The client has sent up to 5000, the upstream up to 9000. The relay says 100 more to the upstream than the
 * client to it, and 7000 less to the client than the upstream to it.
 */
const SIDES: [Side, Side] = [
  side(CLIENT, turned(UPSTREAM), { acknowledgeDelta: 7000, sequenceDelta: 100 }),
  side(UPSTREAM, turned(CLIENT), {
    acknowledgeDelta: -100 >>> 0,
    sequenceDelta: -7000 >>> 0,
    end: 9000,
    acknowledged: 5000,
  }),
];
const segment = (from: Endpoints, rest: Partial<Segment>): Segment => ({
  endpoints: from,
  hops: 64,
  traffic: 0,
  sequence: from === CLIENT ? 5000 : 9000,
  acknowledge: from === CLIENT ? 2000 : 5100,
  flags: FLAG.ack,
  window: 500,
  urgent: 0,
  options: [],
  payload: Buffer.alloc(0),
  ...rest,
});

describe('the life of a flow', () => {
  it('has slots as large as the model says', () => {
    expect(mapInfo(map('slots')).valueSize).toBe(SLOT_SIZE);
  });

  it('is nobody’s business when the flow is unknown or its slot is free', () => {
    enter(STATE.free, SIDES);
    expect(run(segment(CLIENT, {})).action).toBe(PASS);
    const stranger = { ...CLIENT, sourcePort: 4001 };
    expect(run(segment(stranger, {})).action).toBe(PASS);
  });

  it('drops payload and FIN while it is held, and lets everything else pass untouched', () => {
    enter(STATE.hold, SIDES);
    expect(run(segment(CLIENT, { payload: Buffer.alloc(10) })).action).toBe(DROP);
    expect(run(segment(CLIENT, { flags: FLAG.ack | FLAG.fin })).action).toBe(DROP);
    const ack = segment(UPSTREAM, {});
    expect(run(ack)).toMatchObject({ action: PASS, data: encode(ack) });
    expect(run(segment(UPSTREAM, { flags: FLAG.rst })).action).toBe(PASS);
    expect(slot()).toMatchObject({ dropped: 2, sides: [{ seen: 1 }, { seen: 1 }] });
  });

  it('drops what has no hop left', () => {
    enter(STATE.passing, SIDES);
    expect(run(segment(CLIENT, { hops: 1 })).action).toBe(DROP);
  });

  it('ends when both FINs are acknowledged, not before', () => {
    enter(STATE.passing, SIDES);
    run(segment(CLIENT, { flags: FLAG.ack | FLAG.fin }));
    expect(slot()).toMatchObject({
      state: STATE.passing,
      sides: [{ fin: 5001, hasFin: true }, {}],
    });
    run(segment(UPSTREAM, { acknowledge: 5101, payload: Buffer.alloc(100) }));
    run(segment(UPSTREAM, { acknowledge: 5101, sequence: 9100, flags: FLAG.ack | FLAG.fin }));
    run(segment(CLIENT, { sequence: 5001, acknowledge: 2100 }));
    expect(slot().state).toBe(STATE.passing);
    run(segment(CLIENT, { sequence: 5001, acknowledge: 2101 }));
    expect(slot()).toMatchObject({ state: STATE.ended, reset: 0 });
  });

  it('goes on with packets that come behind the end, until a SYN begins another flow', () => {
    enter(STATE.ended, SIDES);
    expect(run(segment(CLIENT, {})).action).toBe(REDIRECT);
    expect(run(segment(CLIENT, { flags: FLAG.syn })).action).toBe(PASS);
    expect(run(segment(CLIENT, {})).action).toBe(PASS);
    expect(run(segment(UPSTREAM, {})).action).toBe(REDIRECT);
  });

  it('is ended by an RST that the other side has to believe, and by no other', () => {
    enter(STATE.passing, SIDES);
    for (const sequence of [4999, 5001, 5000 + 99_999, 5000 + 300_000, 0x80000000]) {
      expect(run(segment(CLIENT, { flags: FLAG.rst, sequence })).action).toBe(REDIRECT);
      expect(slot().state).toBe(STATE.passing);
    }
    run(segment(CLIENT, { flags: FLAG.rst, sequence: 5000 }));
    expect(slot()).toMatchObject({ state: STATE.ended, reset: 1 });
  });

  it('is ended by an RST behind bytes that are not yet acknowledged', () => {
    enter(STATE.passing, SIDES);
    run(segment(UPSTREAM, { payload: Buffer.alloc(700) }));
    run(segment(UPSTREAM, { flags: FLAG.rst, sequence: 9700 }));
    expect(slot()).toMatchObject({ state: STATE.ended, reset: 2 });
  });

  it('takes no notice of a FIN, of bytes or of an acknowledgement out of the window', () => {
    enter(STATE.passing, SIDES);
    run(segment(CLIENT, { sequence: 900_000, flags: FLAG.ack | FLAG.fin }));
    run(segment(CLIENT, { sequence: 900_000, payload: Buffer.alloc(9) }));
    run(segment(CLIENT, { acknowledge: 13_000 }));
    expect(slot().sides[0]).toMatchObject({ end: 5000, hasFin: false, acknowledged: 9000 });
  });

  it('drops everything of a flow that is to be reset, and still hears what is acknowledged', () => {
    enter(STATE.killed, SIDES);
    run(segment(UPSTREAM, { payload: Buffer.alloc(700) }));
    expect(run(segment(CLIENT, { acknowledge: 2700 })).action).toBe(DROP);
    expect(slot()).toMatchObject({ state: STATE.killed, sides: [{ acknowledged: 9700 }, {}] });
  });
});
