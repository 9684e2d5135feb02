"""One `branchbox service kube` under a root of its own, on a free port, with the Node that the recordings have.

Ends only the process that it started.
"""
import os
import signal
import ssl
import subprocess
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
READY_S = 20
STOP_S = 10


class Server:
    def __init__(self, binary, kubectl, root):
        self.binary, self.kubectl, self.root = binary, kubectl, root
        self.kubeconfig = os.path.join(root, "etc/rancher/k3s/k3s.yaml")
        self.log = os.path.join(root, "kube.log")
        self.process = None

    def start(self):
        os.makedirs(self.root, exist_ok=True)
        config = os.path.join(self.root, "config.yaml")
        with open(config, "w") as f:
            f.write("apiVersion: branchbox/v1\nsite: conformance\nkube:\n  node_monitor_grace_period: 24h\n")
        if os.path.exists(self.kubeconfig):
            os.remove(self.kubeconfig)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "service", "kube", "--root", self.root, "--config", config, "--listen", "127.0.0.1:0"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.until_ready()
        for command in (["apply", "-f", os.path.join(HERE, "golden/node-a.json")],
                        ["patch", "node", "node-a", "--subresource=status", "--type=merge", "--patch-file",
                         os.path.join(HERE, "golden/node-a-status.json")]):
            done = subprocess.run([self.kubectl, "--kubeconfig", self.kubeconfig] + command, capture_output=True, text=True, timeout=60)
            if done.returncode:
                raise RuntimeError("node-a: kubectl %s: %s" % (command[0], done.stderr.strip()))

    def until_ready(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        until = time.monotonic() + READY_S
        while True:
            if not self.alive():
                raise RuntimeError("the server ended with %s: %s" % (self.process.returncode, self.tail()))
            try:
                with open(self.kubeconfig) as f:
                    address = next(line.split(None, 1)[1].strip() for line in f if line.strip().startswith("server:"))
                with urllib.request.urlopen(address + "/readyz", context=context, timeout=5) as answer:
                    if answer.status == 200:
                        return
            except (OSError, StopIteration, IndexError):
                pass
            if time.monotonic() > until:
                raise RuntimeError("the server is not ready after %d s: %s" % (READY_S, self.tail()))
            time.sleep(0.02)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def tail(self):
        with open(self.log, errors="replace") as f:
            return f.read()[-2000:].strip() or "it said nothing"

    def stop(self):
        if not self.alive():
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
