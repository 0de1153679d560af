/** What the kernel makes of heartbeats: which servers get new flows, and which keep those that live. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseAddress } from '../../control/config/address.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { waitFor } from '../../control/lab/wait.js';
import { FAILURE_COMMENT } from '../../control/nft/flow-table.js';
import { LEARNED_MACS } from '../../control/nft/health-sets.js';
import { STRANGE_HEARTBEAT } from '../../control/nft/heartbeats.js';
import { type RouterTableInput, routerTable } from '../../control/nft/router-table.js';
import { serverHealth } from '../../control/nft/server-health.js';
import { elementDelta } from '../../control/nft/set-delta.js';
import { RESET_COMMENT } from '../../control/nft/steering.js';
import { replaceObjects } from '../../control/nft/transaction.js';
import type { Packet } from '../../control/policy/evaluate.js';
import { type Beat, heartbeat, PORT, type Server, segment, serverOf } from './policy/beat.js';
import { TCP } from './policy/frame.js';
import { listedCounts } from './policy/prediction.js';
import { RouterBench } from './policy/router-bench.js';
import { ROUTER } from './policy/table-input.js';
import { MACS } from './policy/world.js';

const PROXY_ALL = { rules: [], default: 'proxy' as const };
const HEALTH = { rise: 3, resetAfterSeconds: 10, port: PORT };
const one = serverOf(0);
const two = serverOf(1);
const both = [one, two];

const tableOf = (servers: readonly Server[], changes: Partial<RouterTableInput> = {}) =>
  routerTable({
    ...ROUTER,
    policy: PROXY_ALL,
    serverMacs: servers.map(({ mac }) => mac),
    serverAddresses: {
      v4: servers.map(({ target }) => target.heartbeat!.addresses[4]!),
      v6: servers.map(({ target }) => target.heartbeat!.addresses[6]!),
    },
    targets: servers.map(({ target }) => target),
    health: HEALTH,
    ...changes,
  });

let bench: RouterBench;
let port = 2000;
beforeAll(async () => {
  bench = await RouterBench.start();
});
afterAll(() => bench?.stop());
beforeEach(() => {
  port += 100;
});

/** The table, and nothing known of any server. */
async function load(servers: readonly Server[], changes: Partial<RouterTableInput> = {}) {
  await bench.load(tableOf(servers, changes));
  await forget('alive4', 'alive6', 'keep');
}

const forget = (...sets: string[]) =>
  bench.transact(
    sets.map((name) => ({ flush: { set: { family: 'inet', table: 'sidetrack', name } } })),
  );

const beat = (server: Server, ...beats: Beat[]) =>
  bench.send({
    client: beats.map((one) => {
      const { packet, content } = heartbeat(server, one);
      return bench.ethernet('client', packet, content);
    }),
  });

const rise = (server: Server, said: Beat = {}) => beat(server, said, said, said);

const clientPacket = (family: 4 | 6 = 4): Packet => {
  const key = family === 4 ? 'v4' : 'v6';
  return {
    sourceMac: MACS[0],
    family,
    source: parseAddress(ADDRESS.client[key])!,
    destination: parseAddress(ADDRESS.internet[key])!,
    protocol: 'tcp',
    sourcePort: port++,
    destinationPort: 443,
  };
};

async function fate(packet: Packet, tcpFlags: number = TCP.syn) {
  return (await bench.fire([{ serial: 1, node: 'client', packet, tcpFlags }])).get(1);
}

async function health(servers: readonly Server[]) {
  return serverHealth(
    await bench.listing(),
    servers.map(({ target }) => ({
      name: target.name,
      mark: target.mark.value,
      families: target.families,
      health: 'heartbeat' as const,
      drained: false,
    })),
  );
}

const families = async (server: Server) => (await health([server]))[0]!.families;
const counts = async () => listedCounts(await bench.listing());

async function elements(name: string) {
  const argv = ['nft', '-j', 'list', 'set', 'inet', 'sidetrack', name];
  const { nftables } = JSON.parse(await bench.lab.check('router', argv));
  return (nftables as { set?: { elem?: unknown[] } }[]).flatMap(({ set }) => set?.elem ?? []);
}

describe('a server', () => {
  test('is alive when the table is made, for as long as heartbeats need', async () => {
    await bench.load(tableOf([one]));
    expect(await families(one)).toEqual({ 4: 'alive', 6: 'alive' });
    expect(await fate(clientPacket())).toBe('proxy');
    await waitFor('the seeds to be forgotten', async () => {
      const { 4: v4 } = await families(one);
      return v4 === 'unknown';
    });
    expect(await fate(clientPacket())).toBe('direct');
    expect((await counts())[FAILURE_COMMENT.dead]).toBe(1);
  });

  test('gets flows from its third heartbeat on, until 2 s after the last', async () => {
    await load([one]);
    await beat(one, {}, {});
    expect(await families(one)).toEqual({ 4: 'rising', 6: 'rising' });
    expect(await fate(clientPacket())).toBe('direct');
    await beat(one, {});
    expect(await families(one)).toEqual({ 4: 'alive', 6: 'alive' });
    expect(await fate(clientPacket())).toBe('proxy');
    expect(await fate(clientPacket(6))).toBe('proxy');
    await waitFor('its silence to be noticed', async () => (await families(one))[4] === 'silent');
    expect(await fate(clientPacket())).toBe('direct');
  });

  test('begins to rise anew after one heartbeat that says it is not fit', async () => {
    await load([one]);
    await beat(one, {}, {}, { fit4: false, reason: 'upstreams' }, {});
    expect(await families(one)).toEqual({ 4: 'rising', 6: 'alive' });
    expect(await fate(clientPacket())).toBe('direct');
    expect(await fate(clientPacket(6))).toBe('proxy');
    await beat(one, {}, {});
    expect(await families(one)).toEqual({ 4: 'alive', 6: 'alive' });
  });

  test('says that it leaves, and loses new flows at once, but none that lives', async () => {
    await load([one]);
    await rise(one);
    const flow = clientPacket();
    expect(await fate(flow)).toBe('proxy');
    await beat(one, { fit4: true, fit6: true, leaving: true, reason: 'leaving' });
    const [said] = await health([one]);
    expect(said).toMatchObject({ families: { 4: 'unfit', 6: 'unfit' }, reason: 'leaving' });
    expect(said!.lastHeardSeconds).toBeLessThan(3);
    expect(await fate(clientPacket())).toBe('direct');
    expect(await fate(flow, TCP.ack)).toBe('proxy');
  });

  test('is heard over IPv6 as well, and tells in which family it is fit', async () => {
    await load([one]);
    await rise(one, { family: 6, fit6: false });
    expect(await families(one)).toEqual({ 4: 'alive', 6: 'unfit' });
    expect(await fate(clientPacket())).toBe('proxy');
    expect(await fate(clientPacket(6))).toBe('direct');
  });

  test('that comes back again and again is held for longer each time', async () => {
    await load([one]);
    const comeBack = async () => {
      await rise(one);
      await rise(one, { fit4: false, fit6: false });
      await rise(one);
    };
    await comeBack();
    expect(await families(one)).toEqual({ 4: 'held', 6: 'held' });
    expect(await fate(clientPacket())).toBe('direct');
    expect((await counts())[FAILURE_COMMENT.held]).toBe(1);
    await comeBack();
    await comeBack();
    const held = (await elements('held4')) as { elem: { val: number; expires: number } }[];
    expect(held.map(({ elem }) => elem.val)).toEqual([150]);
    expect(held[0]!.elem.expires).toBeGreaterThan(30);
  });

  test('that is held takes flows where no other can and none may go direct', async () => {
    await load(both, { onFailure: 'block' });
    await rise(one);
    await rise(one, { fit4: false });
    await rise(one);
    expect(await families(one)).toEqual({ 4: 'held', 6: 'alive' });
    expect(await fate(clientPacket())).toBe('proxy');
    expect((await counts()).steered).toBe(1);
    await rise(two);
    const before = await elements('closing4_1');
    for (let i = 0; i < 5; i++) expect(await fate(clientPacket())).toBe('proxy');
    expect(await elements('closing4_1')).toHaveLength(before.length + 5);
  });
});

test('a dead server that was steered to resets its live flows, IPv4 and IPv6', async () => {
  const firewall = `table inet firewall {
    chain output { type filter hook output priority filter; ct state invalid drop; }
  }`;
  await bench.lab.check('router', ['nft', '-f', '-'], { stdin: firewall });
  const seen = `table inet seen {
    chain prerouting { type filter hook prerouting priority raw;
      tcp flags rst ip saddr ${ADDRESS.internet.v4} counter comment "v4"
      tcp flags rst ip6 saddr ${ADDRESS.internet.v6} counter comment "v6"
    }
  }`;
  await bench.lab.check('client', ['nft', '-f', '-'], { stdin: seen });
  // The probe lets no neighbour advertisement in.
  for (const address of [ADDRESS.client.v4, ADDRESS.client.v6]) {
    const neighbour = ['replace', address, 'lladdr', MACS[0], 'dev', 'br-lan'];
    await bench.lab.check('router', ['ip', 'neigh', ...neighbour]);
  }
  await load([one]);
  await rise(one);
  const flows = [clientPacket(4), clientPacket(6)];
  for (const flow of flows) expect(await fate(flow)).toBe('proxy');
  await forget('alive4', 'alive6');
  for (const flow of flows) expect(await fate(flow, TCP.ack)).toBe('proxy');
  await forget('keep');
  const segments = flows.map((flow) => bench.ethernet('client', flow, segment(flow, TCP.ack)));
  expect((await bench.send({ client: segments })).steered).toEqual(new Set());
  expect((await counts())[RESET_COMMENT]).toBe(2);
  await waitFor('the client to see both resets', async () => {
    const listed = await bench.lab.check('client', ['nft', 'list', 'table', 'inet', 'seen']);
    return (listed.match(/counter packets [1-9]/g) ?? []).length === 2;
  });
  await bench.lab.check('router', ['nft', 'delete', 'table', 'inet', 'firewall']);
});

test('heartbeats that are not the server’s are counted by what is wrong, and change nothing', async () => {
  const fixed = serverOf(1);
  fixed.target.heartbeat = { ...fixed.target.heartbeat!, mac: fixed.mac };
  await load([one, fixed]);
  const other = '02:00:00:00:01:77';
  const wrong = 'ff'.repeat(16);
  await beat(one, { tag: wrong }, { tag: wrong }, { tag: wrong });
  await beat(one, { length: 39 }, { address: '192.168.1.99' });
  await beat(fixed, { mac: other }, { mac: other }, { mac: other });
  const [first, second] = await health([one, fixed]);
  expect(first!.families).toEqual({ 4: 'unknown', 6: 'unknown' });
  expect(first!.ignored).toMatchObject({ tag: 3, malformed: 1, mac: 0 });
  expect(second!.families).toEqual({ 4: 'unknown', 6: 'unknown' });
  expect(second!.ignored).toMatchObject({ mac: 3, tag: 0 });
});

test('a packet that ends before its tag, and claims not to, is no heartbeat', async () => {
  await load([one]);
  const forged = Array.from({ length: 40 }, (_, length) => ({
    ...{ length, claims: 48, tag: '00'.repeat(16), mac: MACS[0] },
  }));
  for (const family of [4, 6] as const) await beat(one, ...forged.map((it) => ({ ...it, family })));
  const [found] = await health([one]);
  expect(found).toMatchObject({ families: { 4: 'unknown', 6: 'unknown' } });
  expect(found!.ignored.tag + found!.ignored.malformed).toBe(2 * forged.length);
  expect(JSON.stringify(await elements(LEARNED_MACS))).not.toContain(MACS[0]);
});

test('a server whose MAC is not fixed is followed to another one, and never steered there', async () => {
  const moved = '02:00:00:00:01:78';
  const own = (sourceMac: string): Packet => ({ ...clientPacket(), sourceMac });
  await load([one]);
  await rise(one);
  expect(await fate(own(moved))).toBe('proxy');
  await beat(one, { mac: moved, tag: 'ff'.repeat(16) });
  expect(await fate(own(moved))).toBe('proxy');
  await beat(one, { mac: moved });
  expect(await fate(own(moved))).toBe('direct');
  expect(await fate(own(one.mac))).toBe('direct');
  // What an apply changes of it is what the file says; what was learned stays.
  const table = tableOf([one], { serverMacs: ['02:00:00:00:01:79'] });
  const { sets } = await bench.listing();
  const listed = sets.find(({ name }) => name === LEARNED_MACS)!;
  expect(listed.elements).toEqual([one.mac]);
  const set = table.sets.find(({ name }) => name === LEARNED_MACS)!;
  const delta = { [LEARNED_MACS]: elementDelta(set, listed.elements) };
  const changed = { sets: [LEARNED_MACS], chains: [] };
  await bench.transact(replaceObjects(table, changed, { sets: [], chains: [] }, delta).nftables);
  expect(JSON.stringify(await elements(LEARNED_MACS))).toContain(moved);
  expect((await bench.listing()).sets.find(({ name }) => name === LEARNED_MACS)!.elements).toEqual([
    '02:00:00:00:01:79',
  ]);
});

test('an apply changes nothing of what is known of the servers', async () => {
  await load(both);
  await rise(one);
  await bench.reload(tableOf(both, { maxFlowsPerClient: 0 }));
  expect((await families(one))[4]).toBe('alive');
  // Chain `steer_1` is written anew, and with it its seeds.
  expect(await elements('keep')).toHaveLength(2);
});

test('what clients send to the port is counted, and comes to no program', async () => {
  await load([one]);
  await bench.lab.check('router', ['nft', 'delete', 'table', 'inet', 'probe']);
  const { tag } = one.secrets;
  const bytes = (hex: string) => hex.replaceAll(/../g, (byte) => `\\x${byte}`);
  const send = (payload: string) =>
    bench.lab.check('client', [
      'bash',
      '-c',
      `printf '${bytes(payload)}' >/dev/udp/${ADDRESS.router.v4}/${PORT}`,
    ]);
  await send('53');
  await send(`5344544b01010000${'00'.repeat(8)}${tag}${'00'.repeat(8)}`);
  await waitFor('both to be counted', async () => {
    const [{ ignored } = { ignored: { address: 0 } }] = await health([one]);
    return ignored.address === 1 && (await counts())[STRANGE_HEARTBEAT] === 1;
  });
});
