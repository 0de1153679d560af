#!/bin/sh
# Builds what other machines install, from what `make build` has made: build/package/sidetrack_VERSION_ARCH.deb and
# build/package/sidetrack-VERSION.tgz. Both hold the modules that run here, the compiled engine and the classifier's
# object, so that the other machine needs neither a compiler nor a registry.
#   package.sh            both
# The same sources and modules make the same bytes: times come from SOURCE_DATE_EPOCH or the last commit.
set -eu
umask 022
export LC_ALL=C TZ=UTC

here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
out=$here/build/package
version=$(node -p 'require("./package.json").version')
architecture=$(dpkg --print-architecture)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y package.json)}
export SOURCE_DATE_EPOCH

rm -rf "$out.new"
app=$out.new/app
mkdir -p "$app"

# What runs: compiled afresh, for build/ keeps what sources that have gone were compiled to.
npx tsc -p tsconfig.build.json --outDir "$app/build" --sourceMap false
monitoring/web/build.sh "$app/build"
control/cli/build.sh "$app/build"
# They are made with a library that no other machine needs; what they make is in the checkout.
rm -r "$app/build/monitoring/dashboards"
mkdir -p "$app/monitoring"
cp -r monitoring/dashboards/json "$app/monitoring/dashboards"
cp -r monitoring/provisioning/grafana monitoring/provisioning/prometheus "$app/monitoring/"
mkdir "$app/monitoring/rules"
cp monitoring/rules/sidetrack.rules.yml "$app/monitoring/rules/"
strip --strip-unneeded -o "$app/build/proxy/engine.so" build/proxy/engine/libsidetrack-relay.so
mkdir "$app/build/proxy/engine"
mv "$app/build/proxy/engine.so" "$app/build/proxy/engine/libsidetrack-relay.so"
chmod 644 "$app/build/proxy/engine/libsidetrack-relay.so"
cp build/bpf/classify.bpf.o build/bpf/express.bpf.o "$app/build/bpf/"
# What is sent to routers without Node.js: of each machine that `make loader` could build for.
mkdir -p "$app/build/bpf/loader"
for loader in build/bpf/loader/sidetrack-bpf-*; do
	[ ! -f "$loader" ] || install -m 644 "$loader" "$app/build/bpf/loader/"
done
mkdir "$app/packaging"
cp -r packaging/systemd "$app/packaging/"
cp sidetrack.schema.json LICENSE "$app/"

# The modules that run, less what only compilers and people read.
npm ls --omit=dev --all --parseable | sed 1d | while read -r module; do
	name=${module#"$here"/}
	mkdir -p "$app/$(dirname "$name")"
	cp -r "$module" "$app/$name"
done
find "$app/node_modules" -type f \( -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.map' -o -name '*.flow' \
	-o -iname '*.md' -o -name '.*' \) ! -iname 'licen[cs]e*' -delete
for folder in zod/src yaml/browser bintrees/test bintrees/examples bintrees/dist damerau-levenshtein/scripts; do
	rm -rf "$app/node_modules/$folder"
done
find "$app/node_modules" -type d -empty -delete
find "$app/node_modules" -type f -exec chmod 644 {} +
chmod 755 "$app/node_modules/yaml/bin.mjs"

cat > "$out.new/description.mjs" <<'EOF'
import { readFileSync, writeFileSync } from 'node:fs';
const [from, to] = process.argv.slice(2);
const { devDependencies, scripts, private: _, ...rest } = JSON.parse(readFileSync(from, 'utf8'));
// Names of bundled modules; npm then neither asks a registry nor removes them.
const bundled = Object.keys(rest.dependencies);
const machine = { os: [process.platform], cpu: [process.arch], libc: ['glibc'] };
writeFileSync(to, `${JSON.stringify({ ...rest, bundleDependencies: bundled, ...machine }, undefined, 2)}\n`);
EOF
node "$out.new/description.mjs" package.json "$app/package.json"
rm "$out.new/description.mjs"

packaging/deb/build.sh "$app" "$out.new" "$version" "$architecture"

# npm's own times are constant. The documents belong to this one; the .deb has them where Debian keeps them.
cp -r docs README.md CHANGELOG.md "$app/"
(cd "$app" && npm pack --silent --pack-destination "$out.new" >/dev/null)

rm -rf "$app" "$out"
mv "$out.new" "$out"
