#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""After a burst: dry run changes nothing, enforcing brings resident memory to within 10 % of what the allocator's own full
purge leaves. That reference is measured in the same run, on an instance of each program that nobody governs."""
from harness import MIB, Governor, Redis, changed, check, glibc_service, python_service, run_tests, steady, until

BURST_MIB = 1024
TOLERANCE = 1.10
POLICY = """
version: 1
mode: dry-run
interval: 500ms
serve: { listen: off }
targets:
  all:
    match: { exe: "*" }
    rules:
      - { name: give-back, policy: idle-return, keep: 0%, after: 2s, every: 3s, min: 1MiB, max_pause: 10ms }
    guards: { cooldown: 1s }
"""
KINDS = (Redis, glibc_service, python_service)


def burst(program):
    program.fill(BURST_MIB)
    full = program.resident()
    check(full > 0.9 * BURST_MIB * MIB, f"{program.name} holds its burst of {BURST_MIB} MiB, not {full // MIB} MiB")
    program.empty()


def reference(scratch, kind):
    program = kind(scratch, governed=False)
    burst(program)
    program.purge_itself()
    left = steady(program.resident)
    program.end()
    return program.name, left


def wants_return(governor, target):
    return [d for d in governor.decisions(target) if d["verb"] == "purge"]


def check_dry_run(governor, programs, targets):
    """None of the three gives back by itself: what falls now, memgov did."""
    before = {p.name: p.resident() for p in programs}
    for program, target in zip(programs, targets):
        until(f"dry run says that {program.name} would return memory", lambda t=target: wants_return(governor, t), seconds=40)
    for program in programs:
        target = governor.target(program)
        check(not changed(target), f"dry run sets nothing in {program.name}, not {changed(target)}")
        now = program.resident()
        check(abs(now - before[program.name]) < 0.02 * before[program.name],
              f"dry run leaves {program.name} at {before[program.name] // MIB} MiB, not {now // MIB} MiB")
    for record in governor.decisions():
        check(record["mode"] == "dry-run", f"every decision is a dry run's, not {record['mode']}")


def check_enforced(governor, programs, wanted):
    for program in programs:
        most = wanted[program.name] * TOLERANCE
        until(f"{program.name} falls to {most / MIB:.0f} MiB, 10 % above the allocator's own purge"
              f" (now {program.resident() / MIB:.0f} MiB)", lambda p=program, m=most: p.resident() <= m, seconds=60, every=0.2)
        print(f"{program.name}: {program.resident() / MIB:.1f} MiB, the allocator's own full purge {wanted[program.name] / MIB:.1f} MiB",
              flush=True)
    done = [d for d in governor.decisions() if d["verb"] == "purge" and d["outcome"]["state"] == "done"]
    check(done, "the audit holds the returns")
    check(any((d["outcome"]["achieved_bytes"] or 0) > 100 * MIB for d in done), "the audit says how much came back")


def memory_after_a_burst(scratch):
    wanted = dict(reference(scratch, kind) for kind in KINDS)
    governor = Governor(scratch, POLICY)
    programs = [kind(scratch) for kind in KINDS]
    targets = governor.adopt(*programs)
    for program in programs:
        burst(program)
    check_dry_run(governor, programs, targets)
    governor.end()
    governor = Governor(scratch, POLICY, mode="enforce")
    again = governor.adopt(*programs)
    check([t["id"] for t in again] == [t["id"] for t in targets], "a target keeps its id when the governor is another")
    check_enforced(governor, programs, wanted)


run_tests(memory_after_a_burst)
