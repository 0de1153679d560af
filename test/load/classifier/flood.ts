/**
 * Floods of small packets through a lab's router: what its core does per CPU second, with
 * nothing else on it. Frames come out of a veth as out of a driver with NAPI; the NAPI thread has that core.
 */
import { spawnSync } from 'node:child_process';
import type { Lab } from '../../../control/lab/lab.js';
import { ACK, PSH, SYN } from '../../bpf/frame.js';
import { CORE } from '../bench-lab.js';
import { FLOWS } from './destinations.js';
import { busyNanoseconds, startThread, threaded } from './napi.js';
import { PINS, peer } from './paths.js';
import { type Contestant, type PolicyName, startRouter } from './router.js';
import type { Arrivals } from './traffic.js';

const SECONDS = 1;
const TIMEOUT_MS = 30_000;

export interface FloodLab {
  lab: Lab;
  routerMac: string;
  /** Thread that does all of the router's work on what the client sends. */
  thread: string;
  /** Threads that swallow what arrives. */
  sinks: readonly string[];
}

const sh = (lab: Lab, node: string, script: string) => lab.check(node, ['sh', '-ec', script]);

/** What arrives is counted and gone, before the kernel makes packets of it. */
async function placeSinks(lab: Lab): Promise<string[]> {
  await lab.check(undefined, peer('sink-peer'));
  const threads: string[] = [];
  for (const [node, sink] of [
    ['server1', 'sink_server'],
    ['internet', 'sink_internet'],
  ] as const) {
    const script = `ip link set dev eth0 xdp pinned ${PINS}/${sink}${threaded('eth0')}`;
    threads.push(await startThread('eth0', CORE.rest, () => sh(lab, node, script)));
  }
  return threads;
}

async function macOf(lab: Lab, node: string, name: string): Promise<string> {
  const links = await lab.check(node, ['ip', '-j', 'link', 'show', name]);
  return (JSON.parse(links) as [{ address: string }])[0].address;
}

/** @param start a router, once it has run what it is given. */
export async function floodLab(
  start: (prepare: (lab: Lab) => Promise<void>) => Promise<Lab>,
): Promise<FloodLab> {
  let thread = '';
  let sinks: readonly string[] = [];
  const lab = await start(async (made) => {
    sinks = await placeSinks(made);
    thread = await startThread('lan0', CORE.relay, () => sh(made, 'router', threaded('lan0')));
  });
  return { lab, thread, sinks, routerMac: await macOf(lab, 'router', 'br-lan') };
}

export const startFloodLab = (contestant: Contestant, policy: PolicyName) =>
  floodLab((prepare) => startRouter(contestant, policy, prepare));

/** Also what the server's queue had no room for: that is not the router's doing. */
async function forwarded({ lab }: FloodLab): Promise<number> {
  const text = await lab.check('router', ['ip', '-j', '-s', 'link', 'show', 'lan1']);
  const [link] = JSON.parse(text) as [{ stats64: { tx: { packets: number; dropped: number } } }];
  return link.stats64.tx.packets + link.stats64.tx.dropped;
}

/** Runs on the core that is not the router's. */
export const generator = ({ routerMac }: FloodLab, mode: string, flags: number, seconds = 0) => [
  ...['taskset', '-c', `${CORE.rest}`],
  ...peer('flood-peer', mode, flags, routerMac, seconds),
];

/**
 * While `what` sends with a window, those who take the packets go first: the generator would use up
 * its time on waiting for them, and so would others.
 */
export async function withUrgentThreads<T>(
  { thread, sinks }: FloodLab,
  what: () => Promise<T>,
): Promise<T> {
  const threads = [thread, ...sinks];
  for (const pid of threads) spawnSync('chrt', ['--fifo', '-p', '1', pid]);
  try {
    return await what();
  } finally {
    for (const pid of threads) spawnSync('chrt', ['--other', '-p', '0', pid]);
  }
}

/**
 * Opened and, by data, established.
 * @throws unless every flow has reached the server: a flood of packets without a flow is another one.
 */
async function establishFlows(bench: FloodLab): Promise<void> {
  await sendOnce(bench, SYN);
  await sendOnce(bench, ACK | PSH);
}

async function sendOnce(bench: FloodLab, flags: number): Promise<void> {
  const argv = generator(bench, 'once', flags);
  const said = await withUrgentThreads(bench, () =>
    bench.lab.check('client', argv, { timeoutMs: TIMEOUT_MS }),
  );
  const { server } = JSON.parse(said) as Arrivals;
  if (server !== FLOWS) throw new Error(`${server} of ${FLOWS} flows reached the server`);
}

/** Thousands of forwarded packets per CPU second of the router. */
export async function measureFlood(bench: FloodLab, kind: 'SYN' | 'ACK'): Promise<number> {
  if (kind === 'ACK') await establishFlows(bench);
  const thread = [bench.thread];
  const [packets, busy] = [await forwarded(bench), busyNanoseconds(thread)];
  const argv = generator(bench, 'fast', kind === 'SYN' ? SYN : ACK, SECONDS);
  await bench.lab.check('client', argv, { timeoutMs: TIMEOUT_MS });
  const seconds = (busyNanoseconds(thread) - busy) / 1e9;
  return ((await forwarded(bench)) - packets) / seconds / 1000;
}
