#!/bin/sh
# What `make test-kernel` runs inside the guest: some thousand verdicts of the program beside the reference evaluator,
# real traffic through it with forwarding by mark and by redirect, and the nftables rules beside the evaluator.
# An emulated core is some 30 times slower than a real one: few packets, few tests with processes, long limits.
set -eu

cd "$(dirname "$0")/../.."
export HOME=/tmp PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Without CI vitest draws its progress anew every second.
export CI=1 NO_COLOR=1 SIDETRACK_REQUIRE_ALL=1 SIDETRACK_FUZZ_PACKETS="${SIDETRACK_FUZZ_PACKETS:-5000}"
export SIDETRACK_POLICIES=10 SIDETRACK_POLICY_SECONDS=200

echo "guest: Linux $(uname -r), $(nft --version)"
status=0
tests() {
	npx vitest run --reporter=verbose --testTimeout=200000 --hookTimeout=200000 "$@" || status=$?
}
tests --project bpf test/bpf/differential.test.ts
tests --project bpf test/bpf/lab.test.ts --tags-filter emulator
tests --project netns test/netns/policy.test.ts
exit $status
