#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What one target costs at the default interval of 1 s: CPU of `memgov run` with TARGETS targets and with none, in turn, over
SECONDS each, medians of ROUNDS. Prints the share of one core a target costs; exit status 1 above BAR."""
import os
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "e2e"))
from harness import Governor, Program, Scratch  # noqa: E402

TARGETS = 20
SECONDS = 10
ROUNDS = 3
BAR = 0.001
POLICY = """
version: 1
mode: enforce
serve: { listen: "off" }
audit: { file: %s }
targets:
  all:
    rules:
      - { name: limit, policy: memory-limit, ratio: 0.8, of: "cgroup.limit or max(proc.rss, 1h)" }
      - { name: give-back, policy: idle-return }
"""


def cpu_seconds(pid):
    """On-CPU time to the nanosecond, all threads; utime counts in ticks of 10 ms."""
    total = 0
    for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
        total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def cost(governor):
    start = cpu_seconds(governor.pid)
    time.sleep(SECONDS)
    return (cpu_seconds(governor.pid) - start) / SECONDS


def measure(targets):
    with Scratch() as scratch:
        governor = Governor(scratch, POLICY % (scratch.path / "audit.jsonl"))
        programs = [Program(scratch, f"sleeper{i}", ["sleep", "1000"]) for i in range(targets)]
        governor.adopt(*programs)
        time.sleep(2)
        return cost(governor)


def main():
    alone, busy = [], []
    for _ in range(ROUNDS):
        alone.append(measure(0))
        busy.append(measure(TARGETS))
    base, loaded = statistics.median(alone), statistics.median(busy)
    each = (loaded - base) / TARGETS
    print(f"{os.cpu_count()} cores; governor alone {base:.4%} of a core, with {TARGETS} targets {loaded:.4%}")
    print(f"one target costs {each:.4%} of a core at an interval of 1 s (bar {BAR:.2%})")
    return each > BAR


if __name__ == "__main__":
    sys.exit(main())
