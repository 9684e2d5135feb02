"""minio-py's functional tests (the file tests/functional/tests.py of its source package), one line for each of its table:
`pass NAME`, `FAIL NAME: why` or `na NAME`. The suite itself stops at the first failure, so its functions are called here.

Run with the source's folder: minio_py.py FOLDER. Variables as the suite has them: SERVER_ENDPOINT, ACCESS_KEY, SECRET_KEY.
"""
import ast
import contextlib
import io
import json
import os
import sys


def table(path):
    """The names in the dictionary that main() walks in full mode, in order."""
    with open(path) as f:
        module = ast.parse(f.read())
    main = next(n for n in module.body if isinstance(n, ast.FunctionDef) and n.name == "main")
    for node in ast.walk(main):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "tests" and isinstance(node.value, ast.Dict):
            return [key.id for key in node.value.keys]
    raise RuntimeError("%s: no table of tests" % path)


def main(source):
    folder = os.path.join(source, "tests/functional")
    sys.path.insert(0, folder)
    import tests as suite
    if "SERVER_ENDPOINT" not in os.environ:
        sys.exit("minio_py.py: SERVER_ENDPOINT is not set; the suite would use a public server")
    suite._client = suite.Minio(os.environ["SERVER_ENDPOINT"], os.environ["ACCESS_KEY"], os.environ["SECRET_KEY"], secure=False)
    suite._is_aws = False
    suite._test_file, suite._large_file = "datafile-1-MB", "datafile-11-MB"
    for name, size in ((suite._test_file, 1), (suite._large_file, 11)):
        with open(name, "wb") as f:
            suite.shutil.copyfileobj(suite.LimitedRandomReader(size * suite.MB), f)
    for name in table(os.path.join(folder, "tests.py")):
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.suppress(suite.TestFailed):
            suite._call_test(getattr(suite, name))
        entry = json.loads(said.getvalue().strip().splitlines()[-1])
        word = {"PASS": "pass", "NA": "na"}.get(entry["status"], "FAIL")
        print("%s %s%s" % (word, name, ": " + " ".join(entry.get("message", "").split())[:300] if word == "FAIL" else ""), flush=True)


main(sys.argv[1])
