"""The API server as the ledger drives it: ConfigMaps, each with one value, and watches across a kill."""
import json
import urllib.error
import urllib.request

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


class ConfigMaps:
    def __init__(self, kube):
        self.kube = kube

    def said(self, method, path, body=None):
        status, _ = self.kube.request(method, path, body, timeout=10)
        if status >= 500 or status == 429:
            raise OSError(status)
        return status in (200, 201)

    def put(self, name, value, exists):
        body = {"metadata": {"name": name, "labels": {"chaos": "yes"}}, "data": {"value": value}}
        return self.said("PUT", CONFIGMAPS + "/" + name, body) if exists else self.said("POST", CONFIGMAPS, body)

    def remove(self, name):
        return self.said("DELETE", CONFIGMAPS + "/" + name)

    def found(self):
        found, token = {}, ""
        while True:
            _, answer = self.kube.request("GET", CONFIGMAPS + "?labelSelector=chaos&limit=500" + token)
            found.update((item["metadata"]["name"], item["data"]["value"]) for item in answer["items"])
            if not answer["metadata"].get("continue"):
                return found
            token = "&continue=" + answer["metadata"]["continue"]

    def revision(self):
        return self.kube.request("GET", CONFIGMAPS + "?limit=1")[1]["metadata"]["resourceVersion"]

    def resumes(self, version, marker):
        """A watch from a version of before the kill: sees what came after, or is told that it is too old."""
        self.kube.request("POST", CONFIGMAPS, {"metadata": {"name": marker}})
        request = urllib.request.Request("%s%s?watch=1&resourceVersion=%s&timeoutSeconds=5" % (self.kube.server, CONFIGMAPS, version))
        try:
            with urllib.request.urlopen(request, context=self.kube.context, timeout=15) as stream:
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
