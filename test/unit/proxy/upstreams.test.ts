import { afterEach, describe, expect, it } from 'vitest';
import {
  UPSTREAM_ADDRESS_OFFSET,
  UPSTREAM_PASSWORD_OFFSET,
  UPSTREAM_SIZE,
  UPSTREAM_USERNAME_OFFSET,
  UPSTREAMS,
  upstreamOffset,
} from '../../../proxy/abi.js';
import { RelayError } from '../../../proxy/error.js';
import { type Relay, startRelay } from '../../../proxy/relay.js';
import { encodeUpstream, type Upstream } from '../../../proxy/upstreams.js';

const VPS: Upstream = {
  name: 'vps',
  kind: 'socks5',
  weight: 3,
  address: '192.0.2.1',
  port: 1080,
  username: 'user',
  password: Buffer.from('hunter2'),
};

describe('encodeUpstream', () => {
  it('writes every field where the engine reads it', () => {
    const bytes = encodeUpstream(VPS, 5);
    expect(bytes).toHaveLength(UPSTREAM_SIZE);
    expect(bytes.readUInt32LE(upstreamOffset.kind)).toBe(1);
    expect(bytes.readUInt32LE(upstreamOffset.weight)).toBe(3);
    expect(bytes.readUInt32LE(upstreamOffset.port)).toBe(1080);
    expect(bytes.readUInt32LE(upstreamOffset.slot)).toBe(5);
    expect(bytes.readUInt32LE(upstreamOffset.username_length)).toBe(4);
    expect(bytes.readUInt32LE(upstreamOffset.password_length)).toBe(7);
    expect(bytes.subarray(UPSTREAM_ADDRESS_OFFSET).toString('hex', 10, 16)).toBe('ffffc0000201');
    expect(bytes.toString('utf8', UPSTREAM_USERNAME_OFFSET).startsWith('user\0')).toBe(true);
    expect(bytes.toString('utf8', UPSTREAM_PASSWORD_OFFSET).startsWith('hunter2\0')).toBe(true);
  });

  it('refuses what does not fit, and does not say what it was', () => {
    const long = { ...VPS, password: Buffer.alloc(256, 'hunter2') };
    expect(() => encodeUpstream(long, 0)).toThrow(/"vps"/);
    expect(() => encodeUpstream(long, 0)).not.toThrow(/hunter2/);
  });
});

describe('a relay', () => {
  const running: Relay[] = [];
  const start = (upstreams: Upstream[]) => {
    const relay = startRelay({ port: 0, threads: 1, upstreams });
    running.push(relay);
    return relay;
  };
  afterEach(() => {
    for (const relay of running.splice(0)) relay.stop();
  });

  it('counts by the names of its upstreams', () => {
    const { upstreams } = start([VPS, { name: 'direct', kind: 'direct' }]).stats();
    expect(upstreams.map(({ name }) => name)).toEqual(['vps', 'direct']);
    expect(upstreams[0]).toMatchObject({
      counters: { connections: 0, active: 0 },
      errors: { refused: 0, upstream_auth: 0 },
    });
  });

  it('is direct unless told otherwise', () => {
    const relay = startRelay({ port: 0, threads: 1 });
    running.push(relay);
    expect(relay.stats().upstreams.map(({ name }) => name)).toEqual(['direct']);
  });

  it('leaves the password as it was, for whoever starts another', () => {
    start([VPS]);
    expect(VPS.password?.toString()).toBe('hunter2');
  });

  it('says which upstream the engine refuses', () => {
    expect(() => start([VPS, { ...VPS, name: 'b', port: 0 }])).toThrow(/upstream 2/);
    expect(() => start(Array<Upstream>(UPSTREAMS + 1).fill(VPS))).toThrow(RelayError);
  });
});
