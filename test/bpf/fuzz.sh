#!/bin/sh
# Many verdicts of the differential test, divided among the cores: fuzz.sh VERDICTS
# Each share has a seed of its own; a failure prints the one that shows it again.
set -eu

verdicts=$1
cores=$(nproc)
seed=${SIDETRACK_FUZZ_SEED:-$(date +%s)}
share=$(((verdicts + cores - 1) / cores))
cd "$(dirname "$0")/../.."
mkdir -p build/fuzz

pids=
core=0
while [ "$core" -lt "$cores" ]; do
	# A policy takes one seed, and a share no more policies than this.
	SIDETRACK_FUZZ_PACKETS=$share SIDETRACK_FUZZ_SEED=$(((seed + core * 100000) % 2147483647)) \
		npx vitest run --project bpf test/bpf/differential.test.ts \
		>"build/fuzz/policy-$core.log" 2>&1 &
	pids="$pids $!"
	core=$((core + 1))
done

failed=0
core=0
for pid in $pids; do
	if ! wait "$pid"; then
		failed=1
		cat "build/fuzz/policy-$core.log" >&2
	fi
	core=$((core + 1))
done
[ "$failed" = 0 ] || exit 1
echo "fuzz-policy: $((share * cores)) verdicts agree"
