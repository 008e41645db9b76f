#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A Python service: serves without end, takes a burst now and then, frees most of it. The same commands and answers as
glibc_service, on standard input and output; the longest pause is the longest turn of its serving loop."""
import ctypes
import gc
import json
import random
import select
import sys
import time

TURN_S = 0.004
KEEP_RUN = 16
KEEP_EVERY = 512
SIZES = [32 << i for i in range(10)]


class Service:
    def __init__(self):
        self.blocks = []
        self.random = random.Random(1)
        self.requests = 0
        self.longest_s = 0.0

    def fill(self, mib):
        left = mib << 20
        while left > 0:
            power = self.random.choice(SIZES)
            block = bytes(power + self.random.randrange(power))
            self.blocks.append(block)
            left -= sys.getsizeof(block) + 8

    def free(self, _):
        self.blocks = [b for i, b in enumerate(self.blocks) if i % KEEP_EVERY < KEEP_RUN]
        gc.collect()

    def drop(self, _):
        self.blocks = []
        gc.collect()

    def trim(self, _):
        start = time.monotonic()
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        self.longest_s = max(self.longest_s, time.monotonic() - start)

    def reset(self, _):
        self.longest_s = 0.0

    def stats(self, _):
        pass

    def quit(self, _):
        sys.exit(0)

    def answer(self):
        live = sum(map(sys.getsizeof, self.blocks))
        print(json.dumps({"requests": self.requests, "longest_us": int(self.longest_s * 1e6), "live_bytes": live}), flush=True)

    def turn(self):
        """One request: a few blocks made and dropped, then a look at the input. True when a command waits."""
        start = time.monotonic()
        for power in SIZES:
            bytes(power + self.random.randrange(power))
        worked = time.monotonic() - start
        ready = select.select([sys.stdin], [], [], TURN_S)[0]
        late = time.monotonic() - start - TURN_S if not ready else worked
        self.longest_s = max(self.longest_s, late)
        self.requests += 1
        return bool(ready)


COMMANDS = {name: getattr(Service, name) for name in ("fill", "free", "drop", "trim", "reset", "stats", "quit")}


def main():
    service = Service()
    while True:
        if not service.turn():
            continue
        words = sys.stdin.readline().split()
        if not words:
            return
        if words[0] in COMMANDS:
            COMMANDS[words[0]](service, int(words[1]) if len(words) > 1 else 0)
            service.answer()
        else:
            print('{"error":"no such command"}', flush=True)


main()
