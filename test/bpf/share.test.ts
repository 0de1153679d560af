/** A client's share of the flow table, and what it takes for a flow to be remembered for hours. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { structSize } from '../../bpf/abi.js';
import { refusedClients } from '../../bpf/clients.js';
import { addressBytes } from '../../bpf/config.js';
import { readFlows } from '../../bpf/flows.js';
import { lookupElement, updateElement } from '../../bpf/map.js';
import type { ClassifierPolicy } from '../../bpf/policy.js';
import type { Packet } from '../../control/policy/evaluate.js';
import { ACK, FIN, frame, PSH, SYN } from './frame.js';
import { leaveNetwork, MARK, Runner } from './run.js';

const SIZE = 16_384;
const SHARE = SIZE / 4;
const ORDINARY = 1000;
const REST: ClassifierPolicy = {
  rules: [{ name: 'rest', proto: 'tcp', action: 'proxy' }],
  default: 'direct',
};
const DIRECT: ClassifierPolicy = { rules: [], default: 'direct' };

const v4: Packet = {
  sourceMac: '02:00:00:00:00:40',
  family: 4,
  source: 0xc0a80128,
  destination: 0xc6336407,
  protocol: 'tcp',
  sourcePort: 40000,
  destinationPort: 443,
};
/** Of both clients: hosts of one LAN. */
const network = (0xfd00n << 112n) | (1n << 64n);
const v6: Packet = {
  ...v4,
  family: 6,
  source: network | 0x40n,
  destination: (0x20010db8n << 96n) | 7n,
};
const FAMILIES = [
  ['IPv4', v4, { ...v4, source: 0xc0a80129 }],
  ['IPv6', v6, { ...v6, source: network | 0x41n }],
] as const;

let runner: Runner;
beforeAll(leaveNetwork);
afterEach(() => runner?.close());

const load = (share = SHARE, size = SIZE) =>
  Runner.load(REST, { maxFlowsPerClient: share }, {}, size);
const steered = (packet: Packet, tcpFlags = SYN) =>
  runner.run(frame(packet, { tcpFlags })).mark === MARK.value;

/** The client's `index`th flow. */
function flowOf(client: Packet, index: number): Packet {
  const number = index % 60_000;
  return {
    ...client,
    sourcePort: 1024 + number,
    destinationPort: 1 + (index - number) / 60_000,
  };
}

/**
 * How many of the client's first flows are steered; `later` packets of the first ones must fare alike.
 * The frame is made once: what tells flows apart is written into it.
 */
function open(client: Packet, count: number, ...later: number[]): number {
  const [source, port] = client.family === 4 ? [26, 34] : [22, 54];
  const opening = frame(client, { tcpFlags: SYN });
  let admitted = 0;
  for (let i = 0; i < count; i++) {
    const flow = flowOf(client, i);
    addressBytes(flow.source).copy(opening, source);
    opening.writeUInt16BE(flow.sourcePort!, port);
    opening.writeUInt16BE(flow.destinationPort!, port + 2);
    const isSteered = runner.run(opening).mark === MARK.value;
    if (isSteered) admitted++;
    if (i < 2 * SHARE)
      for (const tcpFlags of later) expect(steered(flow, tcpFlags)).toBe(isSteered);
  }
  return admitted;
}

const clientKey = ({ family, source }: Packet): Buffer => {
  const key = Buffer.alloc(structSize.clientKey);
  if (typeof source === 'number') key.writeUInt32BE(source);
  else addressBytes(source).copy(key);
  key.writeUInt32LE(family, 16);
  return key;
};

const clientFlows = (client: Packet): number | undefined => {
  const clients = runner.object.mapDescriptor('clients');
  return lookupElement(clients, clientKey(client), structSize.client)?.readUInt32LE(0);
};

describe('one client floods the flow table', () => {
  const [[, client4, other4], [, client6, other6]] = FAMILIES;

  it.each([
    ['SYN and ACK', client4, other4, 100_000, [ACK]],
    ['SYN, ACK and data', client4, other4, 2 * SIZE, [ACK, ACK | PSH]],
    ['SYN alone, from all of its network', client6, other6, 2 * SIZE, []],
  ] as const)(
    'with %s: it gets its share, and another client all that it wants',
    (_, client, other, count, later) => {
      runner = load();
      expect(open(client, count, ...later)).toBe(SHARE);
      expect(open(other, ORDINARY, ...later)).toBe(ORDINARY);
      const { on_failure, over_share, table_full } = runner.counters();
      expect(over_share.packets).toBe(count - SHARE);
      expect(on_failure.packets).toBe(over_share.packets);
      expect(table_full.packets).toBe(0);
      expect(clientFlows(client)).toBe(SHARE);
      expect(refusedClients(runner.object.mapDescriptor('clients'))).toEqual([
        { source: client.source, flows: SHARE },
      ]);
    },
  );
});

describe.each(FAMILIES)('the share over %s', (_, client) => {
  it('does not count a flow twice that opens again, and keeps it', () => {
    runner = load(4, 64);
    expect(open(client, 4, SYN, ACK)).toBe(4);
    expect(clientFlows(client)).toBe(4);
    expect(open(client, 4)).toBe(4);
    expect(steered(flowOf(client, 4))).toBe(false);
  });

  it('is given back by flows that are judged anew and by those that are too old', () => {
    runner = load(4, 64);
    expect(open(client, 4)).toBe(4);
    const shared = Object.fromEntries(
      (['flows_v4', 'flows_v6', 'clients'] as const).map((map) => [
        map,
        runner.object.mapDescriptor(map),
      ]),
    );
    const direct = Runner.load(DIRECT, {}, shared);
    direct.run(frame(flowOf(client, 0)));
    direct.close();
    expect(clientFlows(client)).toBe(3);
    expect(steered(flowOf(client, 4))).toBe(true);
    // One that is found too old when it is looked up, the others by the sweep that the fifth one causes.
    makeOld();
    expect(steered(flowOf(client, 1), ACK)).toBe(false);
    expect(clientFlows(client)).toBe(3);
    expect(steered(flowOf(client, 5))).toBe(true);
    expect(clientFlows(client)).toBe(4);
    expect(steered(flowOf(client, 6))).toBe(true);
    expect(clientFlows(client)).toBe(2);
  });

  it('is not used up by a count below zero, as two CPUs that discount at once may leave it', () => {
    runner = load(4, 64);
    expect(open(client, 1)).toBe(1);
    const value = Buffer.alloc(structSize.client);
    value.writeInt32LE(-1, 0);
    updateElement(runner.object.mapDescriptor('clients'), clientKey(client), value);
    expect(open(client, 4)).toBe(4);
    expect(clientFlows(client)).toBe(2);
  });

  it('is no limit when it is 0', () => {
    runner = load(0, 64);
    expect(open(client, 64)).toBe(64);
    expect(open({ ...client, sourceMac: '02:00:00:00:00:41' }, 65)).toBe(64);
    expect(runner.counters().table_full.packets).toBe(1);
  });

  function makeOld(): void {
    const fd = runner.object.mapDescriptor(client.family === 4 ? 'flows_v4' : 'flows_v6');
    const bytes = client.family === 4 ? structSize.flowKeyV4 : structSize.flowKeyV6;
    for (let i = 0; i < 5; i++) {
      const { source, sourcePort = 0, destination, destinationPort = 0 } = flowOf(client, i);
      const hex = (value: number | bigint) =>
        value.toString(16).padStart(client.family === 4 ? 8 : 32, '0');
      const key = Buffer.alloc(bytes, Buffer.from(hex(source) + hex(destination), 'hex'));
      key.writeUInt16BE(sourcePort, bytes - 4);
      key.writeUInt16BE(destinationPort, bytes - 2);
      const value = lookupElement(fd, key, structSize.flow);
      if (value === undefined) continue;
      value.writeUInt32LE((value.readUInt32LE(0) - 300) >>> 0, 0);
      updateElement(fd, key, value);
    }
  }
});

describe.each(FAMILIES)('a flow over %s', (_, packet) => {
  it('is established when its client has sent data, and not before', () => {
    runner = load();
    const state = () =>
      readFlows(
        runner.object.mapDescriptor(packet.family === 4 ? 'flows_v4' : 'flows_v6'),
        packet.family,
      ).map((flow) => flow.state);
    for (const flags of [SYN, ACK, ACK]) expect(steered(packet, flags)).toBe(true);
    expect(state()).toEqual(['opening']);
    expect(steered(packet, PSH | ACK)).toBe(true);
    expect(state()).toEqual(['established']);
    expect(steered(packet, FIN | ACK)).toBe(true);
    expect(steered(packet, PSH | ACK)).toBe(true);
    expect(state()).toEqual(['closing']);
  });
});
