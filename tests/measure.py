"""What a process costs, as budgets and benches print it."""
import os
import re
import subprocess
import tempfile

from branchbox import BINARY


def stripped_mib():
    with tempfile.NamedTemporaryFile() as copy:
        subprocess.run(["llvm-strip-19", "-o", copy.name, BINARY], check=True)
        return os.path.getsize(copy.name) / 2**20


def pss_mib(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return int(re.search(r"^Pss: +(\d+) kB", f.read(), re.M).group(1)) / 1024


def cpu_s(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def written_bytes(pid):
    """What the process has caused to be written to the disk (not what it wrote to the page cache and took back)."""
    with open("/proc/%d/io" % pid) as f:
        values = dict(line.strip().split(": ") for line in f)
    return int(values["write_bytes"]) - int(values["cancelled_write_bytes"])
