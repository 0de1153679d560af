#!/bin/busybox sh
# The guest's first process. Mounts the root of boot.sh, starts itself again in it, runs the command there,
# notes its status and ends the machine.
RESULTS=/run/results

finish() {
	[ -d "$RESULTS" ] && echo "$1" >"$RESULTS/status"
	sync
	poweroff -f
}

run() {
	"$@" && return
	echo "init: failed: $*"
	finish 125
}

# In the root of its own: nothing that tests start may find its way back to the initramfs, as setns() does from a chroot.
if [ "${1:-}" = command ]; then
	shift
	uname -r >"$RESULTS/release"
	/bin/sh "$@" </dev/null
	status=$?
	PATH=/run/programs
	finish "$status"
fi

/bin/busybox --install -s /bin
export PATH=/bin
mkdir -p /proc /sys /dev /lower /layer /root /whole
run mount -t proc proc /proc
run mount -t devtmpfs devtmpfs /dev
for word in $(cat /proc/cmdline); do
	case $word in sidetrack=*) checkout=${word#sidetrack=} ;; esac
done
for module in virtio_pci 9pnet_virtio 9p overlay; do run modprobe $module; done

SHARED=trans=virtio,version=9p2000.L,msize=262144
run mount -t 9p -o $SHARED,ro,cache=loose root /lower
run mount -t tmpfs tmpfs /layer
mkdir -p /layer/upper /layer/work
run mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work overlay /root
run mount --bind /root /whole

run mount -t proc proc /root/proc
run mount -t sysfs sysfs /root/sys
run mount -t devtmpfs devtmpfs /root/dev
# What udev would add; nft reads its standard input by name.
ln -s /proc/self/fd /root/dev/fd
for name in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${name%:*}" "/root/dev/${name#*:}"; done
mkdir -p /root/dev/pts /root/dev/shm /root/lib/modules
run mount -t devpts devpts /root/dev/pts
for place in dev/shm run tmp; do run mount -t tmpfs tmpfs /root/$place; done
# A checkout below /tmp is hidden by now.
if [ ! -e "/root$checkout" ]; then
	mkdir -p "/root$checkout"
	run mount --bind "/whole$checkout" "/root$checkout"
fi
mkdir -p "/root$RESULTS" /root/run/programs
run mount -t 9p -o $SHARED results "/root$RESULTS"
run mount --bind "/root$checkout/build/kernel/root/lib/modules" /root/lib/modules

# What the kernel asks for by itself, such as cls_bpf and nf_tables, comes through this modprobe.
cp /bin/busybox /root/run/programs/
for program in modprobe poweroff sync; do ln -s busybox /root/run/programs/$program; done
echo /run/programs/modprobe >/proc/sys/kernel/modprobe
ip link set lo up

umount /proc /dev /whole
exec switch_root -c /dev/console /root /run/programs/busybox sh "$checkout/test/kernel/init.sh" command \
	$(cat "/root$RESULTS/command")
