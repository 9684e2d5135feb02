"""A Kubernetes API server as the replay talks to it: plain HTTPS with the admin's client certificate, and watches.

Owns no process. One connection is kept and opened anew once when it breaks.
"""
import atexit
import base64
import http.client
import json
import os
import shutil
import ssl
import tempfile
import urllib.parse

import yaml

class Cluster:
    def __init__(self, kubeconfig, kubectl):
        self.kubeconfig, self.kubectl = kubeconfig, kubectl
        with open(kubeconfig) as file:
            c = yaml.safe_load(file)
        ctx = next(x["context"] for x in c["contexts"] if x["name"] == c["current-context"])
        cl = next(x["cluster"] for x in c["clusters"] if x["name"] == ctx["cluster"])
        us = next(x["user"] for x in c["users"] if x["name"] == ctx["user"])
        self.server = cl["server"]
        u = urllib.parse.urlparse(self.server)
        self.host, self.port = u.hostname, u.port or 443
        base = os.path.dirname(os.path.abspath(kubeconfig))
        self.cache = tempfile.mkdtemp(prefix="kubectl-cache-")
        atexit.register(shutil.rmtree, self.cache, ignore_errors=True)

        def f(d, key):
            if key in d:
                return os.path.join(base, d[key])
            if key + "-data" in d:
                path = os.path.join(self.cache, key)
                with open(path, "wb") as t:
                    t.write(base64.b64decode(d[key + "-data"]))
                return path
            return None
        self.ctx = ssl.create_default_context(cafile=f(cl, "certificate-authority"))
        self.ctx.check_hostname = False
        self.anon_ctx = ssl.create_default_context(cafile=f(cl, "certificate-authority"))
        self.anon_ctx.check_hostname = False
        cert = f(us, "client-certificate")
        if cert:
            self.ctx.load_cert_chain(cert, f(us, "client-key"))
        self.token = us.get("token")
        self.con = None

    def http(self, method, path, headers=None, body=None, anon=False, timeout=60):
        hd = {"User-Agent": "golden/1.0", "Accept": "application/json"}
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            hd["Content-Type"] = "application/json"
        if self.token and not anon:
            hd["Authorization"] = "Bearer " + self.token
        hd.update(headers or {})
        hd = {k: v for k, v in hd.items() if v is not None}
        for attempt in (0, 1):
            con = self.con
            if anon or con is None:
                con = http.client.HTTPSConnection(self.host, self.port, timeout=timeout,
                                                  context=self.anon_ctx if anon else self.ctx)
            try:
                con.request(method, path, body=body.encode() if isinstance(body, str) else body, headers=hd)
                r = con.getresponse()
                data = r.read()
                break
            except (http.client.HTTPException, OSError):
                self.con = None
                if attempt or anon:
                    raise
        if not anon:
            self.con = con
        return r.status, {k.lower(): v for k, v in multi(r.getheaders())}, data.decode("utf-8", "replace")

    def js(self, method, path, body=None, headers=None):
        s, h, d = self.http(method, path, headers, body)
        try:
            return s, json.loads(d)
        except ValueError:
            return s, d

    def watch(self, path, headers, seconds, started):
        hd = {"User-Agent": "golden/1.0", "Accept": "application/json"}
        if self.token:
            hd["Authorization"] = "Bearer " + self.token
        hd.update(headers or {})
        con = http.client.HTTPSConnection(self.host, self.port, timeout=seconds + 10, context=self.ctx)
        con.request("GET", path, headers=hd)
        r = con.getresponse()
        started["status"], started["headers"] = r.status, {k.lower(): v for k, v in multi(r.getheaders())}
        started["ev"].set()
        buf = b""
        try:
            while True:
                x = r.read1(65536)
                if not x:
                    break
                buf += x
        except (OSError, http.client.HTTPException):
            pass
        started["body"] = buf.decode("utf-8", "replace")
        con.close()


def multi(items):
    d = {}
    for k, v in items:
        k = k.lower()
        d[k] = d[k] + " | " + v if k in d else v
    return d.items()
