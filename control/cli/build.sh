#!/bin/sh
# The command line as few files, which start in half the time: build.sh OUT writes them over what tsc has compiled to
# OUT/control/cli. rolldown.config.ts says more.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cli=$1/control/cli
# Of earlier sources.
rm -f "$cli"/chunk-*.js
npx rolldown --config "$here/../../rolldown.config.ts" --dir "$cli" >/dev/null
chmod 755 "$cli/main.js"
