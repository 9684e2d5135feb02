"""Replays one theme on a server of its own and prints one JSON object per step: id, served, diff (empty: equal).

usage: theme.py BINARY KUBECTL ROOT FILE.jsonl ONLY_REGEX LIST
Steps of LIST (expected.txt; empty: none) are known to fail: they are not waited for as long as the others.
A server that dies is started anew for the next scenario; the steps left of the one it died in have failed.
"""
import json
import re
import sys
import time

import expected
import scope
from cluster import Cluster
from replay import KUBECTL_S, Runner, diff
from server import Server

LISTED_S = 2               # what a listed step may take where the others get their own time-out
REFUSED_MAX = 3            # starts that fail before no further one is tried


def scenarios(path):
    groups = {}
    with open(path) as f:
        for line in f:
            r = json.loads(line)
            groups.setdefault(r["id"].rsplit("/", 1)[0], []).append(r)
    return groups


def say(record, served, differences, seconds):
    print(json.dumps({"id": record["id"], "served": served, "diff": differences, "seconds": round(seconds, 3)}), flush=True)


def run_scenario(runner, records, server, listed):
    served = scope.served(records)
    started = False
    for r in records:
        t0 = time.monotonic()
        if not server.alive():
            say(r, served, ["the server ended with %s" % server.process.returncode], 0)
            continue
        try:
            if not started:
                runner.scenario_start(r["ns"])
                started = True
            step = r["input"]
            if r["id"] in listed and step["type"] == "until":
                step = dict(step, timeout=min(LISTED_S, step.get("timeout", LISTED_S)))
            runner.kubectl_s = 5 * LISTED_S if r["id"] in listed else KUBECTL_S
            d = diff(r["expect"], runner.step(step))
        except Exception as e:                    # whatever the server did: it is this step's answer
            d = ["error " + repr(e)]
        say(r, served, [] if r["input"].get("loose") else d, time.monotonic() - t0)
    if started and server.alive():
        try:
            runner.scenario_end(records[-1].get("cleanup"))
        except Exception as e:
            print("cleaning up after %s: %r" % (records[0]["id"], e), file=sys.stderr)


def main(binary, kubectl, root, path, only, known):
    listed = expected.read(known) or set() if known else set()
    server, runner, starts, refused = None, None, 0, 0
    for name, records in scenarios(path).items():
        if not re.search(only, name):
            continue
        if refused == REFUSED_MAX:
            for r in records:
                say(r, scope.served(records), ["the server did not start"], 0)
            continue
        if server is None or not server.alive():
            starts += 1
            server = Server(binary, kubectl, "%s/%d" % (root, starts))
            try:
                server.start()
                runner = Runner(Cluster(server.kubeconfig, kubectl))
            except Exception as e:
                for r in records:
                    say(r, scope.served(records), ["the server did not start: %s" % e], 0)
                server.stop()
                refused += 1
                continue
        run_scenario(runner, records, server, listed)
    if server:
        server.stop()


main(*sys.argv[1:])
