#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A soft limit is held in the process: what exceeds it between two ticks of the governor is brought back by the shim alone,
and so it is where no governor runs."""
import time

from harness import MIB, Governor, changed, check, glibc_service, python_service, run_tests, until

LIMIT = 200 * MIB
BURST_MIB = 400
INTERVAL_S = 10
BACK_WITHIN_S = 6
POLICY = f"""
version: 1
mode: enforce
interval: {INTERVAL_S}s
serve: {{ listen: off }}
targets:
  all:
    match: {{ exe: "*" }}
    rules:
      - {{ name: limit, policy: threshold, when: proc.rss > 1KiB, set: {{ memory_limit: {LIMIT} }} }}
"""


def check_brought_back(program):
    program.fill(BURST_MIB)
    check(program.resident() > LIMIT, f"{program.name} exceeds its limit while it needs the memory")
    program.empty()
    freed = time.monotonic()
    until(f"{program.name} is brought under its soft limit of {LIMIT // MIB} MiB", lambda: program.resident() <= LIMIT,
          seconds=BACK_WITHIN_S)
    print(f"{program.name}: back under the limit {time.monotonic() - freed:.2f} s after the free", flush=True)


def between_two_ticks(scratch):
    governor = Governor(scratch, POLICY)
    programs = [glibc_service(scratch), python_service(scratch)]
    governor.adopt(*programs)
    for program in programs:
        until(f"the limit is set in {program.name}", lambda p=program: changed(governor.target(p)).get("memory_limit") == LIMIT,
              seconds=3 * INTERVAL_S)
        check_brought_back(program)
    check(not [d for d in governor.decisions() if d["verb"] == "purge"], "the governor asked for no return: the shim did it alone")


def without_a_governor(scratch):
    for start in (glibc_service, python_service):
        check_brought_back(start(scratch, env={"MEMGOV_MEMORY_LIMIT": f"{LIMIT // MIB}MiB"}))


run_tests(between_two_ticks, without_a_governor)
