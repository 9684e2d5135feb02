"""The main path: pods from an imported image as real containers, reached through Services, and not disturbed by a restart.

Read by `appliance` (this machine) and tests/system/guest (an emulated one). Makes the box's own address in the test's network.
"""
import os
import signal
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import images  # noqa: E402
from branchbox import Appliance  # noqa: E402

BOX = "192.0.2.10"
CONFIG = "apiVersion: branchbox/v1\nsite: box\n"
MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: prices, namespace: shop}
data: {coffee: "2.50"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: till, namespace: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: till}}
  template:
    metadata: {labels: {app: till}}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
      - name: till
        image: till:1
        imagePullPolicy: Always
        ports: [{containerPort: 8080}]
        env:
        - {name: COFFEE, valueFrom: {configMapKeyRef: {name: prices, key: coffee}}}
        readinessProbe: {httpGet: {path: /health, port: 8080}, periodSeconds: 1}
        resources: {limits: {memory: 32Mi}}
        volumeMounts: [{name: prices, mountPath: /prices}]
      volumes: [{name: prices, configMap: {name: prices}}]
---
apiVersion: v1
kind: Service
metadata: {name: till, namespace: shop}
spec:
  type: LoadBalancer
  selector: {app: till}
  ports: [{port: 8181, targetPort: 8080}]
"""


def network():
    """A network with the box's address, as an office has one: a bridge of its own, for want of a cable."""
    for command in ("link add lan type bridge", "address add %s/24 dev lan" % BOX, "link set lan up", "route add default via 192.0.2.1"):
        subprocess.run(["ip"] + command.split(), check=True)


def get(url, timeout=5):
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.read().decode()
    except OSError as e:
        return "error: %s" % e


def get_until(url, want, patience_s=5):
    """The first answer that holds `want`, or the last: an endpoint that ends may answer for a moment longer."""
    until = time.monotonic() + patience_s
    while True:
        answer = get(url)
        if want in answer or time.monotonic() > until:
            return answer
        time.sleep(0.05)


class Path:
    def __init__(self, root, report, patience_s):
        self.report, self.patience = report, patience_s
        self.box = Appliance(root, config=CONFIG)

    def says(self, name, want, *arguments, stdin="", status=0):
        got = self.box.kubectl("-n", "shop", *arguments, stdin=stdin, timeout=self.patience + 30)
        return self.report.check(name, got[0] == status and want in got[1] + got[2], "kubectl " + " ".join(arguments), *got)

    def containers(self):
        """Which container each pod runs that is not on its way out, and how often it was started again."""
        return self.box.kubectl("-n", "shop", "get", "pods", "-o", "go-template={{range .items}}{{if not .metadata.deletionTimestamp}}"
                                "{{.metadata.name}} {{with index .status.containerStatuses 0}}{{.containerID}} {{.restartCount}}{{end}}"
                                "{{\"\\n\"}}{{end}}{{end}}")[1]

    def address(self):
        return self.box.kubectl("-n", "shop", "get", "service", "till", "-o", "jsonpath={.spec.clusterIP}")[1]

    def first(self):
        images.tills(os.path.join(self.box.root, "var/lib/rancher/k3s/agent/images"))
        self.report.check("the appliance starts", self.box.start() < self.patience)
        ready = "--timeout=%ds" % self.patience
        self.says("the manifests apply", "deployment.apps/till created", "apply", "-f", "-", stdin=MANIFEST)
        begin = time.monotonic()
        good = self.says("three pods become ready", "condition met", "wait", "deployment/till", "--for=condition=Available", ready) and \
            self.says("all of them", "successfully rolled out", "rollout", "status", "deployment/till", ready)
        print("    3 replicas ready after %.1f s" % (time.monotonic() - begin))
        if not good:
            print("    " + self.box.kubectl("-n", "shop", "describe", "pods")[1][-3000:].replace("\n", "\n    "))
            return False
        self.says("logs come from the container", "till 1 is open", "logs", "deployment/till")
        self.says("exec runs in the container", "2.50", "exec", "deployment/till", "--", "env")
        self.says("a ConfigMap is a volume", "2.50", "exec", "deployment/till", "--", "cat", "/prices/coffee")
        self.says("the cluster's names resolve in a pod", "version 1", "exec", "deployment/till", "--", "wget", "-qO-", "http://till:8181/")
        self.reached()
        self.says("a new image is rolled out", "image updated", "set", "image", "deployment/till", "till=till:2")
        self.says("to the end", "successfully rolled out", "rollout", "status", "deployment/till", ready)
        answer = get_until("http://%s:8181/" % BOX, "version 2")
        self.report.check("and answers", "version 2" in answer, answer)
        self.says("undo returns", "rolled back", "rollout", "undo", "deployment/till")
        self.says("to the first image", "successfully rolled out", "rollout", "status", "deployment/till", ready)
        return True

    def reached(self):
        for name, url in (("the cluster address", "http://%s:8181/" % self.address()), ("the box's own address", "http://%s:8181/" % BOX)):
            answer = get(url)
            self.report.check("a Service is reached by %s" % name, "version" in answer, url, answer)

    def killed(self):
        """Each process dies once; the pods do not notice."""
        before = self.containers()
        for service in ("kube", "kubelet", "discovery"):
            pid = self.box.pid_of(service)
            if not self.report.check("status knows the process of %s" % service, pid, self.box.status()):
                continue
            os.kill(pid, signal.SIGKILL)
            until = time.monotonic() + self.patience
            while time.monotonic() < until and self.box.pid_of(service) in (None, pid):
                time.sleep(0.05)
            answer = get("http://%s:8181/" % BOX)
            self.report.check("a Service answers while %s is back" % service, "version" in answer, answer)
        self.until_api()
        self.report.check("no container was started again", self.containers() == before, before, self.containers())

    def until_api(self):
        until = time.monotonic() + self.patience
        while time.monotonic() < until:
            try:
                if self.box.request("GET", "/readyz", timeout=5)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)

    def restarted(self):
        """A stop leaves the pods running, a start has them again."""
        before = self.containers()
        self.box.stop()
        self.report.check("it stops in order", self.box.process.returncode == 0, self.box.process.returncode, self.box.tail())
        answer = get("http://%s:8181/" % self.address_before)
        self.report.check("pods answer while nothing of it runs", "version" in answer, answer)
        self.box.start()
        self.report.check("the same containers run after a restart", self.containers() == before, before, self.containers())

    def after_reboot(self):
        """With no uplink and nothing but the data disk."""
        self.report.check("the appliance starts after a reboot", self.box.start() < self.patience)
        self.says("its pods come back by themselves", "successfully rolled out", "rollout", "status", "deployment/till",
                  "--timeout=%ds" % self.patience)
        self.reached()

    def end(self):
        """Stops it and its pods."""
        if self.box.alive():
            self.box.kubectl("delete", "namespace", "shop", "--timeout=60s", timeout=90)
        if self.box.process:
            self.box.stop()
