#!/bin/sh
set -e
mkdir -p /run/sidetrack/netns/router
# router: remember what was there before
sh -c 'mkdir -p "${1%/*}" && cat > "$1.new" && mv "$1.new" "$1" || { rm -f "$1.new"; exit 1; }' sh /run/sidetrack/netns/router/state.json <<'SIDETRACK'
{"version":1,"sysctls":{"net/ipv4/conf/all/send_redirects":"1"},"objects":{}}
SIDETRACK
# router: set net.ipv4.conf.all.send_redirects to 0 (was 1)
tee /proc/sys/net/ipv4/conf/all/send_redirects >/dev/null <<'SIDETRACK'
0
SIDETRACK
# router: IPv4 route: table 250, default via 192.168.1.2 dev br-lan
ip -4 route replace default via 192.168.1.2 dev br-lan table 250 protocol 150
# router: IPv4 rule: from br-lan with mark 0x96/0xff use table 250
ip -4 rule add priority 1500 iif br-lan fwmark 0x96/0xff lookup 250 protocol 150
# router: create nft table inet sidetrack
nft -j -f /proc/self/fd/0 <<'SIDETRACK'
{"nftables":[{"add":{"table":{"family":"inet","name":"sidetrack"}}},{"add":{"chain":{"family":"inet","table":"sidetrack","name":"steer"}}},{"flush":{"chain":{"family":"inet","table":"sidetrack","name":"steer"}}}]}
SIDETRACK
