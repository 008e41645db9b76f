#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""memgov on real programs: redis-server (jemalloc), a CPython process and a threaded C service (glibc), unchanged, under the
shipped default policy. Each takes a burst of memory and frees most of it: first in dry run, then enforced. `make demo`."""
import sys
import time

from harness import MIB, ROOT, Failed, Governor, Redis, Scratch, check, free_port, glibc_service, python_service

POLICY = ROOT / "conf" / "default.yaml"
WATCH_S = 35       # the default policy returns memory after 10 s of quiet
SETTLED_S = 4
SHOWN = 3          # decisions a program and mode


def burst_mib():
    with open("/proc/meminfo", encoding="ascii") as info:
        available = next(int(line.split()[1]) >> 10 for line in info if line.startswith("MemAvailable"))
    return 1024 if available > 6 * 1024 else 256


def mib(size):
    return f"{size / MIB:,.0f} MiB"


def burst(programs, size):
    """Fills and frees one program after the other; returns what each holds then."""
    for program in programs:
        program.fill(size)
    for program in programs:
        program.empty()
        program.reset()
    return {p.name: p.resident() for p in programs}


def asked(governor, target, mode):
    return [d for d in governor.decisions(target) if d["mode"] == mode and d["verb"] != "hold"]


def settle(governor, programs, targets, mode):
    """Waits until memgov has spoken of every program and nothing moves any more, WATCH_S at most."""
    end = time.monotonic() + WATCH_S
    last, since = None, time.monotonic()
    while time.monotonic() < end:
        time.sleep(0.5)
        now = [p.resident() // MIB for p in programs], [len(asked(governor, t, mode)) for t in targets]
        if now != last or not all(now[1]):
            last, since = now, time.monotonic()
        elif time.monotonic() - since > SETTLED_S:
            break
    return {p.name: p.resident() for p in programs}, {p.name: p.longest_s() for p in programs}


def table(head, rows):
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        print("  " + "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))))


def amount(decision):
    if decision["verb"] == "set":
        return f"{decision['knob']} {decision['from']} -> {decision['to']}"
    return decision["verb"] if decision["to"] is None else f"{decision['verb']} up to {mib(decision['to'])}"


def outcome(decision):
    if decision["outcome"]["achieved_bytes"] is None:
        return decision["outcome"]["state"]
    return f"{decision['outcome']['state']}: {mib(decision['outcome']['achieved_bytes'])} came back"


def print_decisions(governor, program, target, mode):
    for decision in reversed(asked(governor, target, mode)[:SHOWN]):
        print(f"  {program.name}: {decision['rule']}: {amount(decision)} ({outcome(decision)})")
        print(f"      because {decision['why']}")


def act(scratch, mode, programs, size):
    """One half of the demo; returns per program: resident before, after, longest pause."""
    governor = Governor(scratch, POLICY.read_text(), mode=mode, listen=f"127.0.0.1:{free_port()}")
    targets = governor.adopt(*programs)
    before = burst(programs, size)
    after, longest = settle(governor, programs, targets, mode)
    print(f"\nDecisions ({mode}), newest last:")
    for program, target in zip(programs, targets):
        print_decisions(governor, program, target, mode)
    allocators = {p.name: f"{p.name} ({t['allocator']})" for p, t in zip(programs, targets)}
    governor.end()
    return allocators, before, after, longest


def main():
    start = time.monotonic()
    size = burst_mib()
    with Scratch() as scratch:
        programs = [Redis(scratch), python_service(scratch), glibc_service(scratch)]
        print(f"Three programs run with libmemgov.so preloaded. Each takes {size} MiB, then frees most of it. None of them gives freed\n"
              "memory back by itself: glibc never does, and redis runs without jemalloc's background thread.")
        print("\n1. Dry run: memgov decides and does nothing.")
        names, before, after, control = act(scratch, "dry-run", programs, size)
        print()
        table(("program", "resident before", "after", "longest pause"),
              [(names[p.name], mib(before[p.name]), mib(after[p.name]), f"{control[p.name] * 1e3:.1f} ms") for p in programs])
        print("\n2. Enforced: the same policy, the same programs, another burst.")
        names, before, after, longest = act(scratch, "enforce", programs, size)
        print("\nWhat came back:")
        table(("program", "resident before", "after", "returned", "longest pause", "in dry run"),
              [(names[n], mib(before[n]), mib(after[n]), mib(before[n] - after[n]), f"{longest[n] * 1e3:.1f} ms", f"{control[n] * 1e3:.1f} ms")
               for n in (p.name for p in programs)])
        print("\nThe longest pause is what each program measured itself: a malloc or free (C), a turn of its loop (Python), a PING (redis).")
        print(f"{time.monotonic() - start:.0f} s in all.")
        for program in programs:
            check(after[program.name] < before[program.name] / 2, f"{program.name} gave back most of its burst")


if __name__ == "__main__":
    try:
        main()
    except Failed as reason:
        print(f"demo: {reason}", file=sys.stderr)
        sys.exit(1)
