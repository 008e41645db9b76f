#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The memory limit follows a real cgroup of this machine: 0.8 of it, under load, and again when it is resized."""
import os
import pathlib
import time

from harness import MIB, Governor, Skipped, changed, check, glibc_service, need_root, run_tests, until

MEMORY = pathlib.Path("/sys/fs/cgroup/memory")
POLICY = """
version: 1
mode: enforce
interval: 500ms
serve: { listen: off }
targets:
  all:
    match: { exe: "*" }
    bounds: { memory_limit: 64MiB..95% }
    rules:
      - { name: limit, policy: memory-limit, ratio: 0.8, of: cgroup.limit }
    guards: { cooldown: 1s }
"""


class Group:
    """A memory cgroup of its own; removed when its last process has gone."""

    def __init__(self, scratch):
        self.path = MEMORY / f"memgov-{os.getpid()}"
        self.path.mkdir()
        scratch.own(self)

    def limit(self, size):
        (self.path / "memory.limit_in_bytes").write_text(str(size))

    def enter(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def end(self):
        until("the cgroup is empty", lambda: not (self.path / "cgroup.procs").read_text())
        self.path.rmdir()


def wait_limit(governor, program, limit):
    def follows():
        target = governor.target(program)
        wanted = changed(target).get("memory_limit")
        return target["limit_bytes"] == limit and wanted and abs(wanted - 0.8 * limit) < 0.01 * limit

    until(f"the soft limit is 0.8 of {limit // MIB} MiB", follows, seconds=30)


def limit_follows_the_cgroup(scratch):
    need_root()
    if not (MEMORY / "memory.limit_in_bytes").exists():
        raise Skipped("this machine has no cgroup v1 memory controller")
    group = Group(scratch)
    group.limit(512 * MIB)
    governor = Governor(scratch, POLICY)
    program = glibc_service(scratch, before=group.enter)
    governor.adopt(program)
    wait_limit(governor, program, 512 * MIB)
    program.fill(200)
    for size in (768, 384, 512):
        group.limit(size * MIB)
        wait_limit(governor, program, size * MIB)
    program.fill(250)
    program.empty()
    time.sleep(6)
    used = int((group.path / "memory.usage_in_bytes").read_text())
    check(used < 0.82 * 512 * MIB, f"the group's usage is kept below the soft limit, not at {used // MIB} MiB")
    check(program.alive(), "the program was not killed for its memory")


run_tests(limit_follows_the_cgroup)
