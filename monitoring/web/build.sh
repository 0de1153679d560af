#!/bin/sh
# The files of the live page, as the browser gets them: build.sh OUT writes them to OUT/monitoring/web.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
web=$1/monitoring/web
uplot=$here/../../node_modules/uplot
# What sources that have gone were compiled to would be served for ever.
rm -rf "$web"
npx tsc -p "$here" --outDir "$1"
cp "$here"/*.html "$here"/*.css "$here"/*.svg "$web/"
cp "$uplot/dist/uPlot.esm.js" "$uplot/dist/uPlot.min.css" "$web/"
cp "$uplot/LICENSE" "$web/uPlot.LICENSE"
node "$1/monitoring/runbooks/write.js" "$here/../../docs/runbooks" "$web/runbooks"
find "$web" -type f -exec chmod 644 {} +
