# segmentd: `make demo` and `make test` are all one has to type; they install what is missing and say so first.
# The build itself is CMake's (see CMakePresets.json); this file only names what people do.

SHELL := /bin/bash
DEMO_ARGS ?=
BENCH_ARGS ?=
SOAK_ARGS ?=
FAULT_ARGS ?=
FUZZ_SECONDS ?= 60
RELEASE := build/release
export SEG_CACHE ?= $(shell tests/support/cache-dir.sh)

.PHONY: help build demo test bench bench-quality bench-recovery fault fuzz soak format lint deb clean deps deps-test

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

deps:
	@packaging/install-packages.sh build

deps-test:
	@packaging/install-packages.sh build test
	@tests/support/test-deps.sh

build: deps  ## the segmentd program, optimised, in build/release/daemon
	@tests/support/build.sh release segmentd

demo: build  ## real orders flow in, customers change segment (DEMO_ARGS="--exit-after 200000")
	@$(RELEASE)/daemon/segmentd demo $(DEMO_ARGS)

test: deps-test  ## everything: unit, property, golden, hostile input, real Kafka, sanitizers, fuzzing, format, lint
	@tests/support/run-tests.sh

bench: deps-test build  ## events/s, CPU and memory beside two controls, on a real Kafka (BENCH_ARGS)
	@bench/run $(BENCH_ARGS)

bench-quality: deps-test build  ## how good segments are, on real streams, as the tables of docs/quality.md (BENCH_ARGS)
	@bench/quality/run $(BENCH_ARGS)

bench-recovery: deps-test build  ## what a start costs after kill -9, and a rebuild beside a control (BENCH_ARGS)
	@bench/recovery $(BENCH_ARGS)

fault: deps-test  ## every fault on real brokers, judged by the oracle, as a table; under an hour (FAULT_ARGS)
	@tests/support/test-deps.sh fault
	@tests/support/build.sh fault
	@SEG_BUILD_DIR=build/fault "$(SEG_CACHE)/venv/bin/python3" tests/fault/fault.py $(FAULT_ARGS); faults=$$?; \
	case "$(FAULT_ARGS)" in *--only*|*--list*|*--kafka*|*--help*) exit $$faults ;; esac; \
	SEG_BUILD_DIR=build/fault "$(SEG_CACHE)/venv/bin/python3" tests/fault/seeded_bugs.py \
		$(filter --write-doc,$(FAULT_ARGS)) && exit $$faults

fuzz: deps-test  ## each fuzz target for FUZZ_SECONDS (60)
	@tests/support/fuzz.sh $(FUZZ_SECONDS)

soak: deps-test build  ## long run with kills against a real Kafka (SOAK_ARGS)
	@tests/fault/soak $(SOAK_ARGS)

format: deps-test  ## puts all C files into the project's form
	@tests/support/format.sh --fix

lint: deps-test  ## format check, clang-tidy, cppcheck
	@tests/support/format.sh
	@tests/support/lint.sh

deb: build  ## the Debian package, into build/release
	@packaging/install-packages.sh package
	@packaging/make-deb.sh $(RELEASE)

clean:  ## removes build/
	rm -rf build
