"""Runs the steps of one recorded scenario against an API server and tells where the answers differ.

The format of a step is golden/README.md. Bounded: a kubectl call by KUBECTL_S, an `until` step by its own time-out.
"""
import json
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from normalise import Norm, ages, fix_table, sort_managed

BIG = 120000          # bodies above this are kept as a digest and a summary
KUBECTL_S = 45
KEEP_HEADERS = ["content-type", "warning", "retry-after", "location", "allow", "vary",
                "www-authenticate", "cache-control", "etag", "x-content-type-options"]


def get_path(o, path):
    for p in path.split("."):
        if isinstance(o, list):
            o = o[int(p)]
        else:
            o = o[p]
    return o


def sub(v, env):
    if isinstance(v, str):
        for k, x in env.items():
            v = v.replace("${%s}" % k, str(x))
        return v
    if isinstance(v, list):
        return [sub(x, env) for x in v]
    if isinstance(v, dict):
        return {k: sub(x, env) for k, x in v.items()}
    return v


class Runner:
    def __init__(self, cluster):
        self.c = cluster
        self.patience = 10
        self.kubectl_s = KUBECTL_S

    def scenario_start(self, ns):
        self.n = Norm(self.c)
        self.ns = ns
        self.env = {"ns": ns, "server": self.c.server}
        self.dir = tempfile.mkdtemp(prefix="scenario-")
        if ns != "default":
            self.wait(lambda: self.c.js("POST", "/api/v1/namespaces", {
                "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns}})[0] in (200, 201))
            self.wait(lambda: self.c.js("GET", "/api/v1/namespaces/%s/serviceaccounts/default" % ns)[0] == 200
                      and self.c.js("GET", "/api/v1/namespaces/%s/configmaps/kube-root-ca.crt" % ns)[0] == 200)

    def wait(self, ready):
        """The controllers get `patience` seconds; once they have not come, the scenarios after wait no more."""
        until = time.monotonic() + self.patience
        while not ready():
            if time.monotonic() > until:
                self.patience = 0.5
                return
            time.sleep(0.05)

    def scenario_end(self, cleanup):
        for c in cleanup or []:
            subprocess.run([self.c.kubectl, "--kubeconfig", self.c.kubeconfig, "--cache-dir", self.c.cache] + shlex.split(c)
                           + ["--ignore-not-found", "--wait=false"], capture_output=True, timeout=60)
        if self.ns != "default":
            self.c.js("DELETE", "/api/v1/namespaces/" + self.ns)
            self.c.js("DELETE", "/api/v1/namespaces/" + self.ns + "/pods?gracePeriodSeconds=0")
        shutil.rmtree(self.dir, ignore_errors=True)

    def kubectl(self, argv, stdin=None):
        env = {"PATH": "/usr/bin:/bin", "HOME": self.dir, "KUBECONFIG": self.c.kubeconfig, "TZ": "UTC",
               "KUBE_EDITOR": "true", "LANG": "C.UTF-8"}
        try:
            p = subprocess.run([self.c.kubectl, "--cache-dir", self.c.cache] + argv[1:], cwd=self.dir, env=env,
                               input=stdin or "", capture_output=True, text=True, timeout=self.kubectl_s)
        except subprocess.TimeoutExpired:
            print("  TIMEOUT", argv, file=sys.stderr)
            return "", "timeout", -1
        return p.stdout, p.stderr, p.returncode

    def step(self, st):
        """st: input part of a step; returns the result part."""
        for name, text in (st.get("files") or {}).items():
            with open(os.path.join(self.dir, name), "w") as f:
                f.write(sub(text, self.env))
        kind = st["type"]
        if kind == "sleep":
            time.sleep(st["seconds"])
            return {}
        if kind == "kubectl":
            argv = sub(st["argv"], self.env)
            out, err, rc = self.kubectl(argv, sub(st.get("stdin"), self.env))
            if st.get("save"):
                self.env[st["save"]] = out.strip()
            return self.kres(argv, out, err, rc)
        if kind == "until":
            t0 = time.time()
            while True:
                if "argv" in st:
                    argv = sub(st["argv"], self.env)
                    out, err, rc = self.kubectl(argv)
                    hit = re.search(sub(st["match"], self.env), out + err)
                else:
                    r = st["request"]
                    s, h, out = self.c.http(r["method"], sub(r["path"], self.env))
                    hit = re.search(sub(st["match"], self.env), out)
                if hit:
                    return {"ok": True}
                if time.time() - t0 > st.get("timeout", 20):
                    return {"ok": False, "last": self.n.text(out)[-400:]}
                time.sleep(0.25)
        if kind == "http":
            r = sub(st["request"], self.env)
            s, h, b = self.c.http(r["method"], r["path"], r.get("headers"), r.get("body"), anon=st.get("anon"))
            if st.get("save"):
                try:
                    o = json.loads(b)
                    for k, p in st["save"].items():
                        self.env[k] = get_path(o, p)
                except (ValueError, KeyError, IndexError, TypeError) as e:
                    print("  save failed", e, file=sys.stderr)
            return self.hres(s, h, b)
        if kind == "watch":
            r = sub(st["request"], self.env)
            started = {"ev": threading.Event()}
            th = threading.Thread(target=self.c.watch, args=(r["path"], r.get("headers"), st["seconds"], started))
            th.start()
            started["ev"].wait(10)
            time.sleep(0.4)
            results = [self.step(x) for x in st.get("during") or []]
            th.join()
            if self.ns != "default":
                self.n.learn(self.ns)
            cols = []
            text, lines = self.n.text(started.get("body", "")), []
            for l in text.split("\n"):
                try:
                    l and lines.append(sort_managed(fix_table(json.loads(l), cols, False)))
                except ValueError:
                    lines = [text]
                    break
            return {"status": started.get("status"), "headers": self.heads(started.get("headers", {})),
                    "events": lines, "during": results}
        if kind == "check":
            a, op, b = st["expr"]
            a, b = sub(a, self.env), sub(b, self.env)
            ok = {"eq": lambda: a == b, "ne": lambda: a != b, "lt": lambda: int(a) < int(b), "le": lambda: int(a) <= int(b)}[op]()
            return {"ok": ok}
        raise SystemExit("unknown step " + kind)

    def heads(self, h):
        r = {k: h[k] for k in KEEP_HEADERS if k in h}
        if "etag" in r:
            r["etag"] = "<etag>"
        for k in r:
            r[k] = self.n.text(r[k])
        return r

    def hres(self, s, h, b):
        if self.ns != "default":
            self.n.learn(self.ns)
        try:
            o = json.loads(b)
            self.n.learn_obj(o) if isinstance(o, dict) else None
        except (ValueError, AttributeError):
            pass
        res = {"status": s, "headers": self.heads(h)}
        t = self.n.text(b)
        if len(t) > BIG:
            res["body_digest"] = {"bytes": len(b), "sha256_normalised": hashlib.sha256(t.encode()).hexdigest()}
            try:
                o = json.loads(t)
                if isinstance(o, dict):
                    res["body_digest"]["kind"] = o.get("kind")
                    res["body_digest"]["top_keys"] = {k: (len(v) if isinstance(v, (list, dict)) else v) for k, v in o.items()}
            except ValueError:
                pass
            return res
        try:
            res["body"] = sort_managed(fix_table(json.loads(t), [], self.ns.endswith("tables-http")))
        except ValueError:
            if t:
                res["body_text"] = t
        return res

    def kres(self, argv, out, err, rc):
        if self.ns != "default":
            self.n.learn(self.ns)
        o, e = self.n.text(out), self.n.text(err)
        words = [a for a, b in zip(argv[1:], argv) if not a.startswith("-") and b != "-n"]
        verb = words[0] if words else ""
        structured = any(a in ("json", "yaml") or re.match(r"^(-o=?|--output=?)(json|yaml|jsonpath|go-template|name)", a)
                         or a.startswith("jsonpath") or a.startswith("go-template") for a in argv)
        if verb == "describe":
            o = self.n.describe(o)
        elif not structured and verb in ("get", "api-resources", "events", "rollout", "top", "auth", "create"):
            o = ages(self.n.table(o))
        e = re.sub(r"[EIW]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ", "<klog> ", e)
        o = o.replace(self.dir, "<dir>")
        e = e.replace(self.dir, "<dir>")
        res = {"exit": rc, "stdout": o, "stderr": e}
        if len(o) > BIG:
            res["stdout"] = ""
            res["stdout_digest"] = {"bytes": len(out), "sha256_normalised": hashlib.sha256(o.encode()).hexdigest(),
                                    "first_lines": o.split("\n")[:20]}
        return res

def diff(a, b, path=""):
    if type(a) != type(b):
        return ["%s: want %s got %s" % (path, json.dumps(a)[:200], json.dumps(b)[:200])]
    if isinstance(a, dict):
        r = []
        for k in list(a) + [k for k in b if k not in a]:
            if k not in a:
                r.append("%s.%s: extra %s" % (path, k, json.dumps(b[k])[:200]))
            elif k not in b:
                r.append("%s.%s: missing %s" % (path, k, json.dumps(a[k])[:200]))
            else:
                r += diff(a[k], b[k], path + "." + k)
        return r
    if isinstance(a, list):
        r = [] if len(a) == len(b) else ["%s: want %d items, got %d" % (path, len(a), len(b))]
        for i, (x, y) in enumerate(zip(a, b)):
            r += diff(x, y, "%s[%d]" % (path, i))
        return r
    return [] if a == b else ["%s: want %s got %s" % (path, json.dumps(a)[:600], json.dumps(b)[:600])]
