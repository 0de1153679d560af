/**
 * The lab with its work divided: server1 (the contestant and its softirq) on one core, everybody
 * else, who only makes load, on the other. A veth hands packets to the receiver on the sender's
 * core; receive packet steering moves them to the core where they belong.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LAB_CONFIG } from '../../control/lab/demo.js';
import { Lab, type LabProcess } from '../../control/lab/lab.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { serverTable } from '../../control/nft/server-table.js';
import { recreateTable } from '../../control/nft/transaction.js';
import { Running } from '../netns/rivals/launch.js';
import {
  CONTESTANTS,
  type Congestion,
  type ContestantName,
  program,
  SOCKS,
} from './contestants.js';

export const CORE = { rest: 0, relay: 1 } as const;
export const PORT = { iperf: 5201, web: 8080, echo: 7000, echoes: 8 } as const;
export const INTERNET = ADDRESS.internet.v4;
/** Sizes of the bodies that the web server has. */
export const BODIES = [64, 1024, 4096] as const;

const SERVER = 'server1';
/**
 * Bytes; the kernel's default, and one whose packets of 1500 bytes fit into the 1000 places of the
 * queue between two cores. That queue has no counterpart on a wire, and its losses would be all
 * that is measured.
 */
const LARGE_WINDOW = 6 << 20;
const SMALL_WINDOW = 512 << 10;
/** Of `capture: tproxy`; without the mark the route is never asked. */
const TPROXY = { mark: { value: 0x97, mask: 0xff }, table: 251 } as const;

/** Short memories, or a second of new connections fills the tables for two minutes. */
const SYSCTLS = [
  'netfilter/nf_conntrack_tcp_timeout_time_wait=1',
  'netfilter/nf_conntrack_tcp_timeout_close=1',
  'ipv4/ip_local_port_range=1024 65535',
  // A connection that goes out must not sit on the port of a contestant that is started again.
  'ipv4/ip_local_reserved_ports=12340-12359',
  'ipv4/tcp_tw_reuse=1',
  'ipv4/tcp_max_tw_buckets=20000',
  'ipv4/conf/all/send_redirects=0',
  'ipv4/conf/eth0/send_redirects=0',
];

/**
 * BBR paces by timers, and those would be measured. A namespace may choose only what
 * tcp_allowed_congestion_control of the machine names, which is always Reno.
 */
const CONGESTION_SYSCTL = '/proc/sys/net/ipv4/tcp_congestion_control';
const CONGESTION_CONTROL = `for name in cubic reno; do
  echo $name 2>/dev/null > ${CONGESTION_SYSCTL} && break
done`;

/** What server1 needs beside ip_forward. */
export const FORWARDING = `table ip bench_forwarding {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "eth0" ip saddr != ${ADDRESS.server1.v4} counter masquerade
  }
}`;

const nginxConfig = (root: string) => `daemon off; master_process off; user root;
worker_processes 1; pid nginx.pid; error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
  sendfile on; tcp_nopush on; open_file_cache max=16 inactive=1h;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server { listen ${PORT.web} backlog=4096; root ${root}; }
}
`;

export class BenchLab {
  private readonly running = new Map<ContestantName, Running>();
  private way: ContestantName | undefined;
  private congestion: Congestion | undefined;

  private constructor(
    readonly lab: Lab,
    private readonly directory: string,
  ) {}

  static async start(): Promise<BenchLab> {
    const directory = mkdtempSync(join(tmpdir(), 'sidetrack-bench-'));
    const bench = new BenchLab(await Lab.start(), directory);
    try {
      await bench.prepare();
      return bench;
    } catch (error) {
      bench.stop();
      throw error;
    }
  }

  stop(): void {
    this.lab.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async prepare(): Promise<void> {
    for (const { name } of this.lab.topology.nodes) {
      await this.steerPackets(name, name === SERVER ? CORE.relay : CORE.rest);
      await this.setSysctls(name);
    }
    const config = this.write('lab.yaml', LAB_CONFIG);
    const cli = program('control/cli/main.js');
    await this.lab.check(undefined, [process.execPath, cli, 'apply', '-c', config]);
    await this.deliverTransparently();
    await this.startServers();
  }

  private async deliverTransparently(): Promise<void> {
    const { mark, table } = TPROXY;
    const script = `ip rule add iif eth0 fwmark ${mark.value}/${mark.mask} lookup ${table} priority 1501
ip route add local default dev lo table ${table}`;
    await this.lab.check(SERVER, ['sh', '-ec', script]);
  }

  /** A namespace sees its own queues only in a sysfs that was mounted inside it. */
  private async steerPackets(node: string, core: number): Promise<void> {
    const mask = (1 << core).toString(16);
    const script = `mount -t sysfs sysfs /sys && for queue in /sys/class/net/*/queues/rx-*/rps_cpus; do echo ${mask} > $queue; done`;
    await this.lab.check(node, ['unshare', '--mount', 'sh', '-ec', script]);
  }

  /** What a node or kernel lacks is skipped, what it refuses is not. */
  private async setSysctls(node: string): Promise<void> {
    const lines = SYSCTLS.map((one) => one.split('=')).map(
      ([key, value]) => `[ ! -e /proc/sys/net/${key} ] || echo "${value}" > /proc/sys/net/${key}`,
    );
    await this.lab.check(node, ['sh', '-ec', [...lines, CONGESTION_CONTROL].join('\n')]);
  }

  private async startServers(): Promise<void> {
    const nginx = this.write('nginx.conf', nginxConfig(this.directory));
    for (const bytes of BODIES) this.write(`${bytes}`, 'x'.repeat(bytes));
    const servers: readonly (readonly [number, readonly string[]])[] = [
      [PORT.iperf, ['iperf3', '--server']],
      [PORT.web, ['nginx', '-p', this.directory, '-c', nginx, '-e', 'stderr']],
      [PORT.echo, [program('test/load/peer'), 'echo', `${PORT.echo}`, `${PORT.echoes}`]],
      [SOCKS.port, [program('test/load/naive'), 'socks', `${SOCKS.port}`]],
    ];
    for (const [port, argv] of servers) await Running.start(this.lab, 'internet', argv, port);
  }

  private write(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, text);
    return path;
  }

  /** Packets of at most 1500 bytes everywhere, or as large as the kernel likes. */
  async setOffload(on: boolean): Promise<void> {
    const word = on ? 'on' : 'off';
    for (const { name, interfaces } of this.lab.topology.nodes)
      for (const one of interfaces) {
        // GRO on a veth brings NAPI with it, which is not the default.
        const gro = on ? [] : ['gro', 'off'];
        const argv = ['ethtool', '-K', one.name, 'tso', word, 'gso', word, ...gro];
        await this.lab.check(name, argv);
      }
    const window = on ? LARGE_WINDOW : SMALL_WINDOW;
    const write = `echo "4096 131072 ${window}" > /proc/sys/net/ipv4/tcp_rmem`;
    for (const { name } of this.lab.topology.nodes) await this.lab.check(name, ['sh', '-c', write]);
  }

  /**
   * What server1's sockets get that nothing is said to, from now on; absent: as in the rest of the lab.
   * @throws when this machine does not let a namespace choose it.
   */
  async setCongestion(name?: Congestion): Promise<void> {
    if (this.congestion === name) return;
    const script = name === undefined ? CONGESTION_CONTROL : `echo ${name} > ${CONGESTION_SYSCTL}`;
    await this.lab.check(SERVER, ['sh', '-ec', script]);
    this.congestion = name;
  }

  /** Starts a contestant beside those that run already. @throws with its own words. */
  async startContestant(name: ContestantName): Promise<Running | undefined> {
    const { port, file, argv, congestion } = CONTESTANTS[name];
    if (port === undefined || this.running.has(name)) return this.running.get(name);
    const before = this.congestion;
    if (congestion !== undefined) await this.setCongestion(congestion);
    const path = file ? this.write(file.name, file.text) : '';
    const pinned = ['taskset', '-c', `${CORE.relay}`, ...argv(path)];
    const running = await Running.start(this.lab, SERVER, pinned, port);
    this.running.set(name, running);
    await this.setCongestion(before);
    return running;
  }

  /** What a contestant has printed. */
  said(name: ContestantName): string {
    return this.running.get(name)?.log ?? '';
  }

  async stopContestant(name: ContestantName): Promise<void> {
    await this.running.get(name)?.stop();
    this.running.delete(name);
  }

  /** New connections go by way of `name` from now on. */
  async leadThrough(name: ContestantName): Promise<void> {
    if (this.way === name) return;
    if (this.way === 'forwarding') await this.setForwarding(false);
    const { port, capture } = CONTESTANTS[name];
    if (port === undefined) await this.setForwarding(true);
    else await this.capture(port, capture === 'tproxy');
    this.way = name;
  }

  private async capture(port: number, transparent: boolean): Promise<void> {
    const tproxy = { mark: TPROXY.mark, families: [4] } as const;
    const show = ['ip', '-j', 'link', 'show', 'br-lan'];
    const [{ address: mac }] = JSON.parse(await this.lab.check('router', show));
    const table = serverTable({
      interface: 'eth0',
      routerMacs: [mac],
      address: ADDRESS.server1,
      port,
      ...(transparent && { tproxy }),
    });
    const stdin = JSON.stringify(recreateTable(table));
    await this.lab.check(SERVER, ['nft', '-j', '-f', '-'], { stdin });
  }

  /** Masquerading, so that the answers too come by way of server1. */
  private async setForwarding(on: boolean): Promise<void> {
    const stdin = on
      ? `flush table inet sidetrack\n${FORWARDING}`
      : 'delete table ip bench_forwarding';
    await this.lab.check(SERVER, ['nft', '-f', '-'], { stdin });
    const write = `echo ${on ? 1 : 0} > /proc/sys/net/ipv4/ip_forward`;
    await this.lab.check(SERVER, ['sh', '-c', write]);
  }

  /** Memory of its own that the contestant's process holds. */
  async anonymousBytes(name: ContestantName): Promise<number> {
    const argv = ['ss', '-Hltnp', `sport = :${CONTESTANTS[name].port}`];
    const [, pid] = /pid=(\d+)/.exec(await this.lab.check(SERVER, argv)) ?? [];
    const status = await this.lab.check(undefined, ['cat', `/proc/${pid}/status`]);
    const [, kilobytes] = /RssAnon:\s+(\d+) kB/.exec(status) ?? [];
    return Number(kilobytes) * 1024;
  }

  /** Runs a load program on the client. */
  client(argv: readonly string[]): Promise<string> {
    return this.lab.check('client', argv, { timeoutMs: 60_000 });
  }

  spawnClient(argv: readonly string[]): LabProcess {
    return this.lab.spawn('client', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  }
}
