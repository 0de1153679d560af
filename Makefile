# sidetrack: `make demo` shows it, `make test` proves it. Both install what they need when run as root.

SHELL := /bin/sh
include build.mk
.DEFAULT_GOAL := build
.PHONY: build engine bpf loader bpf-test demo test check static unit engine-test fuzz-relay fuzz-policy test-kernel test-programs \
	netns-test netns-test-ebpf netns-test-asan netns-test-tsan test-long long load bench-relay bench-classifier bench-smoke \
	docs pictures package clean help

RIVALS := $(CURDIR)/build/rivals
# What was unpacked there finds its libraries there; nothing else is changed.
RIVAL_ENV := PATH="$$PATH:/usr/sbin:/sbin:$(RIVALS)/usr/bin:$(RIVALS)/usr/sbin" \
	LD_LIBRARY_PATH="$(RIVALS)/usr/lib/$$(uname -m)-linux-gnu:$(RIVALS)/lib/$$(uname -m)-linux-gnu:$(RIVALS)/usr/lib/$$(uname -m)-linux-gnu/systemd"
# As root nothing may be skipped for want of a program.
REQUIRE := SIDETRACK_REQUIRE_ALL=$$([ "$$(id -u)" = 0 ] && echo 1)
TS_SOURCES := $(shell find control bpf proxy monitoring -name '*.ts' 2>/dev/null)
# Of the live page, what is not compiled, and what its run-books are made from.
WEB_FILES := $(filter-out %.ts,$(wildcard monitoring/web/*)) $(wildcard docs/runbooks/*.md)

help: ## show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

demo: ## build, then steer real traffic through a lab and prove it
	@test/tools/deps.sh demo
	@$(MAKE) --no-print-directory build
	@node build/control/cli/main.js lab demo

test: ## everything that the README promises: lint, unit, engine and network-namespace tests, about a quarter of an hour
	@test/tools/deps.sh test
	@$(MAKE) --no-print-directory build
	@# What needs no lab goes side by side.
	+@$(SIDE_BY_SIDE) engine-test static unit fuzz-relay
	@$(MAKE) --no-print-directory netns-test
	@echo "make test: everything passed"

# What costs much and finds little: variants of what `make test` shows once (tests tagged `long`: each signal, each step
# that fails, each drift, a kill at each call of an attach), every namespace test with both ways of the eBPF classifier,
# the sanitizers, and one round of the benchmarks, of which nothing is measured.
test-long: ## what `make test` leaves out: variants, all with classifier: ebpf, sanitizers, benchmarks that run; as root, hours
	@[ "$$(id -u)" = 0 ] || { echo "test-long: loading eBPF programs needs root"; exit 1; }
	@test/tools/deps.sh test
	@test/tools/deps.sh roots
	@$(MAKE) --no-print-directory long
	+@$(SIDE_BY_SIDE) -C test/engine check-thread
	@$(MAKE) --no-print-directory netns-test-ebpf
	@$(MAKE) --no-print-directory netns-test-asan
	@$(MAKE) --no-print-directory netns-test-tsan
	@$(MAKE) --no-print-directory fuzz-relay FUZZ_SECONDS=300
	@$(MAKE) --no-print-directory fuzz-policy PACKETS=1000000
	@$(MAKE) --no-print-directory load
	@$(MAKE) --no-print-directory bench-smoke
	@echo "make test-long: everything passed"

build: node_modules/.package-lock.json build/.typescript engine bpf ## compile TypeScript, the engine and the classifier
	@# After sudo, what was built belongs to who owns the checkout.
	@[ -z "$$SUDO_UID" ] || chown -R "$$SUDO_UID:$$SUDO_GID" build node_modules

node_modules/.package-lock.json: package.json package-lock.json
	@command -v node >/dev/null && command -v npm >/dev/null || \
		{ echo "sidetrack needs Node.js 20 or newer with npm: https://nodejs.org"; exit 1; }
	@node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)' || \
		{ echo "sidetrack needs Node.js 20 or newer, this is $$(node --version): https://nodejs.org"; exit 1; }
	$(call say,NPM,node_modules)
	$(Q)npm ci --no-audit --no-fund --loglevel=error $(if $(filter 1,$(V)),,>/dev/null)
	@touch $@

build/.typescript: $(TS_SOURCES) $(WEB_FILES) tsconfig.json tsconfig.build.json rolldown.config.ts node_modules/.package-lock.json
	$(call say,TSC,build)
	$(Q)npx tsc -p tsconfig.build.json
	$(Q)monitoring/web/build.sh build
	$(call say,PACK,build/control/cli)
	$(Q)control/cli/build.sh build
	@touch $@

engine:
	+@$(SIDE_BY_SIDE) -C proxy/engine

bpf:
	+@$(SIDE_BY_SIDE) -C bpf

# Built apart: a checkout needs no cross compiler, and a router with Node.js no loader.
loader: ## the static loader of classifier: ebpf for routers without Node.js: of this machine, and of others where their compilers are
	+@$(SIDE_BY_SIDE) -C bpf/loader loader

# Tests that compare generated files with what makes them, beside others.
GENERATED := $(addprefix test/unit/,monitoring/reference monitoring/dashboards monitoring/rules/rules cli/completion)

check: static ## types, style, import directions, generated files, names of metrics
	$(Q)npx vitest run --project unit test/unit/lint test/unit/monitoring/exposition.test.ts $(GENERATED)

# `make unit` runs the rest of `make check`, too.
static: build
	$(call say,TSC,check)
	$(Q)npx tsc --noEmit
	$(call say,LINT,.)
	$(Q)npx biome check .
	@$(MAKE) --no-print-directory -C proxy/engine check-abi
	@$(MAKE) --no-print-directory -C bpf check

unit: build ## unit and property tests
	$(call say,TEST,unit)
	$(Q)npx vitest run --project unit --tags-filter '!long'

engine-test: engine ## the relay engine under ASan and UBSan
	+@$(SIDE_BY_SIDE) -C test/engine check

bpf-test: build test-programs ## the eBPF classifier in this kernel, against the reference evaluator
	@if [ "$$(id -u)" = 0 ]; then $(MAKE) --no-print-directory -C bpf test; \
	else echo "bpf-test: skipped, because loading eBPF programs needs root"; fi

fuzz-relay: ## fuzz the replies of proxies, the order of events and the loader's input, 23 seconds; FUZZ_SECONDS=600 for long
	+@$(SIDE_BY_SIDE) -C test/fuzz run

fuzz-policy: build ## 10 million verdicts of the eBPF classifier beside the reference evaluator, as root, on all cores
	@test/bpf/fuzz.sh $(or $(PACKETS),10000000)

test-kernel: ## the eBPF classifier and nftables in Debian's stock kernel, under qemu, as root
	@test/tools/deps.sh test
	@test/tools/deps.sh kernel
	@$(MAKE) --no-print-directory build test-programs
	@test/kernel/boot.sh

test-programs: loader ## what only the tests run
	+@$(SIDE_BY_SIDE) -C test/netns/packets
	+@$(SIDE_BY_SIDE) -C test/load

# Tests that make network namespaces. What is tagged `long` is left to `make test-long`; vitest.config.ts says what
# the projects are.
LAB_TEST := $(RIVAL_ENV) $(REQUIRE) npx vitest run
BOTH_EBPF := --project ebpf-mark --project ebpf-redirect
SAMPLE_EBPF := --project ebpf-mark-sample --project ebpf-redirect-sample

netns-test: build test-programs package ## real kernels, real rivals, in network namespaces; as root all classifiers
	$(call say,TEST,netns)
	$(Q)if [ "$$(id -u)" = 0 ]; then \
		$(LAB_TEST) --project netns --project bpf $(SAMPLE_EBPF) --tags-filter '!long'; \
	else \
		$(LAB_TEST) --project netns --tags-filter '!long' && \
		echo "netns-test: classifier: ebpf is skipped, because loading programs needs root"; \
	fi

long: build test-programs package ## the tests that are tagged so
	$(call say,TEST,long)
	$(Q)$(LAB_TEST) --project unit --project netns --project bpf --tags-filter long

netns-test-ebpf: build test-programs ## all netns tests with classifier: ebpf, forwarding by mark and redirect, as root, half an hour; FILES= for a part
	@[ "$$(id -u)" = 0 ] || { echo "netns-test-ebpf: loading eBPF programs needs root"; exit 1; }
	$(call say,TEST,netns-test-ebpf)
	$(Q)$(LAB_TEST) $(BOTH_EBPF) $(FILES)

pictures: build test-programs ## draw the dashboards of docs/images anew, from a lab under load
	@test/tools/deps.sh test
	@mkdir -p docs/images
	$(call say,DRAW,docs/images)
	$(Q)PICTURES=$(CURDIR)/docs/images SECONDS=60 $(LAB_TEST) --project netns test/netns/monitoring/dashboards.test.ts

# The relay alone is preloaded; its reports go to files, because who ends it may not look at its words.
SANITIZED := $(CURDIR)/build/sanitized
SUPPRESSIONS := $(CURDIR)/test/netns/sanitizers
SANITIZER_FLAGS_address := -fsanitize=address,undefined -fno-sanitize-recover=undefined
SANITIZER_FLAGS_thread := -fsanitize=thread
PREFIX_address = env LD_PRELOAD=$$(gcc -print-file-name=libasan.so) \
	ASAN_OPTIONS=malloc_context_size=2:log_path=$(SANITIZED)/address/report \
	LSAN_OPTIONS=suppressions=$(SUPPRESSIONS)/leaks.txt:print_suppressions=0
# Where addresses are spread too widely ThreadSanitizer cannot map its shadow. What Node did with a descriptor before it
# was ours is only known for Node's, and suppressed, while the history reaches back to it.
PREFIX_thread = setarch -R env LD_PRELOAD=$$(gcc -print-file-name=libtsan.so) \
	TSAN_OPTIONS=history_size=7:suppressions=$(SUPPRESSIONS)/races.txt:log_path=$(SANITIZED)/thread/report

netns-test-asan: netns-test-address ## the same with the relay under ASan and UBSan; FILES=test/netns/relay-traffic.test.ts for a part
netns-test-tsan: netns-test-thread ## the same under TSan

netns-test-%: build test-programs
	@mkdir -p $(SANITIZED)/$* && rm -f $(SANITIZED)/$*/report.*
	+@$(SIDE_BY_SIDE) -C proxy/engine BUILD=$(SANITIZED)/$* \
		CFLAGS="-O1 -g -DSIDETRACK_DEBUG -fno-omit-frame-pointer $(SANITIZER_FLAGS_$*)"
	$(call say,TEST,netns-test-$*)
	$(Q)$(RIVAL_ENV) $(REQUIRE) SIDETRACK_RELAY_PREFIX="$(PREFIX_$*) SIDETRACK_RELAY_LIBRARY=$(SANITIZED)/$*/libsidetrack-relay.so" \
		npx vitest run --project netns $(FILES)
	@cat $(SANITIZED)/$*/report.* 2>/dev/null && exit 1 || echo "netns-test-$*: nothing reported"

load: ## everything under iperf3 with 1 to 1000 flows, bursts and a soak, five minutes: it must add up; SECONDS= SOAK= FLOWS=
	@test/tools/deps.sh demo
	@$(MAKE) --no-print-directory build
	$(call say,TSC,test/load)
	$(Q)npx tsc -p test/load
	@$(RIVAL_ENV) node build/test/load/steered/main.js

bench-relay: ## the relay beside its rivals, about a quarter of an hour; rows and chart in build/bench
	@test/tools/deps.sh bench
	@$(MAKE) --no-print-directory build
	+@$(SIDE_BY_SIDE) -C test/load
	$(call say,TSC,test/load)
	$(Q)npx tsc -p test/load
	@$(RIVAL_ENV) node build/test/load/main.js

bench-classifier: ## the classifier beside LPM tries and nft, at most a quarter of an hour, as root; rows and chart in build/bench
	@test/tools/deps.sh test
	@$(MAKE) --no-print-directory build
	+@$(SIDE_BY_SIDE) -C bpf bench-object
	$(call say,TSC,test/load)
	$(Q)npx tsc -p test/load
	@$(RIVAL_ENV) node build/test/load/classifier/main.js

bench-smoke: ## one round of both benchmarks, so that they cannot break unseen; nothing is measured
	@$(MAKE) --no-print-directory bench-relay RUNS=1 SECONDS=1
	@$(MAKE) --no-print-directory bench-classifier RUNS=1

docs: build ## write the generated files anew
	$(call say,GEN,docs/cli.md)
	$(Q)node build/control/cli/reference.js > docs/cli.md
	$(call say,GEN,docs/metrics.md)
	$(Q)node build/monitoring/reference.js > docs/metrics.md
	$(call say,GEN,docs/alerts.md)
	$(Q)node build/monitoring/rules/reference.js > docs/alerts.md
	$(call say,GEN,monitoring/rules/sidetrack.rules.yml)
	$(Q)node build/monitoring/rules/main.js > monitoring/rules/sidetrack.rules.yml
	$(call say,GEN,monitoring/dashboards/json)
	$(Q)node build/monitoring/dashboards/write.js
	$(call say,GEN,sidetrack.schema.json)
	$(Q)node build/control/config/json-schema.js

package: build loader ## a .deb and an npm tarball below build/package, for machines without a compiler
	$(call say,PKG,build/package)
	$(Q)packaging/package.sh

clean: ## remove what was built
	rm -rf build
