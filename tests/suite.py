#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds and runs legs of the test suite and adds them up: tests/suite.py [--fuzz-seconds N] LEG...

A leg is a CMake preset with a test preset of the same name, or `fuzz`: every fuzz target for N seconds. The last line is
`N passed, N failed, N skipped`. Exit status 1 when a test failed or a build broke; with CI=true also when one was skipped.
"""
import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
JOBS = str(os.cpu_count() or 1)
SANITIZED = ("dev", "tsan")
FUZZ_START_S = 60  # libFuzzer stops by itself after its seconds; this much later it hangs


@dataclasses.dataclass
class Tally:
    passed: int = 0
    failed: list = dataclasses.field(default_factory=list)
    skipped: list = dataclasses.field(default_factory=list)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        return f"{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped"


def run(*command, **options):
    return subprocess.run([str(word) for word in command], cwd=ROOT, check=False, **options)


def fixed_addresses():
    """The prefix that turns address randomization off, which old sanitizer runtimes cannot bear; empty where forbidden."""
    prefix = ["setarch", platform.machine(), "-R"]
    if shutil.which("setarch") and run(*prefix, "true", stderr=subprocess.DEVNULL).returncode == 0:
        return prefix
    return []


def build(preset):
    configured = run("cmake", "--preset", preset, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if configured.returncode:
        print(configured.stdout)
        return False
    return run("cmake", "--build", "--preset", preset, "--", "-j", JOBS).returncode == 0


def read_junit(path, leg):
    """What ctest wrote: a test is passed (run), failed (fail), or skipped, then with its last line as the reason."""
    tally = Tally()
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{leg}: {case.get('name')}"
        output = (case.findtext("system-out") or "").strip().splitlines()
        if case.get("status") == "run":
            tally.passed += 1
        elif case.find("skipped[@message='SKIP_RETURN_CODE=77']") is not None:
            tally.skipped.append(f"{name}: {output[-1] if output else 'no reason given'}")
        else:
            tally.failed.append(name)
    return tally


def ctest_leg(leg, _):
    junit = BUILD / leg / "junit.xml"
    if not build(leg):
        return Tally(failed=[f"{leg}: the build"])
    junit.unlink(missing_ok=True)
    prefix = fixed_addresses() if leg in SANITIZED else []
    run(*prefix, "ctest", "--preset", leg, "-j", JOBS, "--output-junit", junit)
    if not junit.exists():
        return Tally(failed=[f"{leg}: ctest ran nothing"])
    return read_junit(junit, leg)


def fuzz_one(program, seconds):
    """Runs one target on a copy of its corpus, so that what it finds is not written among the sources."""
    name = program.name.removeprefix("fuzz_")
    seeds = ROOT / "tests" / "fuzz" / "corpus" / name
    found = BUILD / "fuzz" / "found" / name
    found.mkdir(parents=True, exist_ok=True)
    command = [*fixed_addresses(), program, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=8192",
               f"-artifact_prefix={found.parent}/{name}-", found, seeds]
    try:
        done = run(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                   timeout=seconds + FUZZ_START_S)
    except subprocess.TimeoutExpired:
        return name, "it hangs"
    if done.returncode:
        return name, done.stdout[-4000:]
    return name, None


def fuzz_leg(leg, seconds):
    if not build(leg):
        return Tally(failed=[f"{leg}: the build"])
    programs = sorted(p for p in (BUILD / leg).rglob("fuzz_*") if p.is_file() and os.access(p, os.X_OK))
    tally = Tally(failed=[] if programs else [f"{leg}: no fuzz target was built"])
    with concurrent.futures.ThreadPoolExecutor(int(JOBS)) as pool:
        for name, finding in pool.map(lambda p: fuzz_one(p, seconds), programs):
            print(f"fuzz {name}: {'ok' if finding is None else finding}", flush=True)
            if finding is None:
                tally.passed += 1
            else:
                tally.failed.append(f"{leg}: {name}")
    return tally


LEGS = {"release": ctest_leg, "dev": ctest_leg, "tsan": ctest_leg, "aarch64": ctest_leg, "fuzz": fuzz_leg}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fuzz-seconds", type=int, default=60)
    parser.add_argument("legs", nargs="+", choices=LEGS)
    arguments = parser.parse_args()
    total = Tally()
    for leg in arguments.legs:
        start = time.monotonic()
        print(f"== {leg}", flush=True)
        tally = LEGS[leg](leg, arguments.fuzz_seconds)
        print(f"== {leg}: {tally} in {time.monotonic() - start:.0f} s", flush=True)
        total.add(tally)
    for what, names in (("failed", total.failed), ("skipped", total.skipped)):
        for name in names:
            print(f"{what}: {name}")
    print(total)
    strict = os.environ.get("CI") == "true"
    return 1 if total.failed or (strict and total.skipped) else 0


if __name__ == "__main__":
    sys.exit(main())
