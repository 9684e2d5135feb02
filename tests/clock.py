"""A wall clock that a test sets for everything it starts (shifted_clock.c): the monotonic one and pods keep the real time."""
import ctypes
import datetime
import os
import struct
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PRELOAD = "/etc/ld.so.preload"
MS_BIND, MS_NOSUID = 4096, 2


def mount(source, target, kind, flags, data=""):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode()) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


class Clock:
    """From here on every program that this test starts has it. Only in a mount namespace of its own: `isolate`."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o755)
        self.library = os.path.join(folder, "shifted_clock.so")
        subprocess.run(["clang-19", "-O1", "-shared", "-fPIC", "-Wall", "-Werror", "-o", self.library, os.path.join(HERE, "shifted_clock.c")], check=True)
        self.offset = 0
        with open(self.library + ".offset", "wb") as f:
            f.write(struct.pack("=q", 0))
        # /etc is the root's, which other tests share: the file appears in this test's own view of it alone.
        listed = os.path.join(folder, "etc")
        for part in ("upper", "work"):
            os.makedirs(os.path.join(listed, part), exist_ok=True)
        mount("tmpfs", listed, "tmpfs", MS_NOSUID, "mode=755")
        for part in ("upper", "work"):
            os.makedirs(os.path.join(listed, part), exist_ok=True)
        mount("overlay", "/etc", "overlay", 0, "lowerdir=/etc,upperdir=%s/upper,workdir=%s/work" % (listed, listed))
        with open(PRELOAD, "w") as f:
            f.write(self.library + "\n")

    def now(self):
        return datetime.datetime.fromtimestamp(time.time() + self.offset, datetime.timezone.utc)

    def set(self, to):
        """To a datetime: the running see the clock being set."""
        self.set_offset(int(to.timestamp() - time.time()))

    def move(self, **by):
        self.set_offset(self.offset + int(datetime.timedelta(**by).total_seconds()))

    def set_offset(self, seconds):
        self.offset = seconds
        with open(self.library + ".offset", "r+b") as f:
            f.write(struct.pack("=q", seconds))
