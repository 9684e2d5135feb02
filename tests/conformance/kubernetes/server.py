"""The server that a theme is replayed on: `service kube` alone, with the Node that the recordings have."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
from branchbox import CONFIG, Kube  # noqa: E402

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")


class Server(Kube):
    def __init__(self, binary, kubectl, root):
        super().__init__(root, binary, CONFIG)
        self.client = kubectl

    def start(self):
        super().start()
        for command in (["apply", "--validate=false", "-f", os.path.join(GOLDEN, "node-a.json")],
                        ["patch", "node", "node-a", "--subresource=status", "--type=merge", "--patch-file",
                         os.path.join(GOLDEN, "node-a-status.json")]):
            status, _, err = self.kubectl(*command)
            if status:
                raise RuntimeError("node-a: kubectl %s: %s" % (command[0], err.strip()))
