/** The commented file that `sidetrack init` writes. Pure. */
import { printable } from '../config/diagnostic.js';
import type { Guess } from './client-side.js';
import type { Starter } from './detect.js';

/** Names of the host's stand in it: no line of them becomes one of the file. */
const checkComment = ({ check }: Guess<unknown>) =>
  check ? `   # CHECK: ${printable(check)}` : '';
const list = (values: readonly string[]) => `[${values.map(quoted).join(', ')}]`;

/** @param schema path of sidetrack.schema.json, for editors that check while one types. */
export function starterYaml(starter: Starter, schema: string): string {
  const { routerHost, routerMacs, serverHost, interfaces } = starter;
  const { serverInterface, serverAddresses, serverMac } = starter;
  const macs = routerMacs && `\n  mac: ${list(routerMacs)}   # of its frames to the server`;
  return `# yaml-language-server: $schema=${schema}
# What sidetrack does: the router hands chosen packets, unmodified, to the server; the server
# redirects them to a program that asks for SO_ORIGINAL_DST. Next: sidetrack check, sidetrack plan.

router:
  host: ${routerHost.value}   # local | netns://name | ssh://user@host[:port]${checkComment(routerHost)}
  interfaces: ${list(interfaces.value)}   # where client packets come in${checkComment(interfaces)}${macs ?? ''}
  # classifier: ebpf   # nftables (default) | ebpf: cheaper with many rules, prefixes and packets
  # forwarding: redirect  # for ebpf: mark (default) | redirect | xdp: past routing and firewall

servers:
  - name: server1
    host: ${serverHost.value}   # local | netns://name | ssh://user@host[:port]${checkComment(serverHost)}
    interface: ${quoted(serverInterface.value)}${checkComment(serverInterface)}
    address: ${list(serverAddresses.value)}${checkComment(serverAddresses)}
    mac: ${macText(serverMac ?? 'auto')}   # auto: asked of the server, or of the router's neighbours
    program: relay           # relay (sidetrack's own) | external (redsocks, ss-redir, …)
    port: 12345              # where that program listens

# Ways out of the relay; without this section it connects directly.
# relay:
#   strategy: failover       # failover | weighted | least-connections
#   upstreams:
#     - { name: vps, url: "socks5://192.0.2.1:1080", username: me, password_file: /etc/sidetrack/vps.pass }
#     - { name: direct, url: "direct:" }

# First match wins. Conditions: from, mac, to, proto, port. Actions: proxy, direct, block.
# Sets come from files, one CIDR, address or range a line:  sets: { china: { file: china.txt } }
rules:
  - { name: lan,  to: [private], action: direct }
  - { name: mail, proto: tcp, port: [25, 465, 587], action: direct }
  # - { name: quic, proto: udp, port: 443, action: block }    # browsers fall back to TCP
  - { name: rest, proto: tcp, action: proxy }
default: direct
on_failure: direct           # direct | block | reset: what happens to flows that cannot be handed over
`;
}

const macText = (mac: string) => (/^[\da-f:]+$|^auto$/i.test(mac) ? mac : JSON.stringify(mac));

/** IPv6 addresses and odd names need quotes inside a YAML flow list. */
function quoted(text: string): string {
  return /^[A-Za-z][\w.-]*$|^[\d.]+$/.test(text) ? text : JSON.stringify(text);
}
