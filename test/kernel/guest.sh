#!/bin/sh
# What `make test-kernel` runs inside the guest: guest.sh
# Loading, attaching and real traffic in both ways out; then some thousand verdicts of the program and of nftables
# beside the reference evaluator. An emulated core is some 30 times slower than a real one: few packets, long limits.
set -eu

cd "$(dirname "$0")/../.."
export HOME=/tmp PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Without CI vitest draws its progress anew every second.
export CI=1 NO_COLOR=1 SIDETRACK_REQUIRE_ALL=1 SIDETRACK_FUZZ_PACKETS="${SIDETRACK_FUZZ_PACKETS:-5000}"
export SIDETRACK_POLICIES=20 SIDETRACK_POLICY_SECONDS=300
limits="--testTimeout=300000 --hookTimeout=300000"

echo "guest: Linux $(uname -r), $(nft --version)"
status=0
npx vitest run --config test/bpf/vitest.config.ts $limits test/bpf/differential.test.ts \
	test/bpf/program.test.ts test/bpf/lab.test.ts || status=$?
npx vitest run --project netns $limits test/netns/policy.test.ts || status=$?
exit $status
