#!/bin/sh
# Installs what `make demo`, `make test` and `make bench-relay` need and skips what is there already.
#   deps.sh demo | deps.sh test | deps.sh bench | deps.sh kernel | deps.sh roots
# Ordinary programs come from apt. The daemons that the tests and measurements compare with (redsocks, HAProxy, …)
# are only unpacked below build/rivals: installing them would start services on your machine.
# So are Prometheus, and the ssh servers, sudo and busybox, which make machines of the lab's nodes.
# `kernel` unpacks an emulator and Debian's stock kernel below build/kernel, for `make test-kernel` alone.
# `roots` makes bare Debian systems below build/roots, for the long tests of the packages.
# Without root nothing is installed; what is missing is named, and the tests skip it.
set -eu

want=${1:?usage: deps.sh demo|test|bench|kernel|roots}
here=$(cd "$(dirname "$0")/../.." && pwd)
rivals=$here/build/rivals
kernel=$here/build/kernel

# program:package
needed="nft:nftables ip:iproute2 unshare:util-linux gcc:gcc cc:libc6-dev iperf3:iperf3 curl:curl"
[ "$want" = test ] && needed="$needed tmux:tmux ping:iputils-ping ethtool:ethtool sysctl:procps clang:clang llvm-strip:llvm bpf:libbpf-dev
	strace:strace chromium:chromium"
daemons="redsocks:redsocks ss-redir:shadowsocks-libev haproxy:haproxy microsocks:microsocks
	tinyproxy:tinyproxy-bin systemd-analyze:systemd
	prometheus:prometheus ssh:openssh-client sshd:openssh-server dropbear:dropbear-bin sudo:sudo vtysh:frr keepalived:keepalived $rivals/bin/busybox:busybox $rivals/bin/tcsh:tcsh"
[ "$want" = roots ] && needed="$needed debootstrap:debootstrap"
[ "$want" = bench ] && needed="$needed ethtool:ethtool"
[ "$want" = bench ] && daemons="redsocks:redsocks haproxy:haproxy nginx:nginx-light wrk:wrk"

PATH=$PATH:/usr/sbin:/sbin:$rivals/usr/bin:$rivals/usr/sbin

missing() { # program:package … → the packages whose program is not there
	for pair in "$@"; do
		program=${pair%%:*}
		package=${pair#*:}
		if [ "$package" = libc6-dev ]; then
			[ -e /usr/include/stdio.h ] || echo "$package"
		elif [ "$package" = libbpf-dev ]; then
			[ -e /usr/include/bpf/bpf_helpers.h ] || echo "$package"
		elif [ "$program" = libfuzzer ]; then
			find /usr/lib/llvm* -name 'libclang_rt.fuzzer-*' 2>/dev/null | grep -q . || echo "$package"
		elif ! command -v "$program" >/dev/null 2>&1; then
			echo "$package"
		fi
	done
}

update_lists() {
	[ -e "$here/build/.apt-updated" ] && return
	echo "deps: apt-get update"
	apt-get update -qq || { echo "deps: apt-get update failed; are Debian's mirrors reachable?" >&2; exit 1; }
	mkdir -p "$here/build"
	touch "$here/build/.apt-updated"
}

install_programs() {
	packages=$(missing $needed)
	[ -z "$packages" ] && return
	if [ "$(id -u)" != 0 ]; then
		echo "deps: missing:" $packages
		echo "      install them with: sudo apt-get install" $packages
		case " $packages " in *" nftables "*|*" iproute2 "*|*" gcc "*|*" util-linux "*) exit 1 ;; esac
		return
	fi
	update_lists
	echo "deps: apt-get install" $packages
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null ||
		{ echo "deps: apt-get install failed; try it by hand: apt-get install" $packages >&2; exit 1; }
}

unpack_daemons() {
	packages=$(missing $daemons)
	[ -z "$packages" ] && return
	if [ "$(id -u)" != 0 ]; then
		echo "deps: not unpacked without root, their tests are skipped:" $packages
		return
	fi
	update_lists
	echo "deps: unpacking into build/rivals:" $packages
	mkdir -p "$rivals/archives/partial"
	apt-get install -y -qq --no-install-recommends --download-only \
		-o Dir::Cache::archives="$rivals/archives" -o APT::Sandbox::User=root $packages >/dev/null ||
		{ echo "deps: download failed; try: apt-get install --download-only" $packages >&2; exit 1; }
	for archive in "$rivals"/archives/*.deb; do
		dpkg-deb --extract "$archive" "$rivals"
	done
	rm -rf "$rivals/archives"
}

# The emulator with its libraries, and without theirs the kernel and busybox: those would install an init system.
unpack_kernel() {
	[ -e "$kernel/unpacked" ] && return
	[ "$(id -u)" = 0 ] || { echo "deps: make test-kernel needs root" >&2; exit 1; }
	update_lists
	rm -rf "$kernel"
	mkdir -p "$kernel/archives/partial" "$kernel/root"
	image=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p')
	[ -n "$image" ] || { echo "deps: apt knows no linux-image-amd64; is this Debian on amd64?" >&2; exit 1; }
	echo "deps: unpacking into build/kernel: qemu-system-x86 busybox-static $image"
	apt-get install -y -qq --no-install-recommends --download-only \
		-o Dir::Cache::archives="$kernel/archives" -o APT::Sandbox::User=root qemu-system-x86 >/dev/null &&
		(cd "$kernel/archives" && apt-get download -qq -o APT::Sandbox::User=root "$image" busybox-static) ||
		{ echo "deps: download failed; try: apt-get download qemu-system-x86 $image busybox-static" >&2; exit 1; }
	for archive in "$kernel"/archives/*.deb; do
		dpkg-deb --extract "$archive" "$kernel/root"
	done
	rm -rf "$kernel/archives"
	touch "$kernel/unpacked"
}

# As little as dpkg can do with. Without mirrors there is none, and the tests are skipped.
make_roots() {
	[ "$(id -u)" = 0 ] || { echo "deps: no bare systems without root, their tests are skipped"; return; }
	mkdir -p "$here/build/roots"
	for suite in bookworm trixie; do
		root=$here/build/roots/$suite
		[ -e "$root" ] && continue
		echo "deps: debootstrap into build/roots/$suite"
		rm -rf "$root.new"
		debootstrap --variant=minbase "$suite" "$root.new" >"$root.log" 2>&1 && mv "$root.new" "$root" ||
			echo "deps: debootstrap failed, its tests are skipped: $root.log" >&2
	done
}

install_programs
# clang only recommends its run-time library, whose package is named after its version
if [ "$want" = test ] && command -v clang >/dev/null 2>&1; then
	needed="libfuzzer:libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
	install_programs
fi
case $want in
kernel) unpack_kernel ;;
roots) make_roots ;;
test | bench) unpack_daemons ;;
esac
exit 0
