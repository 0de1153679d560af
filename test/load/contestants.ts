/** Who takes part and how each is started: data only. All run on server1, on the relay's core. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { INTERNET_ADDRESSES_V4 } from '../../control/lab/topology.js';

export type ContestantName =
  | 'sidetrack'
  | 'sidetrack-before'
  | 'haproxy-default'
  | 'haproxy-tuned'
  | 'naive-copy'
  | 'naive-splice'
  | 'forwarding'
  | 'sidetrack-tproxy'
  | 'sidetrack-bbr'
  | 'sidetrack-observed'
  | 'sidetrack-unobserved'
  | 'sidetrack-socks'
  | 'redsocks';

/** What people who run proxies set for all of the machine. */
export type Congestion = 'bbr';

export interface Contestant {
  label: string;
  /** Where the redirect of server1 leads; absent: no program, the kernel forwards. */
  port?: number;
  /** What server1 has when it starts: our relay looks then. */
  congestion?: Congestion;
  /** How packets get there; `redirect` when absent. */
  capture?: 'tproxy';
  /** Its configuration file, if it has one. */
  file?: { name: string; text: string };
  /** `file` is where the configuration file lies. */
  argv(file: string): readonly string[];
}

/** What a table or a chart calls a rival: its label, or its name where there is no program. */
export const labelOf = (name: string) => CONTESTANTS[name as ContestantName]?.label ?? name;

/** The compiled tree: this file is build/test/load/contestants.js when it runs. */
const build = fileURLToPath(new URL('../..', import.meta.url));
export const program = (path: string) => join(build, path);

export const SOCKS = { address: INTERNET_ADDRESSES_V4[1], port: 1080 } as const;

interface SidetrackOptions {
  capture?: string;
  /** More lines of the section `relay`. */
  relay?: readonly string[];
}

/** One thread, as there is one core; else the defaults. */
function sidetrack(
  port: number,
  metricsPort: number,
  upstream: string,
  { capture = 'redirect', relay = [] }: SidetrackOptions = {},
): string {
  return `router:
  host: netns://router
  interfaces: [br-lan]
servers:
  - name: server1
    host: netns://server1
    interface: eth0
    address: [192.168.1.2]
    port: ${port}
    capture: ${capture}
relay:
  threads: 1
  upstreams: [{ name: upstream, url: "${upstream}" }]
  metrics: { port: ${metricsPort} }
${relay.map((line) => `  ${line}\n`).join('')}`;
}

const sidetrackArgv = (file: string) => relayOf(program('control/cli/main.js'), file);

/** Another checkout, built: what a change is measured beside. */
export const BEFORE = process.env.BEFORE;
const beforeArgv = (file: string) => relayOf(join(BEFORE ?? '', 'build/control/cli/main.js'), file);

const relayOf = (cli: string, file: string) => [process.execPath, cli, 'relay', '-c', file];

/** maxpipes keeps the descriptors for 9000 connections below 20 000. */
function haproxy(port: number, global: readonly string[], options: readonly string[]): string {
  return `global
  maxconn 9100
  maxpipes 400
${global.map((line) => `  ${line}\n`).join('')}
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
${options.map((line) => `  option ${line}\n`).join('')}
frontend steered
  bind 0.0.0.0:${port}
  default_backend original
backend original
  option transparent
`;
}

const haproxyArgv = (file: string) => ['haproxy', '-db', '-f', file];

const redsocks = (port: number) => `base {
  log = "stderr";
  daemon = off;
  redirector = iptables;
  redsocks_conn_max = 8192;
}
redsocks {
  local_ip = 0.0.0.0;
  local_port = ${port};
  ip = ${SOCKS.address};
  port = ${SOCKS.port};
  type = socks5;
  splice = true;
}
`;

export const CONTESTANTS: Readonly<Record<ContestantName, Contestant>> = {
  sidetrack: {
    label: 'sidetrack',
    port: 12340,
    file: { name: 'sidetrack.yaml', text: sidetrack(12340, 9150, 'direct:') },
    argv: sidetrackArgv,
  },
  'sidetrack-before': {
    label: 'sidetrack before the change',
    port: 12350,
    file: { name: 'sidetrack-before.yaml', text: sidetrack(12350, 9155, 'direct:') },
    argv: beforeArgv,
  },
  'haproxy-default': {
    label: 'HAProxy, splice-auto, 2 threads',
    port: 12341,
    file: { name: 'haproxy.cfg', text: haproxy(12341, ['nbthread 2'], ['splice-auto']) },
    argv: haproxyArgv,
  },
  'haproxy-tuned': {
    label: 'HAProxy, tuned',
    port: 12342,
    file: {
      name: 'haproxy-tuned.cfg',
      text: haproxy(
        12342,
        ['nbthread 1', 'tune.pipesize 1048576'],
        ['splice-request', 'splice-response'],
      ),
    },
    argv: haproxyArgv,
  },
  'naive-copy': {
    label: 'naive read/write loop',
    port: 12343,
    argv: () => [program('test/load/naive'), 'copy', '12343'],
  },
  'naive-splice': {
    label: 'naive splice loop',
    port: 12344,
    argv: () => [program('test/load/naive'), 'splice', '12344'],
  },
  forwarding: { label: 'plain forwarding (ceiling)', argv: () => [] },
  'sidetrack-tproxy': {
    label: 'sidetrack, capture: tproxy',
    port: 12347,
    capture: 'tproxy',
    file: {
      name: 'sidetrack-tproxy.yaml',
      text: sidetrack(12347, 9152, 'direct:', { capture: 'tproxy' }),
    },
    argv: sidetrackArgv,
  },
  'sidetrack-bbr': {
    label: 'sidetrack',
    port: 12351,
    congestion: 'bbr',
    file: { name: 'sidetrack-bbr.yaml', text: sidetrack(12351, 9156, 'direct:') },
    argv: sidetrackArgv,
  },
  'sidetrack-observed': {
    label: 'sidetrack, observed',
    port: 12348,
    file: {
      name: 'sidetrack-observed.yaml',
      text: sidetrack(12348, 9153, 'direct:', { relay: ['access_log: { file: access.log }'] }),
    },
    argv: sidetrackArgv,
  },
  'sidetrack-unobserved': {
    label: 'sidetrack, unobserved',
    port: 12349,
    file: {
      name: 'sidetrack-unobserved.yaml',
      text: sidetrack(12349, 9154, 'direct:', { relay: ['tcp_info: false'] }),
    },
    argv: sidetrackArgv,
  },
  'sidetrack-socks': {
    label: 'sidetrack',
    port: 12345,
    file: {
      name: 'sidetrack-socks.yaml',
      text: sidetrack(12345, 9151, `socks5://${SOCKS.address}:${SOCKS.port}`),
    },
    argv: sidetrackArgv,
  },
  redsocks: {
    label: 'redsocks, splice',
    port: 12346,
    file: { name: 'redsocks.conf', text: redsocks(12346) },
    argv: (file) => ['redsocks', '-c', file],
  },
};
