/** What a host should look like, as data. Made by `router.ts` and `server.ts`, compared by `resources/registry.ts`. */
import type { ClassifierState } from '../../bpf/report.js';
import type { NftSet, Table } from '../nft/json.js';
import type { TableListing } from '../nft/listing.js';
import type { ClassifierSpec } from '../policy/classifier-spec.js';
import type { ChangeState } from './change-state.js';
import type { DesiredPersist, ObservedPersist } from './persist.js';
import type { SavedState, SavedTarget } from './saved-state.js';

export type { SavedState };
export type Family = 4 | 6;

/**
 * Marks our routes and rules among everybody else's (`ip route … protocol 150`), so that only
 * what sidetrack made is ever removed. Numbers above 4 are free for user space (rtnetlink(7)).
 */
export const ROUTE_PROTOCOL = 150;

/** RT_TABLE_MAIN (linux/rtnetlink.h). */
export const MAIN_TABLE = 254;

/** A route of metric 2^32-1 is the last that the kernel tries. */
export const LAST_METRIC = 4294967295;

export interface IpRule {
  family: Family;
  priority: number;
  iif: string;
  /** Absent, with its mask: every packet. */
  mark?: number;
  mask?: number;
  /** Absent: the packet is refused as unreachable. */
  table?: number;
  /** Routes of this prefix length or less are passed over (`suppress_prefixlength`). */
  suppressPrefixLength?: number;
  /** Why it has that priority, for the plan. */
  why?: string;
}

export interface Route {
  family: Family;
  table: number;
  /** Absent, and not `local`: the route is `unreachable`. */
  nextHop?: { via: string; dev: string };
  /** Everything is delivered to this machine itself, by way of `lo`. */
  local?: true;
  metric?: number;
}

/** `key` is the path below /proc/sys. */
export interface Sysctl {
  key: string;
  value: string;
}

/** A file as found, or as it should be. */
export interface ObservedFile {
  content: string;
  /** Permission bits. */
  mode: number;
}

export interface DesiredFile extends ObservedFile {
  path: string;
  /** What it is for, in a few words. */
  title: string;
}

/** The desired state of one host. */
export interface HostState {
  /** As in the configuration: `router`, `server1`. */
  name: string;
  table: Table;
  ipRules: IpRule[];
  routes: Route[];
  sysctls: Sysctl[];
  /** Each is one of `OWN_FILES`. */
  files: DesiredFile[];
  /** What the eBPF classifier does; absent where nftables classifies. */
  classifier?: DesiredClassifier;
  /** The package and unit of the relay; absent where they are left alone. */
  relay?: DesiredRelay;
  /** Of the router: what is remembered of those that it steers to. */
  targets?: readonly SavedTarget[];
  /** Absent where no heartbeats are to be sent. */
  heartbeat?: DesiredHeartbeat;
  /** What brings the host back at boot; absent where nothing is to. */
  persist?: DesiredPersist;
}

export interface DesiredHeartbeat {
  /** Of `heartbeat.json`; it holds a secret. */
  content: string;
  /** Name of the group that its sender is in, where that is a service. */
  group: string;
}

/** A file that a group may read. */
export interface ObservedHeartbeat extends ObservedFile {
  /** Number of the group. */
  group: number;
  /** We may not see what it holds. */
  unread?: true;
}

export interface DesiredClassifier {
  spec: ClassifierSpec;
  /** Names the specification, except for what may change without a plan; and which way in it is for. */
  digest: string;
  /** For a loader that reads no specifications. */
  loader?: BundleLoader;
}

/** A static program of ours, which was sent there. */
export interface BundleLoader {
  /** Its path on the host. */
  path: string;
  /** Makes what it reads; that holds secrets. */
  bundle(): string;
}

/** A `.deb` of ours. */
export interface RelayPackage {
  version: string;
  architecture: string;
  /** Names what is in it: two builds of one version differ here. */
  contents: string;
  base64: string;
}

export interface DesiredRelay {
  /** Present where it is to be installed, or to take the place of what is. */
  package?: RelayPackage;
  /** Absent where the file that was read lies there already. */
  config?: string;
  dropIn?: string;
  /** Paths there. */
  passwordFiles: string[];
  port: number;
}

/** As found; absent in namespaces, which share their machine's. */
export interface ObservedRelay {
  hasSystemd: boolean;
  /** dpkg's word for the machine; absent without dpkg. */
  architecture?: string;
  /** Versions of packages that are installed. */
  installed?: { version: string; contents: string };
  node?: string;
  isActive: boolean;
  isEnabled: boolean;
  /** The file that says what the unit is; absent where there is none. */
  unitFile?: string;
  config?: ObservedFile;
  dropIn?: ObservedFile;
}

export interface InterfaceFacts {
  name: string;
  mac: string;
  up: boolean;
  /** As iproute2 says it: `bridge`, `vlan` …; absent for plain devices. */
  kind?: string;
  /** The bridge, bond or VRF that this interface is a port of. */
  master?: string;
  /** What a VLAN or macvlan lies on; of a veth pair the other end. */
  link?: string;
  /** Number of the interface's group; absent for group 0. */
  group?: number;
  /** `ether` where frames carry MACs; `none`, `ppp`, `loopback` …; absent where it was not asked. */
  linkType?: string;
  addresses: InterfaceAddress[];
}

export interface InterfaceAddress {
  family: Family;
  address: string;
  prefixLength: number;
  /** Given up soon, for privacy or by the network (RFC 8981, RFC 4862). */
  temporary?: boolean;
}

export interface Prefix {
  address: string;
  length: number;
}

/** Inclusive. */
export interface NumberRange {
  first: number;
  last: number;
}

/** What a rule does with a packet that all of its selectors fit. */
export type RuleAction = 'lookup' | 'goto' | 'nop' | 'unreachable' | 'prohibit' | 'blackhole';

/** A rule as the kernel has it, made by any program. */
export interface ObservedIpRule extends Partial<Omit<IpRule, 'family' | 'priority' | 'why'>> {
  family: Family;
  priority: number;
  /** `ip rule add not …`: fits every packet that the selectors together do not fit. */
  inverted?: boolean;
  from?: Prefix;
  to?: Prefix;
  oif?: string;
  /** The interface of `iif` or `oif` does not exist, so that the selector fits no packet. */
  detached?: boolean;
  tos?: number;
  uids?: NumberRange;
  ipProtocol?: number;
  sourcePorts?: NumberRange;
  destinationPorts?: NumberRange;
  tunnelId?: number;
  /** Looks up the table of the VRF that the packet's interface belongs to, and fits no other. */
  l3mdev?: boolean;
  /** Selectors that this program does not know, by the names that `ip` gives them. */
  unknown?: string[];
  /** `lookup` when absent. */
  action?: RuleAction;
  goto?: number;
  /** Routes of at most this prefix length do not count. */
  suppressPrefixLength?: number;
  /** Routes over an interface of this group do not count. */
  suppressGroup?: number;
  /** RTPROT number, when the kernel knows one. */
  protocol?: number;
}

export interface NextHop {
  via?: string;
  dev?: string;
}

export interface ObservedRoute extends NextHop {
  family: Family;
  table: number;
  destination: string;
  /** `unicast`, or the number of another type (linux/rtnetlink.h). */
  type: string;
  /** Instead of `via` and `dev`, where there are several ways. */
  nextHops?: NextHop[];
  /** The source address that the kernel takes for packets of its own. */
  preferredSource?: string;
  /** Fits only packets from there (IPv6). */
  from?: string;
  /** Fits only packets with this type of service (IPv4); 0 when absent. */
  tos?: number;
  /** The interface is down: the route does not count. */
  dead?: boolean;
  metric?: number;
  protocol?: number;
}

/** What of a host its questions depend on. */
export interface ObservedFrom {
  address: string;
  stateDir: string;
  ownsEtc: boolean;
  sidetrack: readonly string[];
  bpfDirectory: string;
  /** What is known of the table's sets before the host is: those of long lists. */
  wantedSets?: readonly NftSet[];
}

/** A host as found. */
export interface ObservedHost extends ObservedFrom {
  /** Absent where the eBPF classifier is not attached. */
  classifier?: ClassifierState;
  interfaces: InterfaceFacts[];
  ipRules: ObservedIpRule[];
  /** All routes of all tables. */
  routes: ObservedRoute[];
  /** Every sysctl that a plan may need; a missing key does not exist on this kernel. */
  sysctls: Record<string, string>;
  /** The table `inet sidetrack`, undefined when there is none. */
  listing?: TableListing;
  /** Why nft could not list everybody's rules, so that only our own table was read. */
  rulesetUnread?: string;
  saved?: SavedState;
  /** Its file to the byte; absent where what was kept for boot stands for it. */
  savedText?: string;
  /** The change that was made there last, as far as it is not just kept. */
  change?: ChangeState;
  /** Those of `OWN_FILES` that are there, by path; none where /etc is not ours alone. */
  files: Record<string, ObservedFile>;
  /** The package and unit of the relay; absent in namespaces, which share their machine's. */
  relay?: ObservedRelay;
  /** What brings the host back at boot; absent in namespaces, which share their machine's /etc. */
  persist?: ObservedPersist;
  /** Of those that files of ours are in; absent where /etc is not ours alone. */
  directories?: ObservedDirectories;
  /** `heartbeat.json`, where there is one; it holds a secret. */
  heartbeat?: ObservedHeartbeat;
  /** Numbers of the groups that may be to read it, by name: those of services that run. */
  groups?: Readonly<Record<string, number>>;
  /** TCP ports on which something listens. */
  listeningPorts: number[];
  /** Interfaces below PPPoE sessions. */
  pppoeDevices?: string[];
  /** Those whose MAC is known (`ip neigh`). */
  neighbours: Neighbour[];
  /** Numbers of targets that no flow is left of; asked of those alone whose server is in the file no more. */
  idleTargets?: readonly number[];
  /** What `sidetrack drain` is to change, which is remembered then. */
  drain?: DrainRequest;
}

export interface ObservedDirectories {
  missing: string[];
  /** Those that were missing before the host was first persisted, as it keeps them on disk. */
  listed: string[];
  /** There is such a list. */
  isListed: boolean;
}

export interface DrainRequest {
  /** The server's name. */
  server: string;
  drained: boolean;
}

export interface Neighbour {
  address: string;
  dev: string;
  mac: string;
}
