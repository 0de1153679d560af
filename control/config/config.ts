/** The configuration after validation: what everything but the loader sees of `sidetrack.yaml`. */

import type { Nat64Prefix, PortRange, Verdict } from '../../bpf/policy.js';
import type { Balance } from './balance.js';
import type { Destination } from './destination.js';
import type { Diagnostic, Position } from './diagnostic.js';
import type { AddressEntry } from './entry.js';
import type { Entries } from './entry-list.js';
import type { Forwarding } from './forwarding.js';
import type { HostAddress } from './host-address.js';
import type { ListConfig } from './list-config.js';
import type { OnFailure } from './on-failure.js';
import type { PagesConfig } from './pages.js';
import type { ProbeTarget } from './probe.js';
import type { Path, RawMap } from './raw.js';
import type { Scalars } from './relay-scalars.js';
import type { CheckedFile } from './schema.js';
import type { UpstreamTarget } from './upstream-url.js';

export interface RouterConfig {
  host: HostAddress;
  interfaces: string[];
  /** Of the frames that servers take; lower case with colons, `auto` stands for what is learned. */
  macs: ('auto' | (string & {}))[];
  classifier: 'nftables' | 'ebpf';
  /** How the classifier `ebpf` hands packets over. */
  forwarding: Forwarding;
  mark: { value: number; mask: number };
  table: { id: number; name: string };
  /** `auto`: in front of what would take the packets (plan/rule-priority.ts). */
  rulePriority: number | 'auto';
  /** Never overlapping. */
  nat64: Nat64Prefix[];
  flowTableSize: number;
  /** Flows that this router has not seen begin are taken in where rules proxy them. */
  takesOver: boolean;
  /** Of each family; 0: no limit. */
  maxFlowsPerClient: number;
}

export interface TproxyConfig {
  mark: { value: number; mask: number };
  table: number;
  rulePriority: number | 'auto';
}

export interface ServerConfig {
  name: string;
  host: HostAddress;
  interface: string;
  /** At least one; in the canonical text of its family. */
  address: { v4?: string; v6?: string };
  /** Those of families that no upstream carries: they are the server's, and nothing is handed to them. */
  uncarried?: { v4?: string; v6?: string };
  /** Lower case with colons, or to be asked of the server's interface. */
  mac: 'auto' | (string & {});
  capture: 'redirect' | 'tproxy';
  /** Policy route of `capture: tproxy`; of no interest to `redirect`. */
  tproxy: TproxyConfig;
  program: 'relay' | 'external';
  port: number;
  /** Among the servers of a group, 1 to 1000. */
  weight: number;
  /** Gets new flows only where no other is fit. */
  backup: boolean;
  health: Health;
  /** Who installs the default route in its table. */
  route: 'apply' | 'external';
  /** Of `sidetrack heartbeat`, beside a program that is not ours. */
  check?: CheckConfig;
  /** As written, inside the router's mask; `plan/targets.ts` gives one where it is absent. */
  mark?: number;
  /** Likewise. */
  table?: { id?: number; name?: string };
}

/** By what the router takes a server for fit. */
export type Health = NonNullable<CheckedFile['servers'][number]['health']>;

/** One of the first three. */
export interface CheckConfig {
  tcp?: Destination;
  url?: ProbeTarget;
  /** For sh. */
  command?: string;
  intervalSeconds: number;
  timeoutSeconds: number;
}

export interface HealthConfig {
  /** Heartbeats in a row after which a server that was away is fit again. */
  rise: number;
  /** Without a heartbeat, before live flows are reset. */
  resetAfterSeconds: number;
  /** UDP, of the router. */
  port: number;
}

export interface UpstreamConfig {
  name: string;
  target: UpstreamTarget;
  weight: number;
  /** Beside what the host of the url resolves to; canonical. */
  addresses?: string[];
  optimistic?: true;
  /** Of destinations; both when absent. */
  families?: RelayFamily[];
  username?: string;
  /** Absolute or relative to the working directory; not read here. */
  passwordFile?: string;
}

/** Which upstreams connections may use; every condition present must hold. */
export interface RouteConfig {
  name: string;
  to?: AddressList;
  /** As written: neither sorted nor merged. */
  ports?: PortRange[];
  /** Names, at least one. */
  upstreams: string[];
}

export type RelayFamily = 'ipv4' | 'ipv6';

export type DrainSeconds = number | 'unlimited';

type RelayFile = CheckedFile['relay'];

export interface MetricsConfig extends PagesConfig {
  /** Who is connected to what is shown to all. */
  connections: boolean;
  /** Clients with metrics of their own, at most. */
  perClient: number;
}

/** `sidetrack exporter`. */
export interface ExporterConfig extends PagesConfig {
  /** Of a host's reading. */
  timeoutSeconds: number;
  /** Between comparisons of the hosts with the configuration. */
  compareSeconds: number;
}

export interface ProbeConfig extends Scalars<NonNullable<RelayFile['probe']>> {
  /** What a probe waits for once it is connected. */
  answer: 'none' | 'http' | 'tls' | 'banner';
  /** One of each family at most. */
  targets: ProbeTarget[];
}

/** What the schema has as a number, true or false, or a word is here by its name; the rest is listed. */
export interface RelayConfig extends Omit<Scalars<RelayFile>, 'drainSeconds'> {
  upstreams: UpstreamConfig[];
  /** First match wins; what none matches may use every upstream. */
  routes: RouteConfig[];
  /** What the relay refuses; and what it does not, though it would by itself. `deny` wins. */
  deny: AddressList;
  allow: AddressList;
  /** Addresses of servers beside those of the file. */
  otherServers?: string[];
  probe?: ProbeConfig;
  metrics: MetricsConfig;
  /** `auto` (the client's leg only), `system`, or a name. */
  congestionControl: { client: string; upstream: string };
  /** `-`, or absolute or relative to the working directory. */
  accessLog?: { file: string };
  /** After a signal to stop. */
  drainSeconds: DrainSeconds;
  /** In the process that has handed over. */
  handOverSeconds: DrainSeconds;
}

export interface SetConfig {
  /** Absolute or relative to the working directory; of a list with a url, its copy. */
  file: string;
  entries: Entries;
  /** Where it is fetched from; absent where the file is the owner's. */
  list?: ListConfig;
}

/** What `to` or `from` lists; sets are names, `private` among them. */
export interface AddressList {
  entries: AddressEntry[];
  sets: string[];
}

export interface RuleConfig {
  name: string;
  /** Always `tcp` where `action` is `proxy`. */
  proto?: 'tcp' | 'udp';
  from?: AddressList & { macs: string[] };
  /** Must hold in addition to `from`. */
  macs?: string[];
  to?: AddressList;
  /** As written: neither sorted nor merged. */
  ports?: PortRange[];
  action: Verdict;
  /** Names, of those that may take its flows; all when absent. */
  servers?: string[];
  position: Position;
}

/** What has to work after a change, where it worked before. */
export interface ConfirmConfig {
  timeoutSeconds: number;
  probeSeconds: number;
  gateway: boolean;
  dns: string[];
  internet: Destination[];
  canary: Destination[];
}

export interface Config {
  /** The path as given. */
  file: string;
  /** What it says, word for word. */
  text: string;
  router: RouterConfig;
  servers: ServerConfig[];
  health: HealthConfig;
  balance: Balance;
  relay: RelayConfig;
  exporter: ExporterConfig;
  sets: Readonly<Record<string, SetConfig>>;
  rules: RuleConfig[];
  default: Verdict;
  onFailure: OnFailure;
  confirm: ConfirmConfig;
  /** Not wrong, but hardly meant. */
  warnings: Diagnostic[];
  /** As the file has it, by its own keys and without defaults; for another machine's file. */
  written: RawMap;
  /**
   * Position of a value, by its keys as the file writes them (`['router', 'rule_priority']`), or of
   * what encloses it where a default fills in; for checks that find later that a value does not fit.
   */
  positionOf(path: Path): Position;
}
