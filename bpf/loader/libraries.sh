#!/bin/sh
# Unpacks what the loader is linked with for another architecture: libbpf, libelf and zlib of this Debian, of its own
# package lists, which are kept apart. Nothing is installed, and dpkg hears of no other architecture.
#   libraries.sh ARCHITECTURE DIRECTORY       Debian's name of it: amd64, arm64, armhf
set -eu
architecture=${1:?usage: libraries.sh ARCHITECTURE DIRECTORY}
root=${2:?usage: libraries.sh ARCHITECTURE DIRECTORY}
[ -e "$root/unpacked" ] && exit 0
rm -rf "$root"
mkdir -p "$root/apt/lists/partial" "$root/apt/cache/archives/partial"
cd "$root"
: >apt/status
set -- -qq -o APT::Architecture="$architecture" -o APT::Architectures::="$architecture" \
	-o APT::Get::List-Cleanup=false -o Dir::State="$root/apt" -o Dir::State::status="$root/apt/status" \
	-o Dir::Cache="$root/apt/cache" -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=true
# A list that is missing may be of a part that has none of them.
apt-get "$@" update >apt/update.log 2>&1 || true
apt-get "$@" download libbpf-dev libelf-dev zlib1g-dev linux-libc-dev ||
	{ cat apt/update.log >&2; echo "loader: no libbpf-dev, libelf-dev and zlib1g-dev for $architecture; are Debian's mirrors reachable?" >&2; exit 1; }
for archive in ./*.deb; do
	dpkg-deb --extract "$archive" .
done
rm -rf apt ./*.deb
touch unpacked
