#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Nothing memgov does outlives memgov: killed, stopped, paused, switched off by a file or misconfigured, every setting goes
back or stays as the last good file says; a new governor finds every target again and a dead target leaves nothing behind."""
import time

from harness import IN_TREE_ONLY, MIB, Governor, Redis, changed, check, glibc_service, python_service, run_tests, until

KINDS = (glibc_service,) if IN_TREE_ONLY else (glibc_service, python_service, Redis)
LEASE_S = 3
LIMIT = 300 * MIB
POLICY = """
version: 1
mode: enforce
interval: 200ms
serve: {{ listen: off }}
control: {{ lease: {lease}s }}
targets:
  all:
    match: {{ exe: "*" }}
    rules:
      - {{ name: limit, policy: threshold, when: proc.rss > 1KiB, set: {{ memory_limit: {limit} }} }}
    guards: {{ cooldown: 1s }}
"""


def policy(limit=LIMIT):
    return POLICY.format(lease=LEASE_S, limit=limit)


def is_set(governor, program, limit=LIMIT):
    target = governor.target(program)
    return target and changed(target).get("memory_limit") == limit


def wait_set(governor, *programs, limit=LIMIT):
    for program in programs:
        until(f"the limit of {limit // MIB} MiB is set in {program.name}", lambda p=program: is_set(governor, p, limit), seconds=40)


def wait_restored(governor, *programs, seconds=5.0):
    for program in programs:
        until(f"every setting of {program.name} is its own again", lambda p=program: not changed(governor.target(p)), seconds=seconds)


def kill_restores_within_a_lease(scratch):
    governor = Governor(scratch, policy())
    programs = [kind(scratch) for kind in KINDS]
    before = governor.adopt(*programs)
    wait_set(governor, *programs)
    governor.kill()
    time.sleep(LEASE_S + 1)
    governor = Governor(scratch, policy(), mode="dry-run")
    after = governor.adopt(*programs)
    for program, target in zip(programs, after):
        check(not changed(target), f"{program.name} is back at its own settings after one lease, not at {changed(target)}")
        check(program.alive(), f"{program.name} serves on")
    check([t["id"] for t in before] == [t["id"] for t in after], "every target is adopted again under its id")


def restart_adopts(scratch):
    governor = Governor(scratch, policy())
    programs = [kind(scratch) for kind in KINDS]
    before = governor.adopt(*programs)
    wait_set(governor, *programs)
    governor.kill()
    governor.start()
    after = governor.adopt(*programs)
    check([t["id"] for t in before] == [t["id"] for t in after], "every target is adopted again under its id")
    wait_set(governor, *programs)
    for program in programs:
        baseline = governor.target(program)["baseline"]
        check(baseline.get("memory_limit") != LIMIT, f"the baseline of {program.name} is its own, not the last governor's limit")


def stopping_restores_at_once(scratch):
    governor = Governor(scratch, policy())
    program = glibc_service(scratch)
    governor.adopt(program)
    wait_set(governor, program)
    governor.end()
    governor = Governor(scratch, policy(), mode="dry-run")
    check(not changed(governor.adopt(program)[0]), "SIGTERM restores before the lease ends")


def dead_target_leaves_no_descriptor(scratch):
    governor = Governor(scratch, policy())
    before = governor.open_files()
    programs = [kind(scratch) for kind in KINDS]
    governor.adopt(*programs)
    wait_set(governor, *programs)
    check(governor.open_files() > before, "a target's descriptors are open while it lives")
    for program in programs:
        program.kill()
    until(f"memgov is back at {before} descriptors (now {governor.open_files()})", lambda: governor.open_files() <= before, seconds=15)
    check(governor.status()["targets"] == [], "a dead target is a target no more")


def pause_and_resume(scratch):
    governor = Governor(scratch, policy())
    program = glibc_service(scratch)
    governor.adopt(program)
    wait_set(governor, program)
    status, said = governor.verb("pause")
    check(status == 0, f"`memgov pause` succeeds: {said}")
    wait_restored(governor, program)
    time.sleep(1)
    check(not changed(governor.target(program)), "nothing is set while paused")
    status, said = governor.verb("resume")
    check(status == 0, f"`memgov resume` succeeds: {said}")
    wait_set(governor, program)


def off_file(scratch):
    governor = Governor(scratch, policy())
    program = glibc_service(scratch)
    governor.adopt(program)
    wait_set(governor, program)
    off = scratch.path / "off"
    off.touch()
    wait_restored(governor, program)
    off.unlink()
    wait_set(governor, program)


def reload_keeps_the_last_good_file(scratch):
    governor = Governor(scratch, policy())
    program = glibc_service(scratch)
    governor.adopt(program)
    wait_set(governor, program)
    good = governor.status()["config_hash"]
    governor.config.write_text("version: 1\ntargets: [not, a, map]\nmodus: enforce\n")
    until("the bad file is named in the log", lambda: "config.rejected" in (scratch.path / "memgov.log").read_text())
    check(governor.status()["config_hash"] == good, "the last good file stays in force")
    wait_set(governor, program)
    governor.config.write_text(policy(limit=LIMIT + 20 * MIB))
    until("the next good file is taken", lambda: governor.status()["config_hash"] != good)
    wait_set(governor, program, limit=LIMIT + 20 * MIB)


run_tests(kill_restores_within_a_lease, restart_adopts, stopping_restores_at_once, dead_target_leaves_no_descriptor, pause_and_resume,
          off_file, reload_keeps_the_last_good_file)
