"""The house's rules that a text can show (architecture.md's layers, style.md's limits), one function each.

A rule gets the tree as a map path -> text and yields what breaks it, as `path:line: what`. Pure: `rules` runs them, over the
tree and over a sample each that must be refused.
"""
import posixpath
import re

LAYERS = {"hal": 0, "services": 1, "firmware": 2, "image": 3, "tests": 4}
SHARED = ("services/http/", "services/config/", "services/auth/", "services/codec/", "services/kubeclient/", "services/uplink/client/")
LINES_MAX = 600
TOP = {"CMakeLists.txt", "CMakePresets.json", "firmware", "hal", "services", "image", "toolchains", "tests", "README.md", "LICENSE"}

# A header of a library, and the only places that may see it.
HIDDEN = ((r"boost/beast", r"services/http/[^/]*\.cpp$", "Beast is seen by services/http/*.cpp alone"),
          (r"spdlog/", r"hal/base/log\.cpp$", "spdlog is seen by hal/base/log.cpp alone"),
          (r"fmt/", r"hal/base/log\.cpp$", "fmt is seen by hal/base/log.cpp alone"),
          (r"mbedtls/", r"hal/|tests/", "mbedTLS stays behind hal"),
          (r"curl/", r"services/uplink/[^/]*$", "libcurl is seen by services/uplink alone"),
          (r"sqlite3\.h", r"hal/disk/|tests/", "SQLite stays behind hal/disk"))

# Built from pieces, so that this file does not break its own rule.
BANNED = (("asio::" + "detached", "swallows exceptions: use a TaskGroup"), ("TO" + "DO", "an issue, not a comment"),
          ("FIX" + "ME", "an issue, not a comment"), ("/wo" + "rk/", "a path of one machine"),
          ("/tmp/bu" + "ild-", "a path of one machine"), ("using namespace " + "std;", "names are written out"))
NOT_NAMES = re.compile(r"(^|/)(common|utils?|helpers?|misc|manager)(/|\.[a-z]+$)")


def code(path):
    return path.endswith((".cpp", ".hpp"))


def lines(text):
    return enumerate(text.split("\n"), 1)


def includes(path, text):
    for n, line in lines(text):
        m = re.match(r'\s*#\s*include\s*["<]([^">]+)[">]', line)
        if m:
            yield n, m.group(1)


def service(path):
    return "/".join(path.split("/")[:2])


def layers(tree):
    """includes go down: firmware -> services -> hal, tests see everything"""
    for path, text in tree.items():
        layer = LAYERS.get(path.split("/")[0])
        if not code(path) or layer is None or layer > 2:
            continue
        for n, name in includes(path, text):
            other = LAYERS.get(name.split("/")[0]) if "/" in name else None
            if other is not None and other > layer:
                yield "%s:%d: includes %s, which lies above" % (path, n, name)


def sideways(tree):
    """no service includes another but the shared ones"""
    for path, text in tree.items():
        if not code(path) or not path.startswith("services/"):
            continue
        for n, name in includes(path, text):
            if name.startswith("services/") and not name.startswith(SHARED) and service(name) != service(path):
                yield "%s:%d: includes %s of another service: services meet only on the wire" % (path, n, name)


def from_root(tree):
    """includes are written from the root, but for a test's own fixture"""
    for path, text in tree.items():
        if not code(path) or path.startswith("tests/"):
            continue
        for n, line in lines(text):
            m = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if m and "/" not in m.group(1) and posixpath.join(posixpath.dirname(path), m.group(1)) in tree:
                yield '%s:%d: "%s" should be written from the root' % (path, n, m.group(1))


def hidden(tree):
    """libraries stay behind the folder that owns them"""
    for path, text in tree.items():
        if not code(path):
            continue
        for n, name in includes(path, text):
            for what, where, why in HIDDEN:
                if re.match(what, name) and not re.match(where, path):
                    yield "%s:%d: %s" % (path, n, why)


def length(tree, exceptions=None):
    """no file of code is longer than 600 lines"""
    exceptions = exceptions or {}
    for path, text in tree.items():
        if code(path) or path.endswith(".py") or text.startswith("#!"):
            count, most = text.count("\n"), exceptions.get(path, LINES_MAX)
            if count > most:
                yield "%s: %d lines, at most %d" % (path, count, most)


def banned(tree):
    """words that no file holds"""
    for path, text in tree.items():
        if path.endswith((".jsonl", ".json", "go.sum", "LICENSE")):
            continue
        for word, why in BANNED:
            if word in text:
                for n, line in lines(text):
                    if word in line:
                        yield "%s:%d: %s: %s" % (path, n, word, why)


def names(tree):
    """nothing is called common, util or helper"""
    for path in tree:
        if NOT_NAMES.search(path):
            yield "%s: say what it is" % path


def top(tree):
    """the top level holds what architecture.md says"""
    for entry in sorted({p.split("/")[0] for p in tree}):
        if entry not in TOP and not entry.startswith("."):
            yield "%s: not a top level entry of this house" % entry


def headers(tree):
    """a header begins with a paragraph and is included once"""
    for path, text in tree.items():
        if path.endswith(".hpp"):
            if not re.match(r"(#pragma once\s+)?//", text):
                yield "%s:1: begins with no paragraph" % path
            if "#pragma once" not in text:
                yield "%s: has no #pragma once" % path


def namespaces(tree):
    """a header's namespace is its folder"""
    for path, text in tree.items():
        if path.endswith(".hpp") and path.split("/")[0] in ("hal", "services", "firmware"):
            want = posixpath.dirname(path).replace("/", "::")
            if want == "hal::base":
                want = "hal"                     # what everyone uses: hal::Error, hal::log
            # A name of C++ (`auto`, `register`) or a sub-folder of one's own may carry an underscore more.
            if not re.search(r"\bnamespace %s(_|::\w+)*\b" % re.escape(want), text):
                yield "%s: no namespace %s" % (path, want)


def body_after(text, start):
    """The text from the brace at or after `start` to its partner."""
    begin = text.find("{", start)
    depth = 0
    for i in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return text[begin:i]
    return text[begin:]


def capturing_coroutines(tree):
    """no capturing lambda is itself a coroutine: its captures die with the lambda, not with the coroutine"""
    lambdas = re.compile(r"\[(?P<captures>[^\[\]]+)\]\s*(\([^()]*(\([^()]*\)[^()]*)*\))?\s*(mutable\s*)?(noexcept\s*)?->\s*[\w:]*(Task|awaitable)<")
    for path, text in tree.items():
        if not code(path) or path.startswith("tests/"):          # a test's lambda lives as long as the loop that runs it
            continue
        for m in lambdas.finditer(text):
            if m.group("captures").strip() and not m.group("captures").startswith("[") and re.search(r"\bco_(await|return|yield)\b", outer(body_after(text, m.end()))):
                yield "%s:%d: a capturing lambda is a coroutine" % (path, text.count("\n", 0, m.start()) + 1)


def outer(body):
    """A body without the lambdas inside it."""
    found = re.compile(r"\[[^\[\]]*\]\s*(\([^()]*\))?\s*(mutable\s*)?(noexcept\s*)?(->\s*[\w:<>, ]+)?\s*\{")
    m = found.search(body, 1)
    while m:
        inner = body_after(body, m.end() - 1)
        body = body[:m.start()] + body[m.end() + len(inner):]
        m = found.search(body, 1)
    return body


CHECKS = re.compile(r"\b(CHECK|REQUIRE|FAIL|SUCCEED|STATIC_CHECK|STATIC_REQUIRE|SKIP)\w*\(")


def checking_functions(tree):
    """The functions of each folder of tests in whose bodies something is checked."""
    found = {}
    for path, text in tree.items():
        if path.startswith("tests/") and code(path):
            for m in re.finditer(r"\b(\w+)\([^;{}]*\)[^;{}()]*\{", text):
                if CHECKS.search(body_after(text, m.end() - 1)):
                    found.setdefault(posixpath.dirname(path), set()).add(m.group(1))
    return found


def catches(tree):
    """no test checks nothing: what cannot fail is a defect"""
    functions = checking_functions(tree)
    for path, text in tree.items():
        if path.startswith("tests/") and path.endswith(".cpp"):
            for m in re.finditer(r'\bTEST_CASE(?:_METHOD)?\(', text):
                body = body_after(text, m.end())
                called = set(re.findall(r"\w+", body))            # called, or handed on
                if not CHECKS.search(body) and not called & functions.get(posixpath.dirname(path), set()):
                    yield "%s:%d: a test that checks nothing" % (path, text.count("\n", 0, m.start()) + 1)


RULES = (layers, sideways, from_root, hidden, length, banned, names, top, headers, namespaces, capturing_coroutines, catches)

# What each rule must refuse.
SAMPLES = {
    layers: {"hal/net/a.cpp": '#include "services/http/server.hpp"\n'},
    sideways: {"services/queue/a.cpp": '#include "services/kube/store/store.hpp"\n'},
    from_root: {"hal/net/a.cpp": '#include "a.hpp"\n', "hal/net/a.hpp": "// A.\n"},
    hidden: {"services/kube/api/a.cpp": "#include <boost/beast/http.hpp>\n"},
    length: {"hal/net/a.cpp": "\n" * (LINES_MAX + 1)},
    banned: {"hal/net/a.cpp": "co_spawn(loop, f(), asio::" + "detached);\n"},
    names: {"hal/util/a.cpp": ""},
    top: {"lib/a.cpp": ""},
    headers: {"hal/net/a.hpp": "#pragma once\nint a();\n"},
    namespaces: {"hal/net/a.hpp": "// A.\n#pragma once\nnamespace hal::disk {}\n"},
    capturing_coroutines: {"hal/net/a.cpp": "auto f = [this](int a) -> Task<void> { co_await g(a); };\n"},
    catches: {"tests/hal/net/a.cpp": 'TEST_CASE("a stream ends") { run(); }\n'},
}
