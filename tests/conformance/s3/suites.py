"""Runs every S3 client and suite against one `branchbox service objects`: suites.py FOLDER (what fetch printed).

A suite's tests that do not pass are listed in expected.txt with the reason; one that is not listed fails, and so does a line
whose test passes by now. Runs in a network of its own (tests/isolate).
"""
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
BINARY = os.environ.get("BRANCHBOX", os.path.join(TREE, "build/release/branchbox"))
USER, PASSWORD = "admin", "password123"  # as the user's own docker-compose.yml has them
READY_S, SUITE_S = 10, 400


class Objects:
    """`minio server DIR` of the same binary, on a free port."""

    def __init__(self, folder):
        self.folder = folder
        environment = dict(os.environ, MINIO_ROOT_USER=USER, MINIO_ROOT_PASSWORD=PASSWORD, MINIO_PROMETHEUS_AUTH_TYPE="public")
        self.log = os.path.join(folder, "log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([BINARY, "minio", "server", os.path.join(folder, "data"), "--address", "127.0.0.1:0",
                                             "--console-address", ":9001"], env=environment, stdout=log, stderr=log)
        ports = os.path.join(folder, "data/run/branchbox/objects.ports")
        until = time.monotonic() + READY_S
        while not os.path.exists(ports):
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the server is not ready: " + open(self.log).read()[-2000:])
            time.sleep(0.02)
        with open(ports) as f:
            self.endpoint = dict(line.split() for line in f)["s3"]
        while True:
            try:
                urllib.request.urlopen("http://%s/minio/health/ready" % self.endpoint, timeout=5).close()
                return
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


def expected(suite):
    with open(os.path.join(HERE, "expected.txt")) as f:
        rows = (line.split(None, 2) for line in f if line.strip() and not line.startswith("#"))
        return {row[1] for row in rows if row[0] == suite}


def judge(suite, passed, others, complaint=""):
    """One line for a whole suite. `others`: test -> why it did not pass."""
    known = expected(suite)
    new = {test: why for test, why in others.items() if test not in known}
    better = known - others.keys()
    for test, why in sorted(new.items()):
        print("    %s: %s" % (test, why))
    for test in sorted(better):
        print("    %s passes by now: take it out of expected.txt" % test)
    good = passed > 0 and not new and not better and not complaint
    print("%s s3 %s: %d pass, %d are listed%s" % ("ok" if good else "FAIL", suite, passed, len(known), complaint and ": " + complaint), flush=True)


def environment(server, folder):
    return dict(os.environ, SERVER_ENDPOINT=server.endpoint, ACCESS_KEY=USER, SECRET_KEY=PASSWORD, ENABLE_HTTPS="0", ENABLE_KMS="0",
                MINT_MODE="full", RUN_ON_FAIL="1", HOME=folder, AWS_ACCESS_KEY_ID=USER, AWS_SECRET_ACCESS_KEY=PASSWORD,
                AWS_DEFAULT_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true")


def minio_go(server, cache, folder):
    run = subprocess.run([os.path.join(cache, "minio-go-7.4.1")], cwd=folder, env=environment(server, folder), stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, errors="replace", timeout=SUITE_S)
    passed, others = 0, {}
    for line in run.stdout.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("status") == "PASS":
            passed += 1
        elif entry.get("status"):
            others[entry["name"].removeprefix("minio-go: ")] = ("%s: %s %s" % (entry["status"], entry.get("message"), entry.get("error")))[:300]
    judge("minio-go", passed, others, "" if run.returncode == 0 else "it ended with %d" % run.returncode)


def minio_py(server, cache, folder):
    run = subprocess.run([os.path.join(cache, ".minio-py-env/bin/python"), os.path.join(HERE, "minio_py.py"), os.path.join(cache, "minio-py-7.2.20")],
                         cwd=folder, env=environment(server, folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SUITE_S)
    passed, others = 0, {}
    for line in run.stdout.splitlines():
        word, _, rest = line.partition(" ")
        if word == "pass":
            passed += 1
        elif word in ("FAIL", "na"):
            others[rest.partition(":")[0]] = line[:300]
    judge("minio-py", passed, others, "" if run.returncode == 0 else "it ended with %d: %s" % (run.returncode, run.stdout[-500:]))


def tree_of(folder):
    """Relative name -> hash, of every file."""
    found = {}
    for path, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(path, name), "rb") as f:
                found[os.path.relpath(os.path.join(path, name), folder)] = hashlib.sha256(f.read()).hexdigest()
    return found


def script(name, server, folder, text):
    """A client's own commands: up, down, compare, delete."""
    work = os.path.join(folder, name)
    up = os.path.join(work, "up")
    os.makedirs(os.path.join(up, "a folder"))
    for file, size in (("small", 11), ("a folder/middle one", 300_000), ("large", 30_000_000)):
        with open(os.path.join(up, file), "wb") as f:
            f.write(os.urandom(size))
    run = subprocess.run(["bash", "-euc", text], cwd=work, env=dict(environment(server, work), E="http://" + server.endpoint, H=server.endpoint),
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=SUITE_S)
    good = run.returncode == 0 and tree_of(up) == tree_of(os.path.join(work, "down"))
    if not good:
        print("    " + run.stdout[-1500:].replace("\n", "\n    "))
    print("%s s3 %s: up, listed, down and compared, deleted" % ("ok" if good else "FAIL", name), flush=True)


SCRIPTS = {
    "awscli": "aws --endpoint-url $E s3 mb s3://awscli; aws --endpoint-url $E s3 sync --quiet up s3://awscli/x; aws --endpoint-url $E s3 ls --recursive s3://awscli | grep -q 'a folder/middle one';"
              "aws --endpoint-url $E s3 sync --quiet s3://awscli/x down; aws --endpoint-url $E s3 rb --force s3://awscli",
    "s3cmd": "c='s3cmd --no-progress --no-ssl --host='$H' --host-bucket='$H' --access_key='$ACCESS_KEY' --secret_key='$SECRET_KEY; $c mb s3://s3cmd; $c sync --multipart-chunk-size-mb=5 up/ s3://s3cmd/x/;"
             "$c ls -r s3://s3cmd | grep -q large; mkdir down; $c sync s3://s3cmd/x/ down/; $c del -r --force s3://s3cmd; $c rb s3://s3cmd",
    "rclone": "export RCLONE_CONFIG_BOX_TYPE=s3 RCLONE_CONFIG_BOX_PROVIDER=Minio RCLONE_CONFIG_BOX_ENDPOINT=$E RCLONE_CONFIG_BOX_ACCESS_KEY_ID=$ACCESS_KEY RCLONE_CONFIG_BOX_SECRET_ACCESS_KEY=$SECRET_KEY;"
              "rclone mkdir box:rclone; rclone sync --s3-upload-cutoff 5M --s3-chunk-size 5M up box:rclone/x; rclone check up box:rclone/x; rclone lsf -R box:rclone | grep -q large; rclone sync box:rclone/x down; rclone purge box:rclone",
    "restic": "export RESTIC_PASSWORD=secret RESTIC_REPOSITORY=s3:$E/restic/repository; restic -q init; restic -q backup up; restic -q check --read-data; restic -q restore latest --target out; mv out/up down 2>/dev/null || mv \"$(find out -type d -name up | head -1)\" down",
}


def node(which, server, cache, folder):
    run = subprocess.run(["node", os.path.join(HERE, "client.mjs"), os.path.join(cache, "npm"), which, server.endpoint, USER, PASSWORD], cwd=folder,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SUITE_S)
    good = run.returncode == 0 and run.stdout.strip().endswith("ok")
    if not good:
        print("    " + run.stdout[-1500:].replace("\n", "\n    "))
    print("%s s3 %s: buffers, streams, parts, lists, deletes" % ("ok" if good else "FAIL", {"sdk": "@aws-sdk/client-s3", "minio": "minio-js"}[which]), flush=True)


def voicehelper(server, cache, folder):
    """The user's own client.py, as it is: its host name and its two paths are made to exist."""
    source = os.path.join(os.path.dirname(TREE), "shared/voicehelper/minio/client.py")
    if not os.path.exists(source):
        print("skip s3 the user's client.py: it does not lie beside this tree")
        return
    copy = os.path.join(folder, "client.py")
    with open(source) as f:
        text = f.read()
    upload, download = os.path.join(folder, "upload.pdf"), os.path.join(folder, "download.pdf")
    with open(upload, "wb") as f:
        f.write(os.urandom(100_000))
    with open(copy, "w") as f:
        f.write(text.replace("minio:9000", server.endpoint).replace("/path/to/file.pdf", upload).replace("/path/to/download.pdf", download))
    run = subprocess.run([os.path.join(cache, ".minio-py-env/bin/python"), copy], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    good = run.returncode == 0 and open(upload, "rb").read() == open(download, "rb").read()
    print("%s s3 the user's client.py: what it stores it gets back%s" % ("ok" if good else "FAIL", "" if good else ": " + run.stdout[-300:]), flush=True)


def main(cache):
    folder = tempfile.mkdtemp(prefix="branchbox-s3-")
    server = Objects(folder)
    try:
        voicehelper(server, cache, folder)
        for name, text in SCRIPTS.items():
            script(name, server, folder, text)
        node("sdk", server, cache, folder)
        node("minio", server, cache, folder)
        minio_py(server, cache, folder)
        minio_go(server, cache, folder)
    finally:
        status = server.stop()
    print("%s s3: the server ends cleanly after all of it" % ("ok" if status == 0 else "FAIL"))
    shutil.rmtree(folder, ignore_errors=True)


main(sys.argv[1])
