#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Inside the emulated machine: the machine's cgroup v2 is real, memgov knows it as version 2 with its limits, follows a resized
memory.max, counts memory.events and reads PSI."""
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from harness import MIB, PYTHON, Governor, changed, check, glibc_service, run_tests, until  # noqa: E402

ROOT_GROUP = pathlib.Path("/sys/fs/cgroup")
POLICY = """
version: 1
mode: enforce
interval: 500ms
serve: { listen: off }
targets:
  all:
    match: { exe: "*" }
    bounds: { memory_limit: 32MiB..95% }
    rules:
      - { name: limit, policy: memory-limit, ratio: 0.8, of: cgroup.limit }
      - { name: alarm, policy: threshold, when: delta(cgroup.events_high) > 0, do: { purge: { max_pause: 10ms } } }
      - { name: pressed, policy: threshold, when: psi.some > 90%, do: { purge: { max_pause: 10ms } } }
    guards: { cooldown: 1s }
"""


class Group:
    def __init__(self, scratch, name):
        self.path = ROOT_GROUP / name
        self.path.mkdir()
        scratch.own(self)

    def write(self, name, value):
        (self.path / name).write_text(str(value))

    def enter(self):
        self.write("cgroup.procs", os.getpid())

    def events(self):
        return {k: int(v) for k, v in (line.split() for line in (self.path / "memory.events").read_text().splitlines())}

    def end(self):
        until("the cgroup is empty", lambda: not (self.path / "cgroup.procs").read_text())
        self.path.rmdir()


def the_machine_is_real(scratch):
    """An allocation past memory.max is killed and counted; past memory.high it is throttled, counted and seen in PSI."""
    group = Group(scratch, "hard")
    group.write("memory.max", 48 * MIB)
    done = subprocess.run([PYTHON, "-S", "-c", f"bytearray({128 * MIB})"], preexec_fn=group.enter, check=False)
    check(done.returncode == -signal.SIGKILL, "a process past memory.max is killed")
    check(group.events()["oom_kill"] == 1, "memory.events counts the kill")
    group = Group(scratch, "soft")
    group.write("memory.high", 48 * MIB)
    hog = subprocess.Popen([PYTHON, "-S", "-c", f"bytearray({64 * MIB})"], preexec_fn=group.enter)
    until("memory.events counts what went past memory.high", lambda: group.events()["high"] > 0, seconds=20)
    hog.kill()
    hog.wait()
    check("some avg10=" in (group.path / "memory.pressure").read_text(), "the cgroup's PSI is readable")


def wait_limit(governor, program, limit):
    def follows():
        target = governor.target(program)
        wanted = changed(target).get("memory_limit")
        return target["limit_bytes"] == limit and wanted and abs(wanted - 0.8 * limit) < 0.01 * limit

    until(f"the soft limit is 0.8 of {limit // MIB} MiB", follows, seconds=30)


def limits_are_followed(scratch):
    group = Group(scratch, "service")
    group.write("memory.max", 256 * MIB)
    governor = Governor(scratch, POLICY)
    program = glibc_service(scratch, threads=2, before=group.enter)
    governor.adopt(program)
    wait_limit(governor, program, 256 * MIB)
    program.fill(100)
    group.write("memory.max", 400 * MIB)
    wait_limit(governor, program, 400 * MIB)
    group.write("memory.high", 320 * MIB)
    wait_limit(governor, program, 320 * MIB)
    target = governor.target(program)
    check(target["cgroup"]["version"] == 2, f"status says cgroup version 2, not {target['cgroup']}")
    inputs = governor.verb("explain", target["name"])[1]
    check("psi.some" in inputs, f"PSI is a known signal: {inputs}")


def events_are_counted(scratch):
    group = Group(scratch, "events")
    group.write("memory.high", 160 * MIB)
    governor = Governor(scratch, POLICY)
    program = glibc_service(scratch, threads=2, before=group.enter)
    governor.adopt(program)
    wait_limit(governor, program, 160 * MIB)
    program.fill(140)
    program.empty()
    until("the shim brings the group back under 0.8 of memory.high",
          lambda: int((group.path / "memory.current").read_text()) < 0.82 * 160 * MIB, seconds=15)
    before = group.events()["high"]
    subprocess.run([PYTHON, "-S", "-c", f"bytearray({120 * MIB}) and __import__('time').sleep(1)"], preexec_fn=group.enter,
                   timeout=60, check=False)
    check(group.events()["high"] > before, "a neighbour in the group goes past memory.high")
    until("a decision follows the alarm",
          lambda: [d for d in governor.decisions() if d["rule"] == "alarm" and d["verb"] == "purge"], seconds=10)
    check(program.alive(), "the program serves on")


print(f"up {time.clock_gettime(time.CLOCK_BOOTTIME):.1f} s")
run_tests(the_machine_is_real, limits_are_followed, events_are_counted)
