/** Heartbeats that no server sent, as frames on the client's wire. */
import { fileURLToPath } from 'node:url';
import { macBytes } from '../../../bpf/config.js';
import { HEARTBEAT_PORT, HEARTBEAT_SOURCE_PORT } from '../../../bpf/server-health.js';
import {
  encodeHeartbeat,
  type Heartbeat,
  type HeartbeatSecrets,
  heartbeatSecrets,
} from '../../../control/heartbeat/message.js';
import { ADDRESS } from '../../../control/lab/topology.js';
import type { HealthWorld } from './world.js';

const INJECT = fileURLToPath(new URL('../../../build/test/inject', import.meta.url));

export const WRONG: HeartbeatSecrets = { tag: '5a'.repeat(16), siphashKey: 'a5'.repeat(16) };

/** A server that is fit for everything. */
export const FIT = { fit4: true, fit6: true, leaving: false, reason: 'ok' } as const;

/** What a machine learns that can read the server's file, or both the wires between server and router. */
export async function secretsOf(world: HealthWorld, server: string): Promise<HeartbeatSecrets> {
  const path = `/run/sidetrack/netns/${server}/heartbeat.json`;
  const text = await world.fixture.lab.check(server, ['cat', path]);
  return heartbeatSecrets((JSON.parse(text) as { key: string }).key);
}

export interface Sender {
  mac: string;
  address: string;
}

const octets = (address: string) => Buffer.from(address.split('.').map(Number));

function checksum(header: Buffer): number {
  let sum = 0;
  for (let i = 0; i < header.length; i += 2) sum += header.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** UDP without a checksum, which IPv4 allows. */
export function heartbeatFrame(
  routerMac: string,
  { mac, address }: Sender,
  beat: Heartbeat,
  secrets: HeartbeatSecrets,
): Buffer {
  const payload = encodeHeartbeat(beat, secrets);
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(HEARTBEAT_SOURCE_PORT, 0);
  udp.writeUInt16BE(HEARTBEAT_PORT, 2);
  udp.writeUInt16BE(8 + payload.length, 4);
  const ip = Buffer.alloc(20);
  ip[0] = 0x45;
  ip.writeUInt16BE(20 + udp.length + payload.length, 2);
  ip[8] = 64;
  ip[9] = 17;
  octets(address).copy(ip, 12);
  octets(ADDRESS.router.v4).copy(ip, 16);
  ip.writeUInt16BE(checksum(ip), 10);
  const ether = Buffer.concat([macBytes(routerMac), macBytes(mac), Buffer.of(0x08, 0x00)]);
  return Buffer.concat([ether, ip, udp, payload]);
}

export async function inject(
  world: HealthWorld,
  node: string,
  frames: readonly Buffer[],
): Promise<void> {
  const stdin = frames.map((frame) => `${frame.toString('hex')}\n`).join('');
  await world.fixture.lab.check(node, [INJECT, 'eth0'], { stdin });
}

/** Of the router on its bridge. */
export async function routerMac({ fixture }: HealthWorld): Promise<string> {
  const links = await fixture.lab.check('router', ['ip', '-j', 'link', 'show', 'br-lan']);
  return (JSON.parse(links) as [{ address: string }])[0].address;
}
