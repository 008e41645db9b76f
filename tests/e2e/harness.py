# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end scripts and the demo share: programs that are filled and emptied, a governor to start, kill and ask,
and the few words of a test. Python's standard library alone."""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("MEMGOV_BUILD", ROOT / "build" / "release"))
MEMGOV = BUILD / "bin" / "memgov"
SHIM = BUILD / "lib" / "libmemgov.so"
FAST_CLOCK = BUILD / "lib" / "libfast_clock.so"
GLIBC_SERVICE = BUILD / "bin" / "glibc_service"
PYTHON = "/usr/bin/python3"
IN_TREE_ONLY = os.environ.get("MEMGOV_IN_TREE_ONLY") == "1"  # a sanitized governor, judged by programs of this repository
MIB = 1 << 20
SKIP = 77
LOG_SHOWN = 12000  # characters of a log's end, after a failure


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


def check(condition, sentence):
    if not condition:
        raise Failed(sentence)


def until(sentence, probe, seconds=10.0, every=0.05):
    """Asks again until probe() is true and returns its value; past `seconds` the sentence is what failed."""
    end = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() >= end:
            raise Failed(f"within {seconds:g} s: {sentence}")
        time.sleep(every)


def steady(probe, seconds=2.0, tolerance=MIB, limit=60.0):
    """Waits until probe() has stayed within tolerance for `seconds`, `limit` at most; returns the last value."""
    end = time.monotonic() + limit
    since, base = time.monotonic(), probe()
    while time.monotonic() < end and time.monotonic() - since < seconds:
        time.sleep(0.1)
        value = probe()
        if abs(value - base) > tolerance:
            since, base = time.monotonic(), value
    return probe()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_tests(*tests):
    """Runs every test in turn, each in a fresh scratch folder. Exit status: 1 after a failure, 77 where nothing could run."""
    failed = skipped = 0
    for test in tests:
        try:
            with Scratch() as scratch:
                test(scratch)
            print(f"ok {test.__name__}", flush=True)
        except Skipped as reason:
            skipped += 1
            print(f"skipped: {test.__name__}: {reason}", flush=True)
        except Failed as reason:
            failed += 1
            print(f"FAILED {test.__name__}: {reason}", flush=True)
        except Exception:  # a test that breaks must not hide the others
            failed += 1
            print(f"FAILED {test.__name__}: it broke\n{traceback.format_exc()}", flush=True)
    if failed:
        sys.exit(1)
    sys.exit(SKIP if skipped == len(tests) else 0)


class Scratch:
    """A folder with a short path (socket names end at 107 bytes), and what was started in it: all of it ends with it."""

    def __enter__(self):
        # As root a policy file counts only where nobody else can put one.
        self.folder = tempfile.TemporaryDirectory(prefix="mg-", dir="/run" if os.geteuid() == 0 else "/tmp")
        self.path = pathlib.Path(self.folder.name)
        self.started = []
        return self

    def __exit__(self, kind, value, trace):
        broken = None
        for thing in reversed(self.started):
            try:
                thing.end()
            except (OSError, Failed) as reason:
                broken = broken or reason
        if broken or kind not in (None, Skipped):
            self.print_logs()
        self.folder.cleanup()
        if broken and kind is None:
            raise broken

    def print_logs(self):
        for log in sorted(self.path.glob("*.log")):
            text = log.read_text(errors="replace")
            if text:
                print(f"--- {log.name}\n{text[-LOG_SHOWN:]}", flush=True)

    def own(self, thing):
        self.started.append(thing)
        return thing

    @property
    def socket(self):
        return self.path / "control.sock"


class Program:
    """A real program, governed when `governed`: nothing of it is changed but two variables of its environment."""

    def __init__(self, scratch, name, argv, governed=True, env=None, before=None, **options):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MEMGOV_")}
        if governed:
            environment |= {"LD_PRELOAD": str(SHIM), "MEMGOV_SOCKET": str(scratch.socket)}
        environment |= env or {}
        self.scratch, self.name = scratch, name
        self.log = open(scratch.path / f"{name}.log", "ab")
        self.process = subprocess.Popen([str(a) for a in argv], env=environment, stderr=self.log, text=True, bufsize=1,
                                        preexec_fn=before, **options)
        self.pid = self.process.pid
        scratch.own(self)

    def resident(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def alive(self):
        return self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        if self.alive():
            self.kill()
        self.log.close()


class Service(Program):
    """A program of tests/programs: commands on its input, one line of JSON back."""

    def __init__(self, scratch, name, argv, **options):
        super().__init__(scratch, name, argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)
        self.ask("stats")

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        line = self.process.stdout.readline()
        check(line, f"{self.name} answers `{command}`")
        return json.loads(line)

    def fill(self, mib):
        self.ask(f"fill {mib}")

    def empty(self):
        self.ask("free")

    def purge_itself(self):
        self.ask("trim")

    def reset(self):
        self.ask("reset")

    def longest_s(self):
        return self.ask("stats")["longest_us"] / 1e6


def glibc_service(scratch, name="glibc_service", threads=4, **options):
    return Service(scratch, name, [GLIBC_SERVICE, threads], **options)


def python_service(scratch, name="python", **options):
    return Service(scratch, name, [PYTHON, ROOT / "tests" / "programs" / "burst.py"], **options)


class RedisClient:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rb")

    def ask(self, *words):
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words))
        line = self.file.readline().decode().rstrip("\r\n")
        check(line and not line.startswith("-"), f"redis does {words[0]}, not `{line}`")
        if line.startswith("$") and line != "$-1":
            return self.file.read(int(line[1:]) + 2)[:-2].decode()
        return line[1:]

    def close(self):
        self.file.close()
        self.socket.close()


class Redis(Program):
    """redis-server with a client that pings without end: the longest answer is the longest pause its users see. It runs without
    jemalloc's background thread, which would give pages back after ten seconds: so what comes back is memgov's doing."""
    VALUE_BYTES = 1000
    PING_S = 0.004

    def __init__(self, scratch, name="redis", **options):
        self.path = scratch.path / f"{name}.sock"
        self.path.unlink(missing_ok=True)  # of one that ran before
        argv = ["redis-server", "--port", 0, "--unixsocket", self.path, "--save", "", "--appendonly", "no", "--dir", scratch.path,
                "--enable-debug-command", "local", "--loglevel", "warning",
                "--jemalloc-bg-thread", "no"]
        super().__init__(scratch, name, argv, stdout=subprocess.DEVNULL, **options)
        until(f"{name} listens", self.path.exists)
        self.client = RedisClient(self.path)
        self.pings = RedisClient(self.path)
        self.longest = 0.0
        threading.Thread(target=self.ping, daemon=True).start()

    def ping(self):
        with contextlib.suppress(OSError, Failed, ValueError):
            while self.alive():
                start = time.monotonic()
                self.pings.ask("PING")
                self.longest = max(self.longest, time.monotonic() - start)
                time.sleep(self.PING_S)

    def fill(self, mib):
        self.client.ask("DEBUG", "POPULATE", str(mib * MIB // (self.VALUE_BYTES + 110)), "key", str(self.VALUE_BYTES))

    def empty(self):
        """Without ASYNC redis purges jemalloc itself."""
        self.client.ask("FLUSHALL", "ASYNC")
        until(f"{self.name} has freed its keys", lambda: self.info("lazyfree_pending_objects") == "0", seconds=60)

    def info(self, field):
        return next(line.split(":")[1] for line in self.client.ask("INFO", "memory").splitlines() if line.startswith(field + ":"))

    def purge_itself(self):
        self.client.ask("MEMORY", "PURGE")

    def reset(self):
        """The ping under way counts for what was before: it may have waited for the command that just ended."""
        time.sleep(3 * self.PING_S)
        self.longest = 0.0

    def longest_s(self):
        return self.longest


class UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Governor:
    """`memgov run` on a policy file in the scratch folder."""

    def __init__(self, scratch, policy, mode=None, env=None, listen=None):
        self.scratch, self.env = scratch, env or {}
        self.config = scratch.path / "policy.yaml"
        self.config.write_text(policy)
        self.argv = [MEMGOV, "run", "--config", self.config, "--socket", scratch.socket] + ([f"--{mode}"] if mode else [])
        self.argv += ["--listen", listen] if listen else []
        self.admin = scratch.path / "control.sock.admin"
        self.process = None
        scratch.own(self)
        self.start()

    def start(self):
        self.log = open(self.scratch.path / "memgov.log", "ab")
        self.process = subprocess.Popen([str(a) for a in self.argv], env=os.environ | self.env, stdout=self.log, stderr=self.log)
        self.pid = self.process.pid
        until("memgov serves", self.serves, seconds=10)

    def serves(self):
        check(self.process.poll() is None, f"memgov runs; it ended with status {self.process.poll()}")
        try:
            return self.get("/api/v1/status") is not None
        except (OSError, http.client.HTTPException):
            return False

    def end(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise Failed("memgov ends within 10 s of being asked") from None
            finally:
                self.log.close()
            check(self.process.returncode in (0, -signal.SIGKILL), f"memgov ends with status 0, not {self.process.returncode}")

    def kill(self):
        self.end(signal.SIGKILL)

    def get(self, path):
        connection = UnixHTTP(self.admin)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            body = reply.read()
            check(reply.status == 200, f"{path} is answered with 200, not {reply.status}")
            return json.loads(body) if path.startswith("/api") else body.decode()
        finally:
            connection.close()

    def verb(self, *words):
        """One verb of the command line; returns its exit status and output."""
        done = subprocess.run([str(w) for w in (MEMGOV, *words, "--socket", self.scratch.socket)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=20, check=False)
        return done.returncode, done.stdout

    def status(self):
        return self.get("/api/v1/status")

    def target(self, program):
        """What status says of a program, None while it is not there."""
        found = [t for t in self.status()["targets"] if t["pid"] == program.pid]
        return found[0] if found else None

    def adopt(self, *programs):
        """Waits until every program has said hello; a lazy shim takes a second or more."""
        return [until(f"{p.name} becomes a target", lambda p=p: self.target(p), seconds=40) for p in programs]

    def decisions(self, target=None):
        """Records, newest first; of one target where it is given."""
        return self.get("/api/v1/decisions?limit=128" + (f"&target={target['id']}" if target else ""))["decisions"]

    def private_bytes(self):
        with open(f"/proc/{self.pid}/smaps_rollup", encoding="ascii") as rollup:
            return sum(int(line.split()[1]) << 10 for line in rollup if line.startswith("Private_"))

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def changed(target):
    """The settings of a target that are not its own: knob -> value."""
    return {k: v for k, v in target["settings"].items() if v != target["baseline"].get(k)}


def need_root():
    if os.geteuid() != 0:
        raise Skipped("it needs root")
