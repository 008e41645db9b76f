# SPDX-License-Identifier: Apache-2.0
# The front door. Every target is a few commands that can be typed by hand; the work is in the CMake presets.
# `make demo` and `make test` install the packages they need first (Debian 12; asks nothing).
FUZZ_SECONDS ?= 60
TEST_FUZZ_SECONDS ?= 5
FORMAT_SINCE ?= HEAD
SOURCES = $(shell git ls-files '*.c' '*.h')

.DEFAULT_GOAL := build
.PHONY: help deps deps-base build test demo bench fuzz-smoke asan tsan aarch64 tidy format docs package clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

deps: ## install everything that building, the demo and the tests need
	packaging/deps.sh full

deps-base:
	@packaging/deps.sh base

build: ## build/release: bin/memgov, lib/libmemgov.so, include/memgov.h
	@cmake --preset release >/dev/null
	cmake --build --preset release

test: deps ## every test: release, sanitizers, aarch64, fuzzing (short), real programs, a cgroup v2 machine
	tests/suite.py --fuzz-seconds $(TEST_FUZZ_SECONDS) release dev tsan aarch64 fuzz

demo: deps-base build ## redis, python and a C service give memory back: dry run, then enforced
	tests/e2e/demo.py

bench: build ## what memgov itself costs
	bench/run.sh

fuzz-smoke: ## each fuzz target for FUZZ_SECONDS (60)
	tests/suite.py --fuzz-seconds $(FUZZ_SECONDS) fuzz

asan: ## unit, simulation, protocol and host-program tests under ASan and UBSan
	tests/suite.py dev

tsan: ## the same under TSan
	tests/suite.py tsan

aarch64: ## cross build; unit, protocol and shim tests under user-mode emulation
	tests/suite.py aarch64

tidy: ## clang-tidy over the sources
	@cmake --preset dev >/dev/null
	clang-tidy -p build/dev --quiet $(filter-out tests/% bench/%,$(filter %.c,$(SOURCES)))

format: ## clang-format over the lines that differ from FORMAT_SINCE (HEAD)
	git clang-format --force $(FORMAT_SINCE)

docs: build ## the policy file's reference and schema anew (man pages: build/release/docs), from the tables that parse
	build/release/bin/memgov help --markdown policy >docs/policy-reference.md
	cmake --build --preset release --target policy-schema

package: build docs ## build/memgov-VERSION-linux-ARCH.tar.gz
	cpack --config build/release/CPackConfig.cmake -G TGZ -B build

clean: ## remove build/ (the fetched test kernel too)
	rm -rf build
