#!/bin/sh
# Sets up the network namespace that the caller has just made.
set -e
ip link set lo up
for last in 1 2 9; do
	ip address add 10.0.0.$last/32 dev lo
	ip address add fd00::$last/128 dev lo nodad
done
# a secondary address: the kernel answers for it with the primary one
ip address add 10.7.0.1/24 dev lo
ip address add 10.7.0.2/24 dev lo
ip route add 198.51.100.0/24 dev lo src 10.0.0.1
# no way to this one, except for the client
ip route add unreachable 198.51.100.99
ip rule add from 10.0.0.2 lookup 100
ip route add default dev lo table 100
ip -6 route add 2001:db8::/64 dev lo src fd00::1
nft -f "$(dirname "$0")/world.nft"
