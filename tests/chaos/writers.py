"""Writers that remember what they were told, and what to compare it with: shared by the scripts that kill processes."""
import json
import os
import random
import threading
import time
import urllib.error
import urllib.request

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
WRITERS = 4
LABEL = "?labelSelector=chaos"


class Writer(threading.Thread):
    """Creates, updates and deletes ConfigMaps of its own until told to stop, and keeps what each must be: the last acknowledged
    value, or any of the two if the answer to a write never came."""

    def __init__(self, kube, number):
        super().__init__(daemon=True)
        self.kube, self.number, self.stopped, self.count = kube, number, threading.Event(), 0
        self.allowed = {}                       # name -> set of values; None: it is not there

    def run(self):
        while not self.stopped.is_set():
            name, step = "w%d-%d" % (self.number, self.count // 3), self.count % 3
            value, before = str(self.count), self.allowed.get("w%d-%d" % (self.number, self.count // 3), {None})
            body = {"metadata": {"name": name, "labels": {"chaos": "yes"}}, "data": {"value": value}}
            call = (("POST", CONFIGMAPS, body), ("PUT", CONFIGMAPS + "/" + name, body),
                    ("DELETE", CONFIGMAPS + "/" + name, None))[step]
            if step == 2 and self.count % 2:    # every other one stays
                self.count += 1
                continue
            after = None if step == 2 else value
            self.allowed[name] = before | {after}
            try:
                status, _ = self.kube.request(*call, timeout=10)
            except OSError:
                self.count += 3 - step          # no answer: leave this one alone, either state is right
                self.stopped.wait(0.01)
                continue
            if status in (200, 201):
                self.allowed[name] = {after}
            elif status < 500 and status != 429:
                self.allowed[name] = before
            self.count += 1


def compare(kube, writers, allowed):
    for w in writers:
        allowed.update(w.allowed)
    found, token = {}, ""
    while True:
        _, answer = kube.request("GET", CONFIGMAPS + LABEL + "&limit=500" + token)
        for item in answer["items"]:
            found[item["metadata"]["name"]] = item["data"]["value"]
        if not answer["metadata"].get("continue"):
            return ["%s: is %s, may be %s" % (name, found.get(name), sorted(map(str, values)))
                    for name, values in allowed.items() if found.get(name) not in values]
        token = "&continue=" + answer["metadata"]["continue"]


def resumes(kube, version, marker):
    """A watch from a version of before the kill: sees what came after, or is told that it is too old."""
    kube.request("POST", CONFIGMAPS, {"metadata": {"name": marker}})
    request = urllib.request.Request("%s%s?watch=1&resourceVersion=%s&timeoutSeconds=5" % (kube.server, CONFIGMAPS, version))
    try:
        with urllib.request.urlopen(request, context=kube.context, timeout=15) as stream:
            last = int(version)
            for line in stream:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return event["object"].get("code") == 410
                now = int(event["object"]["metadata"]["resourceVersion"])
                if now <= last:
                    return False
                last = now
                if event["object"]["metadata"]["name"] == marker:
                    return True
    except urllib.error.HTTPError as e:
        return e.code == 410
    return False


def write_until_killed(kube, first, kill):
    """WRITERS write while kill() does its work; the writers when all of them have come to rest."""
    writers = [Writer(kube, first + i) for i in range(WRITERS)]
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


def revision(kube):
    return kube.request("GET", CONFIGMAPS + "?limit=1")[1]["metadata"]["resourceVersion"]


def rounds_and_chance(arguments, name, otherwise):
    """--rounds N, and a random source that CHAOS_SEED repeats."""
    rounds = int(arguments[arguments.index("--rounds") + 1]) if "--rounds" in arguments else otherwise
    seed = int(os.environ.get("CHAOS_SEED", time.time_ns() % 1000000))
    print("%s: %d rounds, CHAOS_SEED=%d" % (name, rounds, seed), flush=True)
    return rounds, random.Random(seed)
