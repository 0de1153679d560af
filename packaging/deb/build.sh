#!/bin/sh
# Makes the .deb: build.sh APP OUT VERSION ARCHITECTURE. Called by ../package.sh, whose environment it needs.
set -eu

app=$1
out=$2
version=$3
architecture=$4
here=$(cd "$(dirname "$0")" && pwd)
checkout=$here/../..
root=$out/root
lib=$root/usr/lib/sidetrack
doc=$root/usr/share/doc/sidetrack

mkdir -p "$root/DEBIAN" "$root/usr/bin" "$root/usr/lib/systemd/system" "$root/etc/needrestart/conf.d" "$doc" \
	"$root/usr/share/man/man1" "$root/usr/share/bash-completion/completions" "$root/usr/share/zsh/vendor-completions" \
	"$root/usr/share/fish/vendor_completions.d" "$root/usr/share/lintian/overrides"
cp -r "$app" "$lib"
# Its terms are in `copyright`.
rm "$lib/LICENSE"
ln -s ../lib/sidetrack/build/control/cli/main.js "$root/usr/bin/sidetrack"
ln -s ../../share/doc/sidetrack "$lib/docs"
# What Grafana and Prometheus read.
mv "$lib/monitoring" "$root/usr/share/sidetrack"
ln -s ../../share/sidetrack "$lib/monitoring"

node "$lib/build/control/cli/relay/packaged-unit.js" > "$root/usr/lib/systemd/system/sidetrack-relay.service"
node "$lib/build/control/cli/exporter/packaged-unit.js" > "$root/usr/lib/systemd/system/sidetrack-exporter.service"
node "$lib/build/control/cli/heartbeat/packaged-unit.js" > "$root/usr/lib/systemd/system/sidetrack-heartbeat.service"
cp "$checkout/packaging/systemd/sidetrack-refresh.service" "$checkout/packaging/systemd/sidetrack-refresh.timer" \
	"$root/usr/lib/systemd/system/"
cp "$here/needrestart.conf" "$root/etc/needrestart/conf.d/sidetrack.conf"
cp "$here/lintian-overrides" "$root/usr/share/lintian/overrides/sidetrack"

sidetrack=$lib/build/control/cli/main.js
node "$sidetrack" completion bash > "$root/usr/share/bash-completion/completions/sidetrack"
node "$sidetrack" completion zsh > "$root/usr/share/zsh/vendor-completions/_sidetrack"
node "$sidetrack" completion fish > "$root/usr/share/fish/vendor_completions.d/sidetrack.fish"
node "$lib/build/control/cli/man.js" | gzip -9n > "$root/usr/share/man/man1/sidetrack.1.gz"

cp "$checkout"/docs/*.md "$checkout/README.md" "$doc/"
cp -r "$checkout/docs/runbooks" "$checkout/docs/images" "$doc/"
date=$(date -u -R -d "@$SOURCE_DATE_EPOCH")
maintainer=$(sed -n 's/^Maintainer: //p' "$here/control")
printf 'sidetrack (%s) unstable; urgency=medium\n\n  * CHANGELOG.md says what is new.\n\n -- %s  %s\n' \
	"$version" "$maintainer" "$date" | gzip -9n > "$doc/changelog.gz"
gzip -9n < "$checkout/CHANGELOG.md" > "$doc/CHANGELOG.md.gz"
node "$here/copyright.mjs" "$checkout/LICENSE" "$lib/build/monitoring/web" "$lib/node_modules" > "$doc/copyright"

for script in preinst postinst prerm postrm; do
	[ -e "$here/$script" ] || continue
	cp "$here/$script" "$root/DEBIAN/"
	chmod 755 "$root/DEBIAN/$script"
done
echo /etc/needrestart/conf.d/sidetrack.conf > "$root/DEBIAN/conffiles"

# What is in it, whatever the version says: two builds of one version differ here.
contents=$(cd "$root" && { find . -type f | sort | xargs sha256sum; find . -type l -printf '%p %l\n' | sort; } |
	sha256sum | cut -c 1-16)
# The engine's own floor; that of ffi-rs is below it.
glibc=$(objdump -T "$lib/build/proxy/engine/libsidetrack-relay.so" | grep -o 'GLIBC_[0-9.]*' | sort -u -V | tail -n 1)
size=$(du -k -s --apparent-size "$root" | cut -f 1)
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@SIZE@/$size/" -e "s/@CONTENTS@/$contents/" \
	-e "s/@GLIBC@/${glibc#GLIBC_}/" \
	"$here/control" > "$root/DEBIAN/control"
(cd "$root" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum) > "$root/DEBIAN/md5sums"
find "$root" -type d -exec chmod 755 {} +
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

# gzip for the control files: `apply --install` reads them, and Node knows no xz.
dpkg-deb -Zxz --no-uniform-compression --root-owner-group --build "$root" "$out/sidetrack_${version}_$architecture.deb" >/dev/null
rm -rf "$root"
