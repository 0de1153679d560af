/** What the exporter says of the router: rules, verdicts, flow table, routes, kernel. */
import { FAMILY, type MetricTable } from './definition.js';

const RULE = {
  rule: 'names of the configuration, and default for what no rule matched',
  action: ['proxy', 'direct', 'block'],
} as const;
const PATH = { server: 'names of the configuration', family: FAMILY } as const;

export const routerMetrics = {
  routerRulePackets: {
    name: 'sidetrack_router_rule_packets_total',
    type: 'counter',
    unit: 'packets',
    labels: RULE,
    help: 'First packets of TCP flows that the rule decided on, with both classifiers; later packets of a flow are not asked again. Where a rule can block other protocols, each of their packets counts, too. One that the network card has put together from several counts once. From zero when the rule is replaced.',
  },
  routerRuleBytes: {
    name: 'sidetrack_router_rule_bytes_total',
    type: 'counter',
    unit: 'bytes',
    labels: RULE,
    help: 'Bytes of those packets with their IP headers, without those of Ethernet.',
  },
  routerSteeredPackets: {
    name: 'sidetrack_router_steered_packets_total',
    type: 'counter',
    unit: 'packets',
    labels: {},
    help: 'All packets of steered flows that were handed to a server, not only first ones; answers go past the router. One that the network card has put together from several counts once.',
  },
  routerSteeredBytes: {
    name: 'sidetrack_router_steered_bytes_total',
    type: 'counter',
    unit: 'bytes',
    labels: {},
    help: 'Bytes of those packets with their IP headers, without those of Ethernet.',
  },
  routerOnFailurePackets: {
    name: 'sidetrack_router_on_failure_packets_total',
    type: 'counter',
    unit: 'packets',
    labels: { reason: ['full', 'over_share', 'no_route', 'no_server', 'none_alive'] },
    help: 'First packets of flows that could not be handed over and met on_failure: the flow table is full, the client has used up its share, the policy route is missing, no server has an address of this family (the eBPF classifier counts these as no_route), or no server that the rule may choose was alive (none_alive). The packets of a rule that proxies, less these, are those that began to be steered.',
  },
  routerGuardPackets: {
    name: 'sidetrack_router_guard_packets_total',
    type: 'counter',
    unit: 'packets',
    labels: { guard: 'names of the checks before all rules' },
    help: 'First packets of flows that a check before all rules left alone: for the router itself and for groups (local), for a server, link-local, fragments and so on; with embedded-v4 all packets, which it drops.',
  },
  routerFlows: {
    name: 'sidetrack_router_flows',
    type: 'gauge',
    unit: 'count',
    // A sum would hide that one of them is full.
    labels: { table: 'sets of nftables, maps of eBPF: flows4, closing4, flows6, closing6' },
    help: 'Flows in the flow table, by its parts, each of which has room for sidetrack_router_flows_limit: steered ones; those that open or close are in parts of their own with nftables. Counted again after twenty times as long as counting takes, unless nft says the number (1.1.5 with Linux 6.17); absent where the router has not the memory to count them.',
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
    help: 'Clients that were over their share of the flow table in the last ten minutes; sidetrack status names them.',
  },
  routerSetElements: {
    name: 'sidetrack_router_set_elements',
    type: 'gauge',
    unit: 'count',
    labels: { set: 'names of the configuration', family: FAMILY },
    help: 'Intervals of a set in the kernel when the router was last compared; of sets that a rule looks into alone, with classifier nftables.',
  },
  routerNextHopReachable: {
    name: 'sidetrack_router_next_hop_reachable',
    type: 'gauge',
    unit: 'boolean',
    labels: PATH,
    help: 'Whether the router has a MAC of the server: 0 when it asked and got no answer, absent while it has had no reason to ask.',
  },
  routerRoutePresent: {
    name: 'sidetrack_router_route_present',
    type: 'gauge',
    unit: 'boolean',
    labels: PATH,
    help: 'Whether the policy route to the server is in its table, and its interface up.',
  },
  routerIcmpRedirectsDropped: {
    name: 'sidetrack_router_icmp_redirects_dropped_total',
    type: 'counter',
    unit: 'packets',
    labels: {},
    help: 'ICMP redirects to clients that were dropped, IPv4 and IPv6; some mean that send_redirects was turned on again.',
  },
  routerMartianPackets: {
    name: 'sidetrack_router_martian_packets_total',
    type: 'counter',
    unit: 'packets',
    labels: { direction: ['source', 'destination'] },
    help: 'IPv4 packets that the kernel dropped because their source or destination cannot be, in all network namespaces of the machine; those that rp_filter dropped are among the sources.',
  },
  routerReversePathFilteredPackets: {
    name: 'sidetrack_router_reverse_path_filtered_packets_total',
    type: 'counter',
    unit: 'packets',
    labels: {},
    help: 'IPv4 packets of all traffic that rp_filter dropped.',
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
      interface: 'those of the configuration, and those of default routes',
      direction: ['receive', 'transmit'],
    },
    help: 'Bytes that passed an interface of clients or of a default route, steered or not.',
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
    labels: { event: 'outcomes and events of the eBPF classifier, docs/classifier.md' },
    help: 'Packets by what the eBPF classifier did with them, each under one outcome, and what happened besides (admitted, closing, expired, fallback_…); from zero when it is detached.',
  },
} as const satisfies MetricTable;
