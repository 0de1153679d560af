/** What the exporter says of the router: rules, verdicts, flow table, routes, kernel. */
import { FAMILY, type MetricTable } from './definition.js';

const RULE = {
  rule: 'place in the configuration, counted from 1, and what it matches',
  action: ['proxy', 'direct', 'block'],
} as const;
const PATH = { server: 'names of the configuration', family: FAMILY } as const;

export const routerMetrics = {
  routerRulePackets: {
    name: 'sidetrack_router_rule_packets_total',
    type: 'counter',
    unit: 'packets',
    labels: RULE,
    help: 'Packets that the rule decided on: those of flows that are not known yet.',
  },
  routerRuleBytes: {
    name: 'sidetrack_router_rule_bytes_total',
    type: 'counter',
    unit: 'bytes',
    labels: RULE,
    help: 'Bytes of those packets, with their IP headers.',
  },
  routerSteeredPackets: {
    name: 'sidetrack_router_steered_packets_total',
    type: 'counter',
    unit: 'packets',
    labels: {},
    help: 'Packets handed to a server.',
  },
  routerSteeredBytes: {
    name: 'sidetrack_router_steered_bytes_total',
    type: 'counter',
    unit: 'bytes',
    labels: {},
    help: 'Bytes of those packets, with their IP headers; answers go past the router.',
  },
  routerOnFailurePackets: {
    name: 'sidetrack_router_on_failure_packets_total',
    type: 'counter',
    unit: 'packets',
    labels: { reason: ['full', 'over_share', 'no_route', 'no_server'] },
    help: 'Packets of flows that could not be handed over and met on_failure: the flow table is full, the client has used up its share, the policy route is missing, or no server has an address of this family. The packets of a rule that proxies, less these, are those that began to be steered.',
  },
  routerGuardPackets: {
    name: 'sidetrack_router_guard_packets_total',
    type: 'counter',
    unit: 'packets',
    labels: { guard: 'names of the checks before all rules' },
    help: 'Packets that a check before all rules kept from being steered.',
  },
  routerFlows: {
    name: 'sidetrack_router_flows',
    type: 'gauge',
    unit: 'count',
    // A sum would hide that one of them is full.
    labels: { table: 'sets of nftables, maps of eBPF: flows4, closing4, flows6, closing6' },
    help: 'Flows in the flow table, by its parts, each of which has room for sidetrack_router_flows_limit: steered ones; those that open or close are in parts of their own with nftables.',
  },
  routerFlowsLimit: {
    name: 'sidetrack_router_flows_limit',
    type: 'gauge',
    unit: 'count',
    labels: {},
    help: 'Flows that each part of the flow table has room for: router.flow_table_size.',
  },
  routerClientsOverShare: {
    name: 'sidetrack_router_clients_over_share',
    type: 'gauge',
    unit: 'count',
    labels: {},
    help: 'Clients that have used up their share of the flow table.',
  },
  routerSetElements: {
    name: 'sidetrack_router_set_elements',
    type: 'gauge',
    unit: 'count',
    labels: { set: 'names of the configuration', family: FAMILY },
    help: 'Elements of a set in the kernel.',
  },
  routerNextHopReachable: {
    name: 'sidetrack_router_next_hop_reachable',
    type: 'gauge',
    unit: 'boolean',
    labels: PATH,
    help: 'Whether the router knows a MAC of the server: 0 when it did not answer ARP or neighbour discovery.',
  },
  routerRoutePresent: {
    name: 'sidetrack_router_route_present',
    type: 'gauge',
    unit: 'boolean',
    labels: PATH,
    help: 'Whether the policy route to the server is in its table.',
  },
  routerIcmpRedirectsDropped: {
    name: 'sidetrack_router_icmp_redirects_dropped_total',
    type: 'counter',
    unit: 'packets',
    labels: {},
    help: 'ICMP redirects for steered packets that were kept from clients.',
  },
  routerMartianPackets: {
    name: 'sidetrack_router_martian_packets_total',
    type: 'counter',
    unit: 'packets',
    labels: { direction: ['source', 'destination'] },
    help: 'Packets of all IPv4 traffic that the kernel dropped because their source or destination cannot be.',
  },
  routerReversePathFilteredPackets: {
    name: 'sidetrack_router_reverse_path_filtered_packets_total',
    type: 'counter',
    unit: 'packets',
    labels: {},
    help: 'Packets of all IPv4 traffic that rp_filter dropped.',
  },
  routerConntrackEntries: {
    name: 'sidetrack_router_conntrack_entries',
    type: 'gauge',
    unit: 'count',
    labels: {},
    help: 'Entries in the connection tracking table.',
  },
  routerConntrackLimit: {
    name: 'sidetrack_router_conntrack_limit',
    type: 'gauge',
    unit: 'count',
    labels: {},
    help: 'Most entries of it: nf_conntrack_max.',
  },
  routerInterfaceBytes: {
    name: 'sidetrack_router_interface_bytes_total',
    type: 'counter',
    unit: 'bytes',
    labels: {
      interface: 'those of the configuration',
      direction: ['receive', 'transmit'],
    },
    help: 'Bytes that passed an interface, steered or not.',
  },
  routerClassifierInfo: {
    name: 'sidetrack_router_classifier_info',
    type: 'gauge',
    unit: 'info',
    labels: {
      classifier: ['nftables', 'ebpf'],
      forwarding: ['mark', 'redirect', 'xdp'],
    },
    help: 'Constant 1, labelled with what judges packets and how it passes them on.',
  },
  routerClassifierEvents: {
    name: 'sidetrack_router_classifier_events_total',
    type: 'counter',
    unit: 'count',
    labels: { event: 'names of the outcomes of the eBPF classifier' },
    help: 'Packets by what the eBPF classifier did with them.',
  },
} as const satisfies MetricTable;
