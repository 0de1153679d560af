/** What happens to a host, as sh; each is repaired by its watcher. */
export interface Drift {
  node: 'router' | 'server1';
  name: string;
  script: string;
}

/** As nftables.service does it, of the lab's own rules. */
export const RELOAD =
  '{ echo flush ruleset; nft list table inet wan_nat; } >/run/reload && nft -f /run/reload';

/** What manages the network puts an address back; the kernel takes one of IPv6 along with the link. */
const FLAP =
  'ip link set br-lan down; ip link set br-lan up; ip addr add fd00:1::1/64 dev br-lan nodad';

const ROUTER: [string, string][] = [
  ['a reload of the firewall, which flushes the ruleset', RELOAD],
  ['a lost table', 'nft delete table inet sidetrack'],
  ['a flushed chain', 'nft flush chain inet sidetrack prerouting'],
  [
    'a lost nft rule',
    'nft delete rule inet sidetrack prerouting handle $(nft -a list chain inet sidetrack prerouting | sed -n "s/.* # handle //p" | sed -n 2p)',
  ],
  ['a foreign nft rule in a chain of ours', 'nft insert rule inet sidetrack prerouting return'],
  ['an emptied set', 'nft flush set inet sidetrack interfaces'],
  [
    'an element in a set of ours',
    'nft add element inet sidetrack server_macs { 02:00:00:00:00:99 }',
  ],
  ['a lost rule', 'ip rule del priority 1500 iif br-lan'],
  ['a lost IPv6 rule', 'ip -6 rule del priority 1500 iif br-lan'],
  ['an emptied table of routes', 'ip route flush table 250'],
  ['a changed route', 'ip -6 route replace default via fd00:1::10 table 250'],
  ['a link that goes down and up', FLAP],
  ['a setting turned back', 'echo 1 >/proc/sys/net/ipv4/conf/all/send_redirects'],
];

const SERVER: [string, string][] = [
  ['a flushed ruleset', 'nft flush ruleset'],
  ['a lost table', 'nft delete table inet sidetrack'],
  ['a flushed chain', 'nft flush chain inet sidetrack prerouting'],
  ['an emptied set', 'nft flush set inet sidetrack routers'],
  ['a setting turned back', 'echo 0 >/proc/sys/net/ipv4/tcp_mtu_probing'],
];

const at =
  (node: Drift['node']) =>
  ([name, script]: [string, string]): Drift => ({ node, name, script });

export const DRIFTS: readonly Drift[] = [...ROUTER.map(at('router')), ...SERVER.map(at('server1'))];
