# SPDX-License-Identifier: Apache-2.0
"""What the collectors' scripts share: one source of the governor on its real loop, and what came of it."""
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from harness import BUILD  # noqa: E402

FETCH = BUILD / "bin" / "fetch"


class Fetched:
    def __init__(self, done):
        self.status, self.refused = done.returncode, done.stderr.strip()
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.samples = [line for line in lines if "sample" in line]
        self.failures = [line["why"] for line in lines if "failed" in line]
        self.stats = next((line["stats"] for line in lines if "stats" in line), None)

    def __str__(self):
        return f"status {self.status} {self.refused!r}, samples {self.samples}, failures {self.failures}, {self.stats}"

    def value(self, name):
        """The newest value of a signal, as a number; None when none came."""
        values = [float(s["value"]) for s in self.samples if s["sample"] == name]
        return values[-1] if values else None


def fetch(count, *signals, under=(), **settings):
    """Runs a source until `count` samples and failures have come; `under`: words before the command."""
    words = [f"{key}={value}" for key, value in settings.items()]
    done = subprocess.run([*under, FETCH, str(count), *words, *signals], capture_output=True, text=True, timeout=60, check=False)
    return Fetched(done)
