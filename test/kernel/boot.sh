#!/bin/sh
# Boots the unpacked Debian kernel in qemu and runs guest.sh there, or another script: boot.sh [SCRIPT [ARGUMENT…]]
#
# The machine's own root is the guest's, read-only through 9p with a layer of memory above it, so the guest has the
# same programs and this checkout at the same path. What it writes is gone afterwards; only `status` comes back.
# The exit status is the script's; a guest that panics, hangs or never gets that far has none, and that is a failure.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
kernel=$checkout/build/kernel
root=$kernel/root
limit=${SIDETRACK_KERNEL_SECONDS:-900}
libraries=$root/usr/lib/x86_64-linux-gnu

fail() {
	echo "test-kernel: $1; the serial log is $kernel/serial.log" >&2
	exit 1
}

version=$(ls "$root/lib/modules")
modules=$root/lib/modules/$version
busybox=$root/bin/busybox
[ -e "$modules/modules.alias" ] || "$busybox" depmod -b "$root" "$version"

# Enough to mount the root; the rest of the modules is found there.
make_initramfs() {
	tree=$kernel/initramfs
	rm -rf "$tree"
	mkdir -p "$tree/bin" "$tree/lib/modules/$version"
	cp "$busybox" "$tree/bin/"
	cp "$modules/modules.dep" "$tree/lib/modules/$version/"
	for module in virtio_pci 9pnet_virtio 9p overlay; do
		files=$(sed -n "s|^\(.*/$module\.ko\): *|\1 |p" "$modules/modules.dep")
		[ -n "$files" ] || fail "$version has no module $module"
		for file in $files; do
			mkdir -p "$tree/lib/modules/$version/$(dirname "$file")"
			cp "$modules/$file" "$tree/lib/modules/$version/$file"
		done
	done
	cp "$checkout/test/kernel/init.sh" "$tree/init"
	chmod +x "$tree/init"
	(cd "$tree" && find . | "$busybox" cpio -o -H newc 2>/dev/null) >"$kernel/initramfs.cpio"
}

# Software emulation works everywhere, and a processor that is emulated is the same everywhere.
boot() {
	LD_LIBRARY_PATH="$libraries:$root/lib/x86_64-linux-gnu" timeout "$limit" \
		"$root/usr/bin/qemu-system-x86_64" \
		-L "$root/usr/share/qemu" -L "$root/usr/share/seabios" \
		-accel tcg,thread=multi -cpu max -smp 2 -m 3072 \
		-nodefaults -no-user-config -display none -monitor none -no-reboot -nic none \
		-serial stdio -kernel "$root/boot/vmlinuz-$version" -initrd "$kernel/initramfs.cpio" \
		-append "console=ttyS0 quiet panic=-1 mitigations=off sidetrack=$checkout" \
		-virtfs "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap" \
		-virtfs "local,path=$kernel/results,mount_tag=results,security_model=none" \
		</dev/null 2>&1 || echo "test-kernel: qemu ended with $?"
}

make_initramfs
rm -rf "$kernel/results"
mkdir -p "$kernel/results"
[ $# -gt 0 ] || set -- "$checkout/test/kernel/guest.sh"
echo "$@" >"$kernel/results/command"
echo "test-kernel: booting Linux $version, at most $limit s"
boot | tee "$kernel/serial.log"

[ -s "$kernel/results/status" ] || fail "the guest ended without a result, or had none after $limit s"
status=$(cat "$kernel/results/status")
[ "$status" = 0 ] || fail "the tests failed in Linux $version (status $status)"
echo "test-kernel: everything passed in Linux $(cat "$kernel/results/release")"
