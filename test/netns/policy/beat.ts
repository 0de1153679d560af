/** Heartbeats as frames, right ones and wrong ones. */
import { HEARTBEAT_SOURCE_PORT, reasonNumber } from '../../../bpf/server-health.js';
import { parseAddress } from '../../../control/config/address.js';
import {
  encodeHeartbeat,
  type Heartbeat,
  type HeartbeatSecrets,
  heartbeatSecrets,
} from '../../../control/heartbeat/message.js';
import { ADDRESS } from '../../../control/lab/topology.js';
import type { FlowTarget } from '../../../control/nft/flow-target.js';
import type { Packet } from '../../../control/policy/evaluate.js';
import { addressBytes, ip, transport } from './frame.js';

export const PORT = 9155;

/** A server that is not in the lab: all of its frames are made here. */
export interface Server {
  target: FlowTarget;
  mac: string;
  secrets: HeartbeatSecrets;
}

export function serverOf(number: number, changes: Partial<FlowTarget> = {}): Server {
  const secrets = heartbeatSecrets(
    String(number + 1)
      .padStart(2, '0')
      .repeat(32),
  );
  const mac = `02:00:00:00:01:${(0x20 + number).toString(16)}`;
  return {
    mac,
    secrets,
    target: {
      number,
      name: `server${number + 1}`,
      families: [4, 6],
      // The router's probe looks at the lowest byte.
      mark: { value: 150 + 0x100 * number, mask: 0xffff },
      heartbeat: {
        tag: secrets.tag,
        addresses: { 4: `192.168.1.${30 + number}`, 6: `fd00:1::${30 + number}` },
      },
      ...changes,
    },
  };
}

export interface Beat extends Partial<Heartbeat> {
  family?: 4 | 6;
  /** Of another one than the server. */
  mac?: string;
  address?: string;
  tag?: string;
  /** Bytes of the payload that are sent. */
  length?: number;
  /** What the UDP header says of its length, which nothing has to be true of. */
  claims?: number;
}

/** The packet and what stands behind its Ethernet header. */
export function heartbeat({ target, mac, secrets }: Server, beat: Beat = {}) {
  const { family = 4, counter = 1n, reason = 'ok', length, claims } = beat;
  const packet: Packet = {
    sourceMac: beat.mac ?? mac,
    family,
    source: parseAddress(beat.address ?? target.heartbeat!.addresses[family]!)!,
    destination: parseAddress(family === 4 ? ADDRESS.router.v4 : ADDRESS.router.v6)!,
    protocol: 'udp',
    sourcePort: HEARTBEAT_SOURCE_PORT + reasonNumber(reason),
    destinationPort: PORT,
  };
  const said = { fit4: true, fit6: true, leaving: false, ...beat, counter, reason };
  const payload = encodeHeartbeat(said, { ...secrets, tag: beat.tag ?? secrets.tag });
  return { packet, content: ip(packet, datagram(packet, payload.subarray(0, length), claims)) };
}

/** With its checksum: what is wrong here no hook of ours would see for IPv6. */
function datagram(packet: Packet, payload: Buffer, claims = 8 + payload.length): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(packet.sourcePort!, 0);
  header.writeUInt16BE(packet.destinationPort!, 2);
  header.writeUInt16BE(claims, 4);
  const whole = Buffer.concat([header, payload]);
  whole.writeUInt16BE(checksumOf(packet, 17, whole), 6);
  return whole;
}

/** A TCP segment that the kernel answers with a reset: it does so only where the checksum is right. */
export function segment(packet: Packet, flags: number): Buffer {
  const header = transport({ packet, serial: 1, tcpFlags: flags });
  header.writeUInt16BE(checksumOf(packet, 6, header), 16);
  return ip(packet, header);
}

function checksumOf({ source, destination }: Packet, protocol: number, datagram: Buffer): number {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(datagram.length);
  const parts = [
    addressBytes(source),
    addressBytes(destination),
    Buffer.from([0, protocol]),
    length,
  ];
  const bytes = Buffer.concat([...parts, datagram]);
  let sum = 0;
  bytes.forEach((byte, i) => {
    sum += i % 2 === 0 ? byte << 8 : byte;
  });
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff || 0xffff;
}
