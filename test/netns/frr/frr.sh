#!/bin/sh
# Runs FRR's daemons on a node with a configuration, until they are ended: frr.sh DIRECTORY CONFIGURATION
# It wants a group and a service of PAM, and has them in a mount namespace of its own.
set -eu

[ "${3-}" = inside ] || exec unshare --mount --propagation private sh "$0" "$1" "$2" inside
dir=$1
configuration=$2
prefix=$(cd "$(dirname "$(command -v vtysh)")/.." && pwd)
modules=
for libraries in "$prefix"/lib/*/frr; do
	LD_LIBRARY_PATH=$libraries:${LD_LIBRARY_PATH-}
	modules=$libraries/modules
done
export LD_LIBRARY_PATH

mkdir -p "$dir/pam.d"
printf 'auth sufficient pam_permit.so\naccount sufficient pam_permit.so\n' >"$dir/pam.d/frr"
{
	grep -v '^frrvty:' /etc/group
	echo 'frrvty:x:85:root'
} >"$dir/group"
mount --bind "$dir/group" /etc/group
mount --bind "$dir/pam.d" /etc/pam.d
: >"$dir/empty.conf"

for daemon in zebra staticd bgpd bfdd; do
	set --
	[ "$daemon" = bfdd ] && set -- --bfdctl "$dir/bfdd.sock"
	"$prefix/lib/frr/$daemon" "$@" -u root -g root -z "$dir/zserv" --vty_socket "$dir" --moduledir "$modules" \
		-f "$dir/empty.conf" -i "$dir/$daemon.pid" --log "file:$dir/$daemon.log" &
done
for daemon in zebra staticd bgpd bfdd; do
	while [ ! -S "$dir/$daemon.vty" ]; do sleep 0.05; done
done
vtysh --vty_socket "$dir" -C -f "$configuration"
vtysh --vty_socket "$dir" -f "$configuration"
# For those who want to ask something from outside.
cat >"$dir/ask" <<END
#!/bin/sh
LD_LIBRARY_PATH=$LD_LIBRARY_PATH exec nsenter --target=$$ --mount vtysh --vty_socket $dir "\$@"
END
chmod +x "$dir/ask"
echo loaded
wait
