/**
 * Floods of small packets through a lab's router: what its core, which does nothing else, makes of a
 * busy second. Frames come out of a veth as out of a driver with NAPI, whose thread has that core.
 */

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Lab } from '../../../control/lab/lab.js';
import { ADDRESS } from '../../../control/lab/topology.js';
import { routerTable } from '../../../control/nft/router-table.js';
import { recreateTable } from '../../../control/nft/transaction.js';
import type { Rule } from '../../../control/policy/rule.js';
import { ACK, SYN } from '../../bpf/frame.js';
import { CORE } from '../bench-lab.js';
import { CLASSIFIER_OBJECT, FLOOD_OBJECT } from './paths.js';

/** This file is build/test/load/classifier/flood.js when it runs. */
const REPOSITORY = new URL('../../../../', import.meta.url);
const ATTACH = fileURLToPath(new URL('test/bpf/peers/classifier.mjs', REPOSITORY));
const PEER = fileURLToPath(new URL('flood-peer.js', import.meta.url));
const SERVER_MAC = '02:00:00:00:01:02';
const FLOW_TABLE_SIZE = 1 << 18;
const SECONDS = 1;

const ROUTER = `
mkdir -p /run/bpf && mount -t bpf bpf /run/bpf
for k in all default br-lan; do echo 0 > /proc/sys/net/ipv4/conf/$k/send_redirects; done
ethtool -K lan0 gro on
unshare --mount sh -ec 'mount -t sysfs sysfs /sys; echo 1 > /sys/class/net/lan0/threaded'
ip rule add iif br-lan fwmark 0x96/0xff lookup 250
ip route add default via ${ADDRESS.server1.v4} dev br-lan table 250
ip neigh replace ${ADDRESS.server1.v4} lladdr ${SERVER_MAC} dev br-lan nud permanent`;

const SERVER = `
ping -c1 -W2 ${ADDRESS.router.v4}
ip link set dev eth0 xdp obj ${FLOOD_OBJECT} program sink
unshare --mount sh -ec 'mount -t sysfs sysfs /sys; echo 1 > /sys/class/net/eth0/threaded'`;

/** Nine rules that do not match, and one that does. */
const RULES: readonly Rule[] = [
  ...Array.from({ length: 9 }, (_, i) => ({
    name: `port${i}`,
    proto: 'tcp' as const,
    ports: [{ first: 1000 + i, last: 1000 + i }],
    action: 'direct' as const,
  })),
  { name: 'rest', proto: 'tcp', action: 'proxy' },
];

export type WayOut = 'nftables' | 'mark' | 'redirect' | 'xdp';
export const WAYS: readonly WayOut[] = ['nftables', 'mark', 'redirect', 'xdp'];

async function loadNftables(lab: Lab): Promise<void> {
  const table = routerTable({
    policy: { rules: [...RULES], default: 'direct' },
    interfaces: ['br-lan'],
    serverMacs: [SERVER_MAC],
    serverAddresses: { v4: [ADDRESS.server1.v4], v6: [] },
    mark: { value: 0x96, mask: 0xff },
    flowTableSize: FLOW_TABLE_SIZE,
    onFailure: 'direct',
  });
  const stdin = JSON.stringify(recreateTable(table));
  await lab.check('router', ['nft', '-j', '-f', '-'], { stdin });
}

async function loadEbpf(lab: Lab, way: WayOut): Promise<void> {
  const stdin = JSON.stringify({
    directory: '/run/bpf/sidetrack',
    object: CLASSIFIER_OBJECT,
    interfaces: ['br-lan'],
    flowTableSize: FLOW_TABLE_SIZE,
    rules: RULES,
    steering: {
      mark: { value: 0x96, mask: 0xff },
      nextHop: ADDRESS.server1,
      serverMacs: [SERVER_MAC],
      serverAddresses: Object.values(ADDRESS.server1),
      onFailure: 'direct',
    },
    ...(way === 'mark' ? {} : { redirectInterface: 'br-lan', xdp: way === 'xdp' }),
  });
  const output = await lab.check('router', [process.execPath, ATTACH, 'attach'], { stdin });
  const { error } = JSON.parse(output) as { error?: { message: string } };
  if (error) throw new Error(`attach: ${error.message}`);
}

/** NAPI threads of an interface, in this lab and in others. */
function threadsOf(name: string): string[] {
  return readdirSync('/proc').filter((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      return readFileSync(`/proc/${entry}/comm`, 'utf8').startsWith(`napi/${name}-`);
    } catch {
      return false; // It has just ended.
    }
  });
}

/** The one that has come since, on a core of its own. */
function pinNewThread(name: string, before: readonly string[], core: number): string {
  const [pid, ...more] = threadsOf(name).filter((one) => !before.includes(one));
  if (pid === undefined || more.length > 0) throw new Error(`which NAPI thread is ${name}'s?`);
  spawnSync('taskset', ['-cp', `${core}`, pid]);
  return pid;
}

export interface FloodLab {
  lab: Lab;
  routerMac: string;
  /** Thread that does all of the router's work on what the client sends. */
  thread: string;
}

export async function startFloodLab(way: WayOut): Promise<FloodLab> {
  const before = { lan0: threadsOf('lan0'), eth0: threadsOf('eth0') };
  const lab = await Lab.start();
  try {
    await lab.check('server1', ['sh', '-ec', SERVER]);
    await lab.check('router', ['sh', '-ec', ROUTER]);
    await (way === 'nftables' ? loadNftables(lab) : loadEbpf(lab, way));
    const links = await lab.check('router', ['ip', '-j', 'link', 'show', 'br-lan']);
    const [{ address }] = JSON.parse(links) as [{ address: string }];
    const thread = pinNewThread('lan0', before.lan0, CORE.relay);
    pinNewThread('eth0', before.eth0, CORE.rest);
    return { lab, routerMac: address, thread };
  } catch (error) {
    lab.stop();
    throw error;
  }
}

/** Also what the server's queue had no room for: that is not the router's doing. */
async function forwarded({ lab }: FloodLab): Promise<number> {
  const text = await lab.check('router', ['ip', '-j', '-s', 'link', 'show', 'lan1']);
  const [link] = JSON.parse(text) as [{ stats64: { tx: { packets: number; dropped: number } } }];
  return link.stats64.tx.packets + link.stats64.tx.dropped;
}

/** Of a thread, exactly, whoever else is on its core. */
const busyNanoseconds = ({ thread }: FloodLab) =>
  Number(readFileSync(`/proc/${thread}/schedstat`, 'utf8').split(' ')[0]);

async function send(bench: FloodLab, flags: number, seconds: number): Promise<void> {
  const argv = [process.execPath, PEER, `${flags}`, `${seconds}`, bench.routerMac];
  const pinned = ['taskset', '-c', `${CORE.rest}`, ...argv];
  await bench.lab.check('client', pinned, { timeoutMs: 30_000 });
}

/** Thousands of forwarded packets per busy second of the router. */
export async function measureFlood(bench: FloodLab, kind: 'SYN' | 'ACK'): Promise<number> {
  // Nothing in seconds: every flow once, slowly.
  if (kind === 'ACK') await send(bench, SYN, 0);
  const [packets, busy] = [await forwarded(bench), busyNanoseconds(bench)];
  await send(bench, kind === 'SYN' ? SYN : ACK, SECONDS);
  const seconds = (busyNanoseconds(bench) - busy) / 1e9;
  return ((await forwarded(bench)) - packets) / seconds / 1000;
}
