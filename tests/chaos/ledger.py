"""The harness of the chaos tests: writers that remember what they were told, ways to kill, and what was found against what was promised.

A service is driven through a Client: put(name, value, exists), remove(name), found(). Each tells YES (acknowledged), NO (refused, nothing
changed) or raises OSError (no answer: either state is right). Everything else here knows no protocol.
"""
import os
import random
import signal
import subprocess
import threading
import time

YES, NO = True, False
WRITERS = 4
ATTACH_S = 10
# Where a store can be hurt: after a write and before it is durable, before a name changes, in the middle of a body.
POINTS = ("fdatasync", "pwrite64", "pwritev2", "renameat2", "unlink", "ftruncate", "fallocate")


class Writer(threading.Thread):
    """Creates, overwrites and removes names of its own until told to stop; every other one stays."""

    def __init__(self, client, number):
        super().__init__(daemon=True)
        self.client, self.number, self.stopped = client, number, threading.Event()
        self.count = self.acknowledged = 0
        self.history = {}                       # name -> every value it was ever asked to have, in order; None: removed
        self.allowed = {}                       # name -> the values it may have now

    def run(self):
        while not self.stopped.is_set():
            name, step = "w%d-%d" % (self.number, self.count // 3), self.count % 3
            if step == 2 and self.count % 2:
                self.count += 1
                continue
            after = None if step == 2 else "%d-%d" % (self.number, self.count)
            before = self.allowed.get(name, {None})
            self.allowed[name] = before | {after}
            self.history.setdefault(name, [None]).append(after)
            try:
                said = self.client.remove(name) if step == 2 else self.client.put(name, after, step == 1)
            except OSError:
                self.count += 3 - step          # leave this one alone
                self.stopped.wait(0.01)
                continue
            self.allowed[name] = {after} if said else before
            self.acknowledged += said
            self.count += 1


class Ledger:
    """All that was asked and acknowledged over the rounds."""

    def __init__(self):
        self.allowed, self.history, self.acknowledged = {}, {}, 0
        self.lost, self.returned, self.stale, self.foreign = [], [], [], []

    def take(self, writers):
        for w in writers:
            self.allowed.update(w.allowed)
            self.history.update(w.history)
            self.acknowledged += w.acknowledged

    def compare(self, found):
        """`found`: name -> value, of everything that is there."""
        for name, values in self.allowed.items():
            is_, may = found.get(name), sorted(map(str, values))
            if is_ in values:
                continue
            line = "%s: is %s, may be %s" % (name, is_, may)
            (self.lost if is_ is None else self.returned if values == {None} else self.stale if is_ in self.history[name] else self.foreign).append(line)
            self.allowed[name] = {is_}          # told once
        self.foreign += ["%s: was never written" % name for name in found if name not in self.history]

    def report(self, report, what):
        print("    %d acknowledged, %d names: %d lost, %d came back, %d stale, %d foreign" %
              (self.acknowledged, len(self.allowed), len(self.lost), len(self.returned), len(self.stale), len(self.foreign)), flush=True)
        report.check("nothing acknowledged is lost %s" % what, not self.lost, *self.lost[:10])
        report.check("nothing removed comes back %s" % what, not self.returned, *self.returned[:10])
        report.check("nothing older replaces what was acknowledged %s" % what, not self.stale, *self.stale[:10])
        report.check("nothing is there that was never written %s" % what, not self.foreign, *self.foreign[:10])


def write_until_killed(client, first, kill):
    """WRITERS write while kill() does its work; the writers when all of them have come to rest."""
    writers = [Writer(client, first + i) for i in range(WRITERS)]
    for w in writers:
        w.start()
    try:
        kill()
    finally:
        for w in writers:
            w.stopped.set()
        for w in writers:
            w.join(20)
    return writers


def kill_at(pid, point, nth, patience_s):
    """SIGKILL as the `nth` call of `point` begins; at any moment if there was none within `patience_s`. True if it was at the point."""
    tracer = subprocess.Popen(["strace", "-f", "-q", "-o", "/dev/null", "-e", "trace=" + point, "-e",
                               "inject=%s:signal=KILL:when=%d" % (point, nth), "-p", str(pid)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        tracer.wait(patience_s)
        return True
    except subprocess.TimeoutExpired:
        os.kill(pid, signal.SIGKILL)
        tracer.wait(ATTACH_S)
        return False


def kill_somehow(pid, chance, points=POINTS):
    """One death: at a random moment, or at a random call of a named point. Its name."""
    if chance.random() < 0.5:
        time.sleep(chance.uniform(0.02, 0.6))
        os.kill(pid, signal.SIGKILL)
        return "any moment"
    point = chance.choice(points)
    return point if kill_at(pid, point, chance.randint(1, 40), 1.5) else "any moment"


def rounds_and_chance(arguments, name, otherwise):
    """--rounds N, and a random source that CHAOS_SEED repeats."""
    rounds = int(arguments[arguments.index("--rounds") + 1]) if "--rounds" in arguments else otherwise
    seed = int(os.environ.get("CHAOS_SEED", time.time_ns() % 1000000))
    print("%s: %d rounds, CHAOS_SEED=%d" % (name, rounds, seed), flush=True)
    return rounds, random.Random(seed)
