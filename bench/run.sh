#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What memgov itself costs. Prints figures; fails where one misses its bar. Needs build/release (`make build`).
set -eu
cd "$(dirname "$0")/.."

echo "== a target's cost to the governor"
bench/target_cost.py
if [ -x build/release/bin/bench_prom_parse ]; then
	echo "== parsing an exposition"
	build/release/bin/bench_prom_parse
fi
