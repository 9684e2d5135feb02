"""Fetches the pinned modules of modules.txt with go's own client and gives their folders.

Owns no schema knowledge. Fails when a module's sum is not the pinned one.
"""

import json
import pathlib
import subprocess
import tempfile


def fetch() -> dict[str, pathlib.Path]:
    pins = {}
    for line in (pathlib.Path(__file__).parent / "modules.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            path, version, pinned = line.split()
            pins[path] = (version, pinned)
    with tempfile.TemporaryDirectory() as empty:
        # Outside of any module, so that no go.mod of a caller decides versions; the modules' own wish for a newer
        # toolchain does not matter for files that are only read.
        run = subprocess.run(
            ["go", "mod", "download", "-json", *(f"{path}@{version}" for path, (version, _) in pins.items())],
            cwd=empty, capture_output=True, text=True)
    decoder, text, folders = json.JSONDecoder(), run.stdout.strip(), {}
    while text:
        answer, end = decoder.raw_decode(text)
        text = text[end:].lstrip()
        path = answer["Path"]
        if answer.get("Error"):
            raise SystemExit(f"{path}: {answer['Error']}")
        if answer["Sum"] != pins[path][1]:
            raise SystemExit(f"{path}: sum is {answer['Sum']} but {pins[path][1]} is pinned")
        folders[path] = pathlib.Path(answer["Dir"])
    if missing := pins.keys() - folders.keys():
        raise SystemExit(f"go mod download gave no {', '.join(sorted(missing))}: {run.stderr.strip()}")
    return folders
