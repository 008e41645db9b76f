#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What governing costs the governor: private memory below 4 MiB, a heap that is as large after 10,000 ticks as after 1,000, and
metrics that promtool accepts."""
import shutil
import subprocess
import time
import urllib.request

from harness import FAST_CLOCK, MIB, Governor, Skipped, check, free_port, glibc_service, run_tests, until

INTERVAL_S = 0.1
FAST = 50  # times as fast as real time runs the governor's clock
WARM_TICKS = 1000
TICKS = 10000
SLACK_BYTES = 64 << 10
PRIVATE_MAX = 4 * MIB
POLICY = """
version: 1
mode: enforce
interval: {interval}
serve: {{ listen: "127.0.0.1:{port}" }}
audit: {{ file: {audit} }}
targets:
  all:
    match: {{ exe: "*" }}
    rules:
      - {{ name: limit, policy: memory-limit, ratio: 0.8, of: 512MiB }}
      - {{ name: give-back, policy: idle-return }}
"""


def heap_bytes(pid):
    """What the heap has touched: the resident size of the mapping that the kernel names so."""
    with open(f"/proc/{pid}/smaps", encoding="ascii") as smaps:
        lines = iter(smaps)
        for line in lines:
            if line.rstrip().endswith("[heap]"):
                return next(int(field.split()[1]) << 10 for field in lines if field.startswith("Rss:"))
    return 0


def wait_ticks(governor, ticks):
    until(f"{ticks} ticks have passed", lambda: governor.status()["ticks"] >= ticks, seconds=60, every=0.5)


def start(scratch, **options):
    port = free_port()
    governor = Governor(scratch, POLICY.format(interval=f"{INTERVAL_S * 1000:.0f}ms", port=port, audit=scratch.path / "audit.jsonl"),
                        **options)
    program = glibc_service(scratch)
    governor.adopt(program)
    return governor, program, port


def memory_is_small_and_flat(scratch):
    governor, _, _ = start(scratch, env={"LD_PRELOAD": str(FAST_CLOCK), "FAST_CLOCK": str(FAST)})
    wait_ticks(governor, WARM_TICKS)
    heap = heap_bytes(governor.pid)
    wait_ticks(governor, TICKS)
    after, private = heap_bytes(governor.pid), governor.private_bytes()
    print(f"memgov run: private {private / 1024:.0f} KiB, heap {heap >> 10} KiB -> {after >> 10} KiB", flush=True)
    check(after <= heap + SLACK_BYTES, f"the heap is flat over {TICKS} ticks, not {heap >> 10} -> {after >> 10} KiB")
    check(private < PRIVATE_MAX, f"private memory stays below 4 MiB, not {private / MIB:.2f} MiB")


def promtool_accepts_the_metrics(scratch):
    if not shutil.which("promtool"):
        raise Skipped("promtool is not installed (packaging/deps.sh full)")
    _, _, port = start(scratch)
    time.sleep(2)
    metrics = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read()
    check(b"memgov_" in metrics, "/metrics holds memgov's own series")
    done = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, check=False)
    check(done.returncode == 0, f"promtool check metrics accepts /metrics: {(done.stderr + done.stdout).decode()}")


run_tests(memory_is_small_and_flat, promtool_accepts_the_metrics)
