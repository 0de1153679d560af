/**
 * What receivers that stall cost others, beside plain forwarding. The lab's machines share one kernel and its memory for
 * TCP, so far ends and those that stall have small buffers here: what they keep is on machines of their own otherwise.
 */
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { LAB_CONFIG } from '../../control/lab/demo.js';
import type { LabProcess } from '../../control/lab/lab.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { CHECKOUT } from '../open-checkout.js';
import { Fixture, waitFor } from './fixture.js';

const PEER = join(CHECKOUT, 'build/test/load/peer');
const FAR = ADDRESS.internet.v4;
/** Where those that stall go, and the one beside them. */
const [STALLED_PORT, OTHER_PORT, KEEP_PORT] = ['7100', '7200', '7300'];
const PEER_BUFFER = '16384';
/** The one beside them, and the first of as many as are wanted. */
const [OTHER, FIRST] = ['192.168.1.90', '192.168.1.100'];
const MIB = 1024 * 1024;
const TRIES = 4;

let fixture: Fixture;
let relay: LabProcess | undefined;

beforeAll(async () => {
  fixture = await Fixture.start();
  const last = Array.from({ length: 50 }, (_, i) => `192.168.1.${100 + i}`);
  for (const address of [OTHER, ...last])
    await fixture.lab.check('client', ['ip', 'address', 'add', `${address}/24`, 'dev', 'eth0']);
  fixture.lab.spawn('internet', [PEER, 'pour', STALLED_PORT, PEER_BUFFER]);
  fixture.lab.spawn('internet', [PEER, 'pour', OTHER_PORT]);
  fixture.lab.spawn('internet', [PEER, 'keep', KEEP_PORT, '0']);
});
afterAll(() => fixture?.stop());
beforeEach(async () => {
  await fixture.succeed('apply');
  await start();
});

async function start(): Promise<void> {
  relay?.signal('SIGKILL');
  await relay?.exited;
  fixture.configure(`${LAB_CONFIG}relay:\n  threads: 1\n`);
  relay = await fixture.startRelay();
}

/** Once it has said that it is ready. @returns what ends it */
async function run(...argv: string[]): Promise<() => Promise<void>> {
  const stdio = ['pipe', 'pipe', 'inherit'] as const;
  const { child, exited } = fixture.lab.spawn('client', [PEER, ...argv], { stdio: [...stdio] });
  for await (const line of createInterface({ input: child.stdout! })) if (line === 'ready') break;
  return async () => {
    child.stdin!.end();
    await exited;
  };
}

const stall = (count: number, clients: number) =>
  run('stall', FAR, STALLED_PORT, `${count}`, '0', FIRST, `${clients}`, PEER_BUFFER);

const allStalled = (count: number) =>
  waitFor(
    `${count} to be seen as stalled`,
    async () => (await fixture.metric('sidetrack_relay_stalled_connections')) === count,
  );

const takeArgs = (seconds: number, rate: number) => [
  ...[PEER, 'take', FAR, OTHER_PORT],
  ...[`${seconds}`, `${rate}`, OTHER],
];

/** Bit/s of one download. */
async function rate(): Promise<number> {
  const text = await fixture.lab.check('client', takeArgs(2, 0));
  const { bytes, seconds } = JSON.parse(text) as { bytes: number; seconds: number };
  return (bytes * 8) / seconds;
}

const middle = (numbers: number[]): number => numbers.sort((a, b) => a - b)[numbers.length >> 1]!;

async function rates(): Promise<number> {
  const each: number[] = [];
  for (let i = 0; i < 3; i++) each.push(await rate());
  return middle(each);
}

/** Its download beside so many, ÷ alone. Of a few tries the best: the machine may have other things to do. */
async function part(count: number, clients: number): Promise<number> {
  let best = 0;
  for (let i = 0; i < TRIES && best < 0.9; i++) {
    const alone = await rates();
    const end = await stall(count, clients);
    await allStalled(count);
    const beside = await rates();
    await end();
    await allStalled(0);
    best = Math.max(best, beside / alone);
  }
  return best;
}

/** Of all connections with a far end: received and not read, queued and not acknowledged. */
async function memory(...nodes: string[]): Promise<number> {
  let sum = 0;
  for (const node of nodes) {
    const list = await fixture.lab.check(node, ['ss', '-Htmn', 'state', 'established']);
    for (const [, r, w] of list.matchAll(/skmem:\(r(\d+),.*?,w(\d+),/g))
      sum += Number(r) + Number(w);
  }
  return sum;
}

/** Until it grows no more. */
async function settled(...nodes: string[]): Promise<number> {
  let before = -1;
  let now = 0;
  await waitFor('memory to settle', async () => {
    before = now;
    now = await memory(...nodes);
    return now > 0 && now <= before;
  });
  return now;
}

describe('beside stalled downloads', () => {
  it.each([
    { count: 800, clients: 1 },
    { count: 800, clients: 50 },
    { count: 4000, clients: 1 },
    { count: 4000, clients: 50 },
  ])('$count of $clients client(s) another has its rate', { tags: 'long' }, async (one) => {
    expect(await part(one.count, one.clients)).toBeGreaterThanOrEqual(0.9);
  });
});

describe('what is kept', () => {
  const NODES = ['client', 'server1', 'internet'];

  it('of 200 stalled downloads is 6 times that of plain forwarding at most', {
    tags: 'long',
  }, async () => {
    const endRelayed = await stall(200, 1);
    await allStalled(200);
    const relayed = await settled(...NODES);
    await endRelayed();
    await fixture.succeed('down');
    const endPlain = await stall(200, 1);
    const plain = await settled('client', 'internet');
    await endPlain();
    expect(relayed).toBeLessThanOrEqual(6 * plain);
  });

  it('of uploads that nobody takes is little', { tags: 'long' }, async () => {
    const end = await run('push', FAR, KEEP_PORT, '40', '1', FIRST, '1');
    await allStalled(40);
    expect((await settled('server1')) / 40).toBeLessThanOrEqual(MIB / 2);
    await end();
  });

  it('for a client that takes 1 MB/s is 2 MB at most', { tags: 'long' }, async () => {
    const taking = fixture.lab.run('client', takeArgs(5, 1e6));
    const received = async (node: string): Promise<number> => {
      const argv = ['ss', '-Htin', 'state', 'established', 'dport', OTHER_PORT];
      const text = await fixture.lab.check(node, argv);
      return Number(/bytes_received:(\d+)/.exec(text)?.[1] ?? 0);
    };
    // What its own machine keeps for it is the same without a relay.
    await waitFor('it to take some', async () => (await received('client')) > 3e6);
    const beyond = (await received('server1')) - (await received('client'));
    expect(beyond).toBeLessThanOrEqual(2e6);
    expect(beyond).toBeGreaterThan(0);
    await taking;
  });
});
