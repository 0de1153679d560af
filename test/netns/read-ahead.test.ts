/** Receivers that take nothing: what the relay's machine keeps for them stays little, and costs nobody else. */
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LAB_CONFIG } from '../../control/lab/demo.js';
import type { LabProcess } from '../../control/lab/lab.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { CHECKOUT } from '../open-checkout.js';
import { Fixture, url, waitFor } from './fixture.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';

const PEER = join(CHECKOUT, 'build/test/load/peer');
const PORT = 7100;
const MIB = 1024 * 1024;

let fixture: Fixture;
let relay: LabProcess;

beforeAll(async () => {
  fixture = await Fixture.start();
  await fixture.succeed('apply');
  fixture.lab.spawn('internet', [PEER, 'pour', `${PORT}`]);
});
afterAll(() => fixture?.stop());

/** Ends the one before: each test begins with nothing held. */
async function start(more = ''): Promise<void> {
  relay?.signal('SIGKILL');
  await relay?.exited;
  fixture.configure(`${LAB_CONFIG}relay:\n  threads: 1\n${more}`);
  relay = await fixture.startRelay();
}

/** So many downloads of which `bytes` are read, each, and then nothing. @returns what ends them. */
async function stall(node: string, count: number, bytes = 0): Promise<() => Promise<void>> {
  const argv = [PEER, 'stall', ADDRESS.internet.v4, `${PORT}`, `${count}`, `${bytes}`];
  const { child, exited } = fixture.lab.spawn(node, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout! })) if (line === 'ready') break;
  return async () => {
    child.stdin!.end();
    await exited;
  };
}

const stalled = () => fixture.metric('sidetrack_relay_stalled_connections');
const cuts = () => fixture.metric('sidetrack_relay_read_ahead_cuts_total');
const held = async (leg: 'client' | 'upstream') =>
  fixture.metric(`sidetrack_relay_read_ahead_bytes{leg="${leg}"}`);

const middle = (numbers: number[]): number => numbers.sort((a, b) => a - b)[numbers.length >> 1]!;

/** What server1's kernel has for the usual connection: received and not read, queued and not acknowledged. */
async function kernelBytes(): Promise<number> {
  const list = await fixture.lab.check('server1', ['ss', '-Htmn', 'dst', ADDRESS.internet.v4]);
  const clients = await fixture.lab.check('server1', ['ss', '-Htmn', 'sport', '12345']);
  const received = [...list.matchAll(/skmem:\(r(\d+),/g)].map(([, bytes]) => Number(bytes));
  const queued = [...clients.matchAll(/skmem:\(.*?,w(\d+),/g)].map(([, bytes]) => Number(bytes));
  return middle(received) + middle(queued);
}

describe('stalled downloads', () => {
  it.each([
    { count: 40, bytes: 0, most: MIB / 2 },
    { count: 10, bytes: 8 * MIB, most: 2 * MIB },
  ])('$count of which $bytes B are read hold little, and are counted', async (one) => {
    await start();
    const end = await stall('client', one.count, one.bytes);
    await waitFor('all to be seen as stalled', async () => (await stalled()) === one.count);
    expect(await kernelBytes()).toBeLessThan(one.most);
    expect(await held('client')).toBeGreaterThan(0);
    expect(await held('upstream')).toBeGreaterThan(0);
    const { digest } = await fixture.download('client', url(ADDRESS.internet.v4, '/bytes/3000000'));
    expect(digest).toBe(pseudoRandomDigest(3_000_000));
    await end();
    await waitFor('none to be left', async () => (await stalled()) === 0);
    expect([await held('client'), await held('upstream')]).toEqual([0, 0]);
  });

  it('cut the client that holds most, and nobody else', async () => {
    await start('  read_ahead_budget_mib: 4\n');
    const end = await stall('client', 20);
    await waitFor('the client to be cut', async () => (await cuts()) > 0);
    await waitFor('all to be seen as stalled', async () => (await stalled()) === 20);
    const before = await cuts();
    const other = await stall('client2', 1);
    await waitFor('the other to be seen as stalled', async () => (await stalled()) === 21);
    // Each of the first one's may have been cut since, once; one of another client's never is.
    expect(await cuts()).toBeLessThanOrEqual(Math.max(before, 20));
    await other();
    await end();
  });
});
