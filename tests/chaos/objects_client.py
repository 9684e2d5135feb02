"""The object store as scripts start it, and as the ledger drives it: signed S3 requests by the standard library alone.

A name's value is told by the ETag of its object. Most objects are small; some go to a file of their own, some come in parts.
"""
import datetime
import hashlib
import hmac
import http.client
import os
import subprocess
import threading
import time
import urllib.parse
import xml.etree.ElementTree as xml

from branchbox import BINARY

BUCKET = "ledger"
REGION = "us-east-1"
READY_S = 20
USER, SECRET = "ledger", "secret-of-this-run"
NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


def keyed(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class S3:
    """One connection a thread, made again after a failure. `where`: (host, port)."""

    def __init__(self, where, access_key, secret):
        self.where, self.access_key, self.secret, self.local = where, access_key, secret, threading.local()

    def request(self, method, path, query="", body=b"", headers=None):
        """Status, headers and body. `query` as it is signed: sorted, encoded, each with '='. OSError when there is no answer."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        sent = dict(headers or {}, **{"host": "%s:%d" % self.where, "x-amz-date": now, "x-amz-content-sha256": hashlib.sha256(body).hexdigest()})
        names = ";".join(sorted(sent))
        canonical = "\n".join([method, path, query, "".join("%s:%s\n" % (n, sent[n]) for n in sorted(sent)), names, sent["x-amz-content-sha256"]])
        scope = "%s/%s/s3/aws4_request" % (now[:8], REGION)
        key = keyed(keyed(keyed(keyed(b"AWS4" + self.secret.encode(), now[:8]), REGION), "s3"), "aws4_request")
        signature = keyed(key, "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])).hex()
        sent["Authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (self.access_key, scope, names, signature)
        # A read goes on a connection of its own: the old one may be of a process that is gone.
        kept = getattr(self.local, "connection", None) if method != "GET" else None
        connection = kept or http.client.HTTPConnection(*self.where, timeout=15)
        self.local.connection = None
        try:
            connection.request(method, path + ("?" + query if query else ""), body=body, headers=sent)
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as e:
            connection.close()
            raise OSError(str(e)) from e
        if method == "GET":
            connection.close()
        else:
            self.local.connection = connection
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, data


class Store:
    """One `branchbox service objects` on a port that it keeps."""

    def __init__(self, root, **environment):
        self.root, self.listen, self.process, self.environment = root, "127.0.0.1:0", None, environment
        self.log = os.path.join(root, "objects.log")

    def start(self):
        """Returns the seconds until it answers."""
        begin = time.monotonic()
        ports = os.path.join(self.root, "run/branchbox/objects.ports")
        if self.listen.endswith(":0") and os.path.exists(ports):
            os.remove(ports)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([BINARY, "service", "objects", "--root", self.root, "--listen", "s3=" + self.listen],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=dict(os.environ, MINIO_ROOT_USER=USER, MINIO_ROOT_PASSWORD=SECRET, **self.environment))
        while time.monotonic() < begin + READY_S:
            if self.process.poll() is not None:
                raise RuntimeError("ended with %s: %s" % (self.process.returncode, open(self.log).read()[-2000:]))
            try:
                with open(ports) as f:
                    self.listen = next(line.split()[-1] for line in f if line.startswith("s3"))
                host, port = self.listen.rsplit(":", 1)
                self.where = (host, int(port))
                if self.s3().request("GET", "/minio/health/ready")[0] == 200:
                    return time.monotonic() - begin
            except (OSError, StopIteration):
                pass
            time.sleep(0.005)
        raise RuntimeError("not ready after %d s" % READY_S)

    def s3(self):
        return S3(self.where, USER, SECRET)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(15)


class Objects:
    LARGE_EVERY, PARTS_EVERY = 9, 7

    def __init__(self, s3):
        self.s3, self.values, self.lock = s3, {}, threading.Lock()

    def body_of(self, name, value):
        kind = int(hashlib.md5((name + value).encode()).hexdigest(), 16)
        return (value.encode() + b"\n") * (40000 if kind % self.LARGE_EVERY == 0 else 20), kind % self.PARTS_EVERY == 0

    def said(self, status):
        if status >= 500 or status == 429:
            raise OSError(status)
        return status // 100 == 2

    def put(self, name, value, _exists):
        body, in_parts = self.body_of(name, value)
        path, md5 = "/%s/%s" % (BUCKET, name), hashlib.md5(body).digest()
        with self.lock:
            self.values[hashlib.md5(md5).hexdigest() + "-1" if in_parts else md5.hex()] = value
        if not in_parts:
            return self.said(self.s3.request("PUT", path, body=body)[0])
        status, _, answer = self.s3.request("POST", path, "uploads=")
        if not self.said(status):
            return False
        upload = urllib.parse.quote(xml.fromstring(answer).findtext(NAMESPACE + "UploadId"), safe="")
        if not self.said(self.s3.request("PUT", path, "partNumber=1&uploadId=" + upload, body)[0]):
            return False
        parts = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part></CompleteMultipartUpload>" % md5.hex()
        return self.said(self.s3.request("POST", path, "uploadId=" + upload, parts.encode())[0])

    def remove(self, name):
        return self.said(self.s3.request("DELETE", "/%s/%s" % (BUCKET, name))[0])

    def found(self):
        found, token = {}, ""
        while True:
            query = ("continuation-token=%s&" % urllib.parse.quote(token, safe="") if token else "") + "list-type=2"
            status, _, answer = self.s3.request("GET", "/" + BUCKET, query)
            if status != 200:
                raise RuntimeError("list: %d %s" % (status, answer[:300]))
            page = xml.fromstring(answer)
            for item in page.iter(NAMESPACE + "Contents"):
                etag = item.findtext(NAMESPACE + "ETag").strip('"')
                found[item.findtext(NAMESPACE + "Key")] = self.values.get(etag, "unknown ETag " + etag)
            token = page.findtext(NAMESPACE + "NextContinuationToken")
            if not token:
                return found

    def damaged(self, names):
        """Of these names, those whose bytes are not what their ETag says."""
        bad = []
        for name in names:
            status, headers, body = self.s3.request("GET", "/%s/%s" % (BUCKET, name))
            md5 = hashlib.md5(body)
            if status != 200 or headers["etag"].strip('"') not in (md5.hexdigest(), hashlib.md5(md5.digest()).hexdigest() + "-1"):
                bad.append("%s: %d, %d bytes" % (name, status, len(body)))
        return bad
