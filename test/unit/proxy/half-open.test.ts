/** What the kernel printed on a machine whose clients never heard its SYN-ACKs. */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import {
  halfOpenCounter,
  registerHalfOpen,
  toOthers,
  toPort,
} from '../../../monitoring/half-open.js';
import { halfOpenHandshakes } from '../../../proxy/half-open.js';

const HEADER =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const REST = '    0        0 0 0 00000000d74938e8\n';
/** Listening, established with state 03 in other places, and three half-open ones. */
const TCP = `${HEADER}   0: 00000000:3039 00000000:0000 0A 00000000:00000000 00:00000000 00000000${REST}   1: 0101010A:0003 0201010A:8F2E 01 00000000:00000003 02:00000103 00000003${REST}   2: 0101010A:3039 0201010A:8F2E 03 00000000:00000000 01:00000106 00000002${REST}   3: 076433C6:01BB 0301010A:8F2E 03 00000000:00000000 01:00000106 00000004${REST}   4: 0101010A:3039 0401010A:8F2E 03 00000000:00000000 01:00000106 00000001${REST}`;
const TCP6 = `${HEADER}   1: 0000000000000000FFFF00000101010A:3039 0000000000000000FFFF00000201010A:8F2E 03 00000000:00000000 01:00000106 00000002${REST}   2: 000009FD000000000000000001000000:3039 000009FD000000000000000002000000:ECA2 03 00000000:00000000 01:00000106 00000005${REST}`;

it('tells which handshakes have waited, and whose they are', () => {
  expect(halfOpenHandshakes(TCP)).toEqual([
    { local: { address: '10.1.1.1', port: 12345 }, client: '10.1.1.2' },
    { local: { address: '198.51.100.7', port: 443 }, client: '10.1.1.3' },
  ]);
  expect(halfOpenHandshakes(TCP6)).toEqual([
    { local: { address: '10.1.1.1', port: 12345 }, client: '10.1.1.2' },
    { local: { address: 'fd09::1', port: 12345 }, client: 'fd09::2' },
  ]);
});

it('counts those of the relay', async () => {
  const root = mkdtempSync(join(tmpdir(), 'sidetrack-proc-'));
  mkdirSync(join(root, 'net'));
  writeFileSync(join(root, 'net/tcp'), TCP);
  writeFileSync(join(root, 'net/tcp6'), TCP6);
  const counted = async (isForRelay: Parameters<typeof halfOpenCounter>[0]) => {
    const registry = new Registry();
    registerHalfOpen(registry, halfOpenCounter(isForRelay, root));
    return /half_open_handshakes (\d+)/.exec(await registry.metrics())?.[1];
  };
  expect(await counted(() => toPort(12345))).toBe('3');
  expect(await counted(() => toPort(443))).toBe('1');
  expect(await counted(toOthers)).toBe('4');
  // More than the first buffer has room for.
  const line = TCP.split('\n').at(-2)!.replace('00000001', '00000002');
  writeFileSync(join(root, 'net/tcp'), `${HEADER}${`${line}\n`.repeat(3000)}`);
  expect(await counted(() => toPort(12345))).toBe('3002');
  rmSync(root, { recursive: true });
  expect(await counted(() => toPort(12345))).toBe('0');
});

it('holds up no scrape while it cannot be counted', async () => {
  const root = mkdtempSync(join(tmpdir(), 'sidetrack-proc-'));
  mkdirSync(join(root, 'net'));
  const fifo = join(root, 'net/tcp');
  // Opening it waits for a writer, as all threads may wait for a resolver.
  execFileSync('mkfifo', [fifo]);
  const registry = new Registry();
  registerHalfOpen(
    registry,
    halfOpenCounter(() => toPort(12345), root),
  );
  const scrape = registry.metrics();
  const late = new Promise<string>((resolve) => setTimeout(resolve, 20_000, 'late').unref());
  const text = await Promise.race([scrape, late]);
  closeSync(openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK));
  rmSync(root, { recursive: true });
  expect(text).not.toBe('late');
  expect(text).not.toMatch(/half_open_handshakes \d/);
});
