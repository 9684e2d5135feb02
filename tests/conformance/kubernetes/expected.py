"""The list of steps that are known to differ: expected.txt, one line a scenario, `theme/scenario: 1 2 5-9`.

A step leaves the list when it passes and never returns: `update` only ever takes away. Where there is no list yet, the first
one is written whole.
"""
import os
import re

HEAD = """# Steps of the recordings whose answers differ so far. A step leaves this list when it passes and never returns
# (`run --update` takes out what passes; nothing puts in).
"""


def read(path):
    found = set()
    if not os.path.exists(path):
        return None
    with open(path) as f:
        for line in f:
            m = re.match(r"([^#\s][^:]*): ([\d -]+)$", line)
            if m:
                for part in m.group(2).split():
                    first, _, last = part.partition("-")
                    found |= {"%s/%d" % (m.group(1), i) for i in range(int(first), int(last or first) + 1)}
    return found


def ranges(numbers):
    out = []
    for n in sorted(numbers):
        if out and out[-1][1] == n - 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return " ".join(str(a) if a == b else "%d-%d" % (a, b) for a, b in out)


def write(path, steps):
    groups = {}
    for s in steps:
        name, _, number = s.rpartition("/")
        groups.setdefault(name, []).append(int(number))
    with open(path, "w") as f:
        f.write(HEAD)
        for name in sorted(groups):
            f.write("%s: %s\n" % (name, ranges(groups[name])))
