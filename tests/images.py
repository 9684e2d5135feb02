"""Images for the tests, made from Debian's busybox: archives as `docker save` writes them.

Nothing is downloaded; the same call makes the same bytes.
"""
import gzip
import hashlib
import io
import json
import os
import tarfile

BUSYBOX = "/bin/busybox"
LINKS = ("sh", "cat", "env", "echo", "false", "httpd", "id", "ls", "mkdir", "nc", "nslookup", "ps", "sleep", "touch", "true", "wget",
         "rm", "kill", "date", "sync", "head", "hostname")

# A web server that says which version it is and which pod, fails readiness when told to end, and then ends by itself.
TILL = """#!/bin/sh
mkdir -p /www
echo ok >/www/health
echo "version $VERSION on $HOSTNAME" >/www/index.html
trap 'rm -f /www/health; sleep 1; exit 0' TERM
echo "till $VERSION is open"
httpd -f -p 8080 -h /www &
while :; do wait $!; done
"""


def add(archive, name, data=None, mode=0o755, link=None):
    entry = tarfile.TarInfo(name)
    entry.mode = mode
    if link:
        entry.type, entry.linkname = tarfile.SYMTYPE, link
    elif data is None:
        entry.type = tarfile.DIRTYPE
    else:
        entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data) if data is not None else None)


def layer(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for folder in ("bin", "etc", "tmp", "www"):
            add(archive, folder, mode=0o1777 if folder == "tmp" else 0o755)
        with open(BUSYBOX, "rb") as f:
            add(archive, "bin/busybox", f.read())
        for name in LINKS:
            add(archive, "bin/" + name, link="busybox")
        add(archive, "etc/passwd", b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n", 0o644)
        add(archive, "etc/group", b"root:x:0:\nnogroup:x:65534:\n", 0o644)
        for name, text in files.items():
            add(archive, name, text.encode())
    return out.getvalue()


def write(path, references, files=None, **config):
    """One image under several names. `config`: Cmd, Env, User, ... as in an image's configuration."""
    blob = layer(files or {})
    digest = hashlib.sha256(blob).hexdigest()
    description = json.dumps({"architecture": "arm64" if os.uname().machine == "aarch64" else "amd64", "os": "linux",
                              "config": dict({"Env": ["PATH=/bin"]}, **config),
                              "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest]},
                              "history": [{"created": "2026-01-01T00:00:00Z"}], "created": "2026-01-01T00:00:00Z"}).encode()
    name = hashlib.sha256(description).hexdigest()
    manifest = json.dumps([{"Config": name + ".json", "RepoTags": references, "Layers": [digest + "/layer.tar"]}]).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        add(archive, name + ".json", description, 0o644)
        add(archive, digest)
        add(archive, digest + "/layer.tar", blob, 0o644)
        add(archive, "manifest.json", manifest, 0o644)
    data = out.getvalue()
    with open(path, "wb") as f:
        f.write(gzip.compress(data, mtime=0, compresslevel=1) if path.endswith(".gz") else data)


def tills(folder):
    """The tests' own service in two versions."""
    os.makedirs(folder, exist_ok=True)
    for version in ("1", "2"):
        write(os.path.join(folder, "till-%s.tar" % version), ["till:" + version, "docker.io/voicehelper/api-gateway:" +
              ("latest" if version == "1" else "next")], {"bin/till": TILL},
              Cmd=["/bin/till"], Env=["PATH=/bin", "VERSION=" + version])
