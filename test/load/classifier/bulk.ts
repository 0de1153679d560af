/**
 * TCP from the client by way of the router and server1, which forwards, to the Internet: what the
 * router's core does per CPU second, and what comes through. All that the router does with the
 * packets, whichever way they go, is time of three threads on its core: it gets them as from a wire,
 * 1500 bytes each, merges them in GRO, and hands them over to the others' core.
 */
import type { Lab } from '../../../control/lab/lab.js';
import { Running } from '../../netns/rivals/launch.js';
import { CORE, FORWARDING, INTERNET, PORT } from '../bench-lab.js';
import { readIperf } from '../loads.js';
import { busyNanoseconds, startThread, threaded } from './napi.js';
import { type Contestant, startRouter } from './router.js';

const SECONDS = 1;
const TIMEOUT_MS = 30_000;
/** BBR paces by timers, and these would be measured. A namespace may not choose CUBIC for itself. */
const CONGESTION = ['--congestion', 'cubic'];
const WINDOW = 256 << 10;
const GIGABIT_BYTES = 1e9 / 8;

/**
 * Of who is not the router. A veth leaves NAPI out for a sender with TSO; and its receiver would run on
 * the router's core. A redirect would send the client past the router. Windows fit into the 256
 * places of a veth's queue, whose losses would be all that is measured.
 */
const OTHERS = `
ethtool -K eth0 tso off
unshare --mount sh -ec 'mount -t sysfs sysfs /sys
  echo ${(1 << CORE.rest).toString(16)} > /sys/class/net/eth0/queues/rx-0/rps_cpus'
for k in all default eth0; do echo 0 > /proc/sys/net/ipv4/conf/$k/send_redirects; done
echo 4096 131072 ${WINDOW} > /proc/sys/net/ipv4/tcp_rmem`;

const SERVER = `
echo 1 > /proc/sys/net/ipv4/ip_forward
nft -f - <<'EOF'
${FORWARDING}
EOF`;

export interface BulkLab {
  lab: Lab;
  /** The router's. */
  threads: readonly string[];
  /** A count that goes up with what comes to server1. */
  steered: (lab: Lab) => Promise<number>;
}

/** @param start a router, once it has run what it is given. */
export async function bulkLab(
  start: (prepare: (lab: Lab) => Promise<void>) => Promise<Lab>,
  steered: BulkLab['steered'],
  server = '',
): Promise<BulkLab> {
  const threads: string[] = [];
  const lab = await start(async (made) => {
    for (const node of ['client', 'server1', 'internet'])
      await made.check(node, ['sh', '-ec', OTHERS]);
    for (const name of ['lan0', 'lan1', 'wan']) {
      const begin = () => made.check('router', ['sh', '-ec', threaded(name)]);
      threads.push(await startThread(name, CORE.relay, begin));
    }
    await made.check('server1', ['sh', '-ec', server]);
    const argv = ['taskset', '-c', `${CORE.rest}`, 'iperf3', '--server'];
    await Running.start(made, 'internet', argv, PORT.iperf);
  });
  return { lab, threads, steered };
}

/** Whose server1 forwards. */
export const startBulkLab = (contestant: Contestant) =>
  bulkLab((prepare) => startRouter(contestant, 'ten rules', prepare), masqueraded, SERVER);

export interface BulkFigures {
  /** Gigabits per CPU second of the router. */
  perBusySecond: number;
  perSecond: number;
}

export async function measureBulk(
  { lab, threads, steered }: BulkLab,
  direction: 'upload' | 'download',
): Promise<BulkFigures> {
  const reverse = direction === 'download' ? ['--reverse'] : [];
  const how = ['--time', `${SECONDS}`, ...CONGESTION, ...reverse];
  const iperf = ['iperf3', '--client', INTERNET, '--json', ...how];
  const before = [await steered(lab), busyNanoseconds(threads)] as const;
  const said = await lab.check('client', ['taskset', '-c', `${CORE.rest}`, ...iperf], {
    timeoutMs: TIMEOUT_MS,
  });
  const busy = (busyNanoseconds(threads) - before[1]) / 1e9;
  if ((await steered(lab)) === before[0]) throw new Error('nothing was steered');
  const { amount, seconds } = readIperf(said);
  return {
    perBusySecond: amount / GIGABIT_BYTES / busy,
    perSecond: amount / GIGABIT_BYTES / seconds,
  };
}

/** What server1 has masqueraded came by way of it. */
async function masqueraded(lab: Lab): Promise<number> {
  const text = await lab.check('server1', [
    'nft',
    'list',
    'chain',
    'ip',
    'bench_forwarding',
    'postrouting',
  ]);
  const packets = /packets (\d+)/.exec(text)?.[1];
  if (packets === undefined) throw new Error(`no counter in: ${text}`);
  return Number(packets);
}
