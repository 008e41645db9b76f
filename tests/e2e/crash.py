#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The crash breaker: a program that dies by a fault soon after memgov set something in it, twice, is left alone, by the next
governor too, until somebody says `memgov resume`. Run here and on the older kernel of the emulated machine: how a death is
told differs."""
import signal
import time

from harness import Governor, changed, check, glibc_service, run_tests, until

BLANK = {"settings": {}, "baseline": {}}
POLICY = """
version: 1
mode: enforce
interval: 200ms
serve: { listen: off }
targets:
  all:
    rules:
      - { name: limit, policy: threshold, when: proc.rss > 1KiB, set: { memory_limit: 300MiB } }
    guards: { cooldown: 1s }
"""


def crash(governor, scratch, name):
    """A program that dies by a signal soon after memgov set something in it."""
    program = glibc_service(scratch, name=name)
    governor.adopt(program)
    until(f"a limit is set in {name}", lambda: changed(governor.target(program) or BLANK), seconds=20)
    program.process.send_signal(signal.SIGSEGV)
    until(f"{name} is gone", lambda: not governor.target(program), seconds=5)
    time.sleep(0.5)  # before Linux 6.15 a death is told only until the parent has reaped it
    program.process.wait(10)


def quarantine_outlives_the_governor(scratch):
    governor = Governor(scratch, POLICY)
    crash(governor, scratch, "first")
    crash(governor, scratch, "second")
    until("the executable is in quarantine", lambda: (scratch.path / "control.sock.quarantine").exists()
          and " 1 " in (scratch.path / "control.sock.quarantine").read_text(), seconds=15)
    governor.end()
    governor = Governor(scratch, POLICY)
    third = glibc_service(scratch, name="third")
    target = governor.adopt(third)[0]
    check(target["quarantined"], "a new governor keeps it in quarantine")
    time.sleep(3)
    check(not changed(governor.target(third)), "nothing is set in a quarantined program")
    status, output = governor.verb("resume", target["id"])
    check(status == 0, f"`memgov resume` ends with 0, not {status}: {output}")
    until("it is governed again", lambda: changed(governor.target(third)), seconds=20)


run_tests(quarantine_outlives_the_governor)
