"""`branchbox service objects` alone under a temporary root, botocore clients for it, and requests written by hand."""
import datetime
import http.client
import os
import re
import subprocess
import sys
import tempfile
import time
from urllib.parse import urlsplit

import botocore.auth
import botocore.session
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

sys.dont_write_bytecode = True
TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BINARY = os.environ.get("BRANCHBOX", os.path.join(TREE, "build/release/branchbox"))
READY_S, STOP_S = 20, 10
USER, SECRET = "till-3", "a secret+of/tills"


class Server:
    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="branchbox-s3-access.")
        root = self.folder.name
        environment = dict(os.environ, MINIO_ROOT_USER=USER, MINIO_ROOT_PASSWORD=SECRET)
        self.log = open(os.path.join(root, "log"), "w+b")
        self.process = subprocess.Popen([BINARY, "service", "objects", "--root", root, "--listen", "s3=127.0.0.1:0"], env=environment,
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        ports, until = os.path.join(root, "run/branchbox/objects.ports"), time.monotonic() + READY_S
        while not (os.path.exists(ports) and re.search(r"s3 \S+:\d+", open(ports).read())):
            if self.process.poll() is not None or time.monotonic() > until:
                self.log.seek(0)
                raise RuntimeError("the server is not ready: " + self.log.read().decode("utf-8", "replace")[-2000:])
            time.sleep(0.01)
        self.address = re.search(r"s3 (\S+:\d+)", open(ports).read()).group(1)
        self.url = "http://" + self.address
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        self.folder.cleanup()

    def client(self, version="s3v4", user=USER, secret=SECRET, region="us-east-1"):
        session = botocore.session.Session()
        return session.create_client("s3", endpoint_url=self.url, region_name=region, aws_access_key_id=user, aws_secret_access_key=secret,
                                     config=Config(signature_version=version, s3={"addressing_style": "path"}, retries={"max_attempts": 0}))

    def send(self, method, target, headers=(), body=b"", length=None):
        """Sends exactly this; returns status, code of the error and body. `target` may be a whole URL."""
        if target.startswith("http"):
            target = target[target.index("/", len("http://")):]
        connection = http.client.HTTPConnection(self.address, timeout=30)
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in dict(headers).items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body) if length is None else length))
        connection.endheaders()
        connection.send(body)
        if length is not None and length > len(body):
            connection.sock.shutdown(1)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        code = re.search(rb"<Code>(.*?)</Code>", text)
        return answer.status, code.group(1).decode() if code else "", text

    def signed(self, method, path, body=b"", headers=(), user=USER, secret=SECRET, region="us-east-1", minutes=0, payload=None):
        """The headers of a request signed `minutes` from now."""
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) + datetime.timedelta(minutes=minutes)
        was, botocore.auth.get_current_datetime = botocore.auth.get_current_datetime, lambda *_, **__: now
        try:
            request = AWSRequest(method, self.url + path, headers=dict(headers), data=body)
            if payload:
                request.headers["X-Amz-Content-SHA256"] = payload
            signer = botocore.auth.S3SigV4Auth(Credentials(user, secret), "s3", region)
            if payload:
                signer.payload = lambda _: payload
            signer.add_auth(request)
            found = dict(request.headers.items())
        finally:
            botocore.auth.get_current_datetime = was
        found.pop("Content-Length", None)
        return found


def code_of(call, **arguments):
    """"" or the code that `call` is refused with."""
    try:
        call(**arguments)
        return ""
    except ClientError as e:
        return e.response["Error"]["Code"]
