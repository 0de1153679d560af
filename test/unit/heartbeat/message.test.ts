import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  HEARTBEAT_REASONS,
  type HeartbeatReason,
  reasonNumber,
  reasonOfNumber,
} from '../../../bpf/server-health.js';
import {
  decodeHeartbeat,
  encodeHeartbeat,
  type Heartbeat,
  heartbeatSecrets,
} from '../../../control/heartbeat/message.js';
import { siphash24 } from '../../../control/heartbeat/siphash.js';

/** The first of the authors' vectors: key 00 to 0f, messages of so many bytes from 00 on. */
const VECTORS = [
  '310e0edd47db6f72',
  'fd67dc93c539f874',
  '5a4fa9d909806c0d',
  '2d7efbd796666785',
  'b7877127e09427cf',
  '8da699cd64557618',
  'cee3fe586e46c9cb',
  '37d1018bf50002ab',
  '6224939a79f5f593',
  'b0e4a90bdf82009e',
  'f3b9dd94c5bb5d7a',
  'a7ad6b22462fb3f4',
  'fbe50e86bc8f1e75',
  '903d84c02756ea14',
  'eef27a8e90ca23f7',
  'e545be4961ca29a1',
];

const KEY = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
const SECRETS = heartbeatSecrets(KEY);

const heartbeats = fc.record({
  counter: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fit4: fc.boolean(),
  fit6: fc.boolean(),
  leaving: fc.boolean(),
  reason: fc.constantFrom(...(Object.keys(HEARTBEAT_REASONS) as HeartbeatReason[])),
});

it('the hash is SipHash-2-4, by the published vectors', () => {
  const bytes = Uint8Array.from({ length: 16 }, (_, i) => i);
  const hashes = VECTORS.map((_, length) => {
    const out = Buffer.alloc(8);
    out.writeBigUInt64LE(siphash24(bytes, bytes.subarray(0, length)));
    return out.toString('hex');
  });
  expect(hashes).toEqual(VECTORS);
});

describe('a heartbeat', () => {
  const beat: Heartbeat = {
    counter: 0x0102_0304_0506_0708n,
    fit4: true,
    fit6: false,
    leaving: true,
    reason: 'leaving',
  };

  it('lies in its 40 bytes as documented', () => {
    const tag = createHmac('sha256', Buffer.from(KEY, 'hex'))
      .update('sidetrack heartbeat tag')
      .digest('hex')
      .slice(0, 32);
    const bytes = encodeHeartbeat(beat, SECRETS).toString('hex');
    expect(bytes.slice(0, 64)).toBe(`5344544b01050200${'0102030405060708'}${tag}`);
    expect(bytes).toHaveLength(80);
  });

  it('is read as it was written, and every changed byte is told', () => {
    fc.assert(
      fc.property(
        heartbeats,
        fc.nat({ max: 39 }),
        fc.integer({ min: 1, max: 255 }),
        (one, at, bits) => {
          const bytes = encodeHeartbeat(one, SECRETS);
          expect(decodeHeartbeat(bytes, SECRETS)).toEqual(one);
          bytes[at]! ^= bits;
          expect(decodeHeartbeat(bytes, SECRETS)).toBe(
            at < 5 ? 'malformed' : at >= 16 && at < 32 ? 'tag' : 'hash',
          );
        },
      ),
    );
  });

  it('of another length or key counts for nothing', () => {
    const bytes = encodeHeartbeat(beat, SECRETS);
    expect(decodeHeartbeat(bytes.subarray(0, 39), SECRETS)).toBe('malformed');
    expect(decodeHeartbeat(Buffer.concat([bytes, bytes]), SECRETS)).toBe('malformed');
    expect(decodeHeartbeat(bytes, heartbeatSecrets(KEY.replace('00', '01')))).toBe('tag');
  });
});

it('reasons have fixed numbers', () => {
  const names = Object.keys(HEARTBEAT_REASONS) as HeartbeatReason[];
  expect(names.map((name) => `${reasonNumber(name)} ${name}`)).toMatchInlineSnapshot(`
    [
      "0 ok",
      "1 starting",
      "2 leaving",
      "3 listener",
      "4 threads",
      "5 upstreams",
      "6 descriptors",
      "7 memory",
      "8 check",
      "9 port",
    ]
  `);
  for (const name of names) expect(reasonOfNumber(reasonNumber(name))).toBe(name);
  expect(reasonOfNumber(200)).toBeUndefined();
});
