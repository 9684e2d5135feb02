"""Branchbox as the tests start it: `service kube` alone under a root of its own, and the way in that its kubeconfig names.

Owns the processes that it starts and ends no other. Waiting is bounded by READY_S and STOP_S.
"""
import base64
import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(HERE)
BINARY = os.environ.get("BRANCHBOX", os.path.join(TREE, "build/release/branchbox"))
READY_S = 20
STOP_S = 10
STATUS_S = 10
CONFIG = "apiVersion: branchbox/v1\nsite: testing\nkube:\n  node_monitor_grace_period: 24h\n"


def kubectl_path():
    if os.environ.get("KUBECTL"):
        return os.environ["KUBECTL"]
    return subprocess.run([os.path.join(HERE, "conformance/kubernetes/fetch")], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.strip()


class Kube:
    """One `branchbox service kube`. `listen` keeps its port over restarts once it has one."""

    def __init__(self, root, binary=BINARY, config=CONFIG):
        self.binary, self.root = binary, root
        self.kubeconfig = os.path.join(root, "etc/rancher/k3s/k3s.yaml")
        self.log = os.path.join(root, "kube.log")
        self.listen = "127.0.0.1:0"
        self.process = None
        os.makedirs(root, exist_ok=True)
        self.config = os.path.join(root, "config.yaml")
        with open(self.config, "w") as f:
            f.write(config)

    def command(self):
        return [self.binary, "service", "kube", "--root", self.root, "--config", self.config, "--listen", "api=" + self.listen]

    def start(self):
        """Returns the seconds until /readyz said yes."""
        if self.listen.endswith(":0") and os.path.exists(self.kubeconfig):
            os.remove(self.kubeconfig)
        begin = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = begin + READY_S
        while True:
            if not self.alive():
                raise RuntimeError("the server ended with %s: %s" % (self.process.returncode, self.tail()))
            try:
                self.read_kubeconfig()
                if self.request("GET", "/readyz", timeout=5)[0] == 200:
                    break
            except (OSError, StopIteration, KeyError):
                pass
            if time.monotonic() > until:
                raise RuntimeError("the server is not ready after %d s: %s" % (READY_S, self.tail()))
            time.sleep(0.01)
        self.listen = urllib.parse.urlparse(self.server).netloc
        return time.monotonic() - begin

    def read_kubeconfig(self):
        values = {}
        with open(self.kubeconfig) as f:
            for line in f:
                key, _, value = line.strip().lstrip("- ").partition(": ")
                values.setdefault(key, value.strip().strip("\"'"))
        self.server = values["server"]
        if getattr(self, "context", None):
            return
        self.context = ssl.create_default_context(cadata=base64.b64decode(values["certificate-authority-data"]).decode())
        self.context.check_hostname = False
        with tempfile.NamedTemporaryFile("wb") as pair:
            pair.write(base64.b64decode(values["client-certificate-data"]) + b"\n" + base64.b64decode(values["client-key-data"]))
            pair.flush()
            self.context.load_cert_chain(pair.name)

    def request(self, method, path, body=None, timeout=30, content_type="application/json"):
        """The status and the JSON (or text) of the answer. OSError when there is none."""
        request = urllib.request.Request(self.server + path, method=method, headers={"Content-Type": content_type},
                                         data=json.dumps(body).encode() if body is not None else None)
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=timeout) as answer:
                status, data = answer.status, answer.read()
        except urllib.error.HTTPError as e:
            status, data = e.code, e.read()
        try:
            return status, json.loads(data)
        except ValueError:
            return status, data.decode("utf-8", "replace")

    def kubectl(self, *arguments, stdin="", timeout=60):
        """The exit status, standard output and standard error of the test's kubectl."""
        if not hasattr(self, "client"):
            self.client = kubectl_path()
        done = subprocess.run([self.client, "--kubeconfig", self.kubeconfig, "--cache-dir", os.path.join(self.root, "kubectl-cache")]
                              + list(arguments), input=stdin, capture_output=True, text=True, timeout=timeout, cwd=self.root)
        return done.returncode, done.stdout, done.stderr

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def tail(self):
        with open(self.log, errors="replace") as f:
            return f.read()[-2000:].strip() or "it said nothing"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if not self.alive():
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()


class Appliance(Kube):
    """The whole appliance by `branchbox run`, on the usual ports of the test's own network."""

    def __init__(self, root, **settings):
        super().__init__(root, **settings)
        os.chmod(root, 0o711)   # its services have users of their own

    def command(self):
        return [self.binary, "run", "--root", self.root, "--config", self.config]

    def start(self):
        """Returns the seconds until /readyz said yes; the other services are ready, too, when it returns."""
        took = super().start()
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            processes = self.status().get("processes", [])
            if processes and all(p["ready"] for p in processes):
                break
            time.sleep(0.01)
        return took

    def status(self):
        done = subprocess.run([self.binary, "status", "-o", "json", "--root", self.root], capture_output=True, text=True, timeout=STATUS_S)
        return json.loads(done.stdout) if done.stdout.startswith("{") else {}

    def pid_of(self, service):
        return next((p["pid"] for p in self.status().get("processes", []) if p["service"] == service), None)


class Report:
    """Prints the result lines of a script and keeps count."""

    def __init__(self, part):
        self.part, self.failed = part, 0

    def check(self, name, good, *details):
        print("%s %s: %s" % ("ok" if good else "FAIL", self.part, name), flush=True)
        if not good:
            self.failed += 1
            for detail in details:
                for line in str(detail).splitlines()[:20]:
                    print("    " + line, flush=True)
        return good

    def end(self):
        sys.exit(1 if self.failed else 0)
