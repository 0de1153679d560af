/**
 * The heartbeat's payload: 40 bytes, big-endian.
 *
 * `0 "SDTK" · 4 version · 5 flags · 6 reason · 7 zero · 8 counter u64 · 16 tag[16] · 32 SipHash-2-4 of
 * bytes 0 to 31, u64`
 *
 * nftables compares the tag, which is the same in every heartbeat of a server. The eBPF classifier
 * checks the hash, and that the counter goes up. Pure.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import {
  HEARTBEAT_FLAGS,
  type HeartbeatReason,
  reasonNumber,
  reasonOfNumber,
} from '../../bpf/server-health.js';
import { siphash24 } from './siphash.js';

export const HEARTBEAT_MAGIC = 'SDTK';
export const HEARTBEAT_VERSION = 1;
/** Bytes of payload, and where its fields begin. */
export const HEARTBEAT_LENGTH = 40;
export const HEARTBEAT_OFFSETS = {
  magic: 0,
  version: 4,
  flags: 5,
  reason: 6,
  counter: 8,
  tag: 16,
  hash: 32,
} as const;
/** Of a server's key: random bytes. */
export const HEARTBEAT_KEY_BYTES = 32;

/** What a server says of itself. */
export interface Heartbeat {
  /** Higher than in all heartbeats before. */
  counter: bigint;
  fit4: boolean;
  fit6: boolean;
  leaving: boolean;
  reason: HeartbeatReason;
}

/** What is made from a server's key; both are secrets, 32 hexadecimal digits. */
export interface HeartbeatSecrets {
  tag: string;
  siphashKey: string;
}

/** @param key 64 hexadecimal digits. */
export function heartbeatSecrets(key: string): HeartbeatSecrets {
  return {
    tag: derived(key, 'sidetrack heartbeat tag'),
    siphashKey: derived(key, 'sidetrack heartbeat siphash'),
  };
}

const derived = (key: string, purpose: string): string =>
  createHmac('sha256', Buffer.from(key, 'hex'))
    .update(purpose)
    .digest()
    .subarray(0, 16)
    .toString('hex');

export function encodeHeartbeat(beat: Heartbeat, { tag, siphashKey }: HeartbeatSecrets): Buffer {
  const bytes = Buffer.alloc(HEARTBEAT_LENGTH);
  bytes.write(HEARTBEAT_MAGIC, HEARTBEAT_OFFSETS.magic, 'latin1');
  bytes[HEARTBEAT_OFFSETS.version] = HEARTBEAT_VERSION;
  bytes[HEARTBEAT_OFFSETS.flags] = flagsOf(beat);
  bytes[HEARTBEAT_OFFSETS.reason] = reasonNumber(beat.reason);
  bytes.writeBigUInt64BE(beat.counter, HEARTBEAT_OFFSETS.counter);
  bytes.write(tag, HEARTBEAT_OFFSETS.tag, 'hex');
  bytes.writeBigUInt64BE(hashOf(bytes, siphashKey), HEARTBEAT_OFFSETS.hash);
  return bytes;
}

export const flagsOf = ({ fit4, fit6, leaving }: Omit<Heartbeat, 'counter' | 'reason'>): number =>
  (fit4 ? HEARTBEAT_FLAGS.fit4 : 0) |
  (fit6 ? HEARTBEAT_FLAGS.fit6 : 0) |
  (leaving ? HEARTBEAT_FLAGS.leaving : 0);

const hashOf = (bytes: Buffer, siphashKey: string): bigint =>
  siphash24(Buffer.from(siphashKey, 'hex'), bytes.subarray(0, HEARTBEAT_OFFSETS.hash));

/**
 * What a router makes of a payload: the reference for both classifiers.
 * @returns `malformed`: no heartbeat of this version; `tag`: another server's, or of none; `hash`: the
 * tag was copied. A number of a reason that is not known yet reads as `check`.
 */
export function decodeHeartbeat(
  bytes: Uint8Array,
  { tag, siphashKey }: HeartbeatSecrets,
): Heartbeat | 'malformed' | 'tag' | 'hash' {
  const payload = Buffer.from(bytes);
  if (
    payload.length !== HEARTBEAT_LENGTH ||
    payload.toString('latin1', 0, 4) !== HEARTBEAT_MAGIC ||
    payload[HEARTBEAT_OFFSETS.version] !== HEARTBEAT_VERSION
  )
    return 'malformed';
  const found = payload.subarray(HEARTBEAT_OFFSETS.tag, HEARTBEAT_OFFSETS.hash);
  if (!timingSafeEqual(found, Buffer.from(tag, 'hex'))) return 'tag';
  if (payload.readBigUInt64BE(HEARTBEAT_OFFSETS.hash) !== hashOf(payload, siphashKey))
    return 'hash';
  const flags = payload[HEARTBEAT_OFFSETS.flags]!;
  return {
    counter: payload.readBigUInt64BE(HEARTBEAT_OFFSETS.counter),
    fit4: (flags & HEARTBEAT_FLAGS.fit4) !== 0,
    fit6: (flags & HEARTBEAT_FLAGS.fit6) !== 0,
    leaving: (flags & HEARTBEAT_FLAGS.leaving) !== 0,
    reason: reasonOfNumber(payload[HEARTBEAT_OFFSETS.reason]!) ?? 'check',
  };
}
