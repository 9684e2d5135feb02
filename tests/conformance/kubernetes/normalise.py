"""Replaces what differs from run to run (UIDs, times, addresses, hashes) by placeholders, as golden/README.md lists them.

Pure text and data, but for Norm.learn, which asks the cluster which names were generated. One Norm per scenario.
"""
import re

class Norm:
    """Replaces what differs from run to run by placeholders. One per scenario."""
    UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
    TIME = re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
    TIME2 = re.compile(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w\w\w 20\d\d \d\d:\d\d:\d\d [+-]\d{4}")
    RV = re.compile(r'(resourceVersion[\\"]*: ?[\\"]*|Resource Version: +|too old resource version: \d+ \()(\d+)')
    CONT = re.compile(r'("continue":\s*")([A-Za-z0-9_\-=]{8,})(")')
    CIP = re.compile(r"\b10\.43\.(\d+)\.(\d+)\b")
    JWT = re.compile(r"\beyJ[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+")
    PEM64 = re.compile(r"\bLS0tLS1CRUdJTi[A-Za-z0-9+/=]+")
    PEM = re.compile(r"-----BEGIN [A-Z ]+-----[\s\S]*?-----END [A-Z ]+-----\n?")
    EVT = re.compile(r"\.([0-9a-f]{15,16})\b")
    GMT = re.compile(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w\w\w 20\d\d \d\d:\d\d:\d\d GMT")

    def __init__(self, cluster):
        self.c = cluster
        self.known = {}      # raw string -> class
        self.num = {}        # (class, raw) -> n
        self.count = {}

    def ph(self, cls, raw):
        k = (cls, raw)
        if k not in self.num:
            self.count[cls] = self.count.get(cls, 0) + 1
            self.num[k] = self.count[cls]
        return "<%s:%d>" % (cls, self.num[k])

    def learn(self, ns, explicit_ports=()):
        for p in ("/api/v1/namespaces/%s/pods", "/apis/apps/v1/namespaces/%s/replicasets",
                  "/apis/apps/v1/namespaces/%s/controllerrevisions", "/api/v1/namespaces/%s/services",
                  "/apis/discovery.k8s.io/v1/namespaces/%s/endpointslices", "/apis/batch/v1/namespaces/%s/jobs"):
            s, o = self.c.js("GET", p % ns)
            if s != 200:
                continue
            for it in o.get("items") or []:
                self.learn_obj(it, explicit_ports)

    def learn_obj(self, it, explicit_ports=()):
        m = it.get("metadata", {})
        for l in ("pod-template-hash", "controller-revision-hash"):
            h = (m.get("labels") or {}).get(l)
            if h and l == "pod-template-hash":
                self.known[h] = "hash"
            elif h:
                self.known[h.rsplit("-", 1)[-1]] = "hash"
        n, g = m.get("name", ""), m.get("generateName", "")
        if g and n.startswith(g) and len(n) == len(g) + 5:
            self.known[n[len(g):]] = "rand"
        elif it.get("kind") == "ControllerRevision" or "revision" in it:
            h = n.rsplit("-", 1)[-1]
            if "-" in n and re.match(r"^[bcdfghjklmnpqrstvwxz0-9]{6,10}$", h):
                self.known[h] = "hash"
        for p in (it.get("spec") or {}).get("ports") or []:
            if isinstance(p, dict) and p.get("nodePort") and p["nodePort"] not in explicit_ports:
                self.known[str(p["nodePort"])] = "nodeport"
        hp = (it.get("spec") or {}).get("healthCheckNodePort")
        if hp:
            self.known[str(hp)] = "nodeport"

    def text(self, s):
        s = re.sub(r'("serverAddress": ?")[^"]+|(serverAddress: )\S+', lambda m: (m.group(1) or m.group(2)) + "<advertise>", s)
        s = re.sub(r'("jwks_uri": ?"https://)[^/]+', r"\1<advertise>", s)
        s = s.replace(self.c.server, "<server>")
        s = self.PEM.sub("<pem>", s)
        s = self.PEM64.sub("<pem64>", s)
        s = self.JWT.sub("<jwt>", s)
        s = self.UUID.sub(lambda m: self.ph("uid", m.group(0)), s)
        s = self.TIME.sub(lambda m: "<microtime>" if m.group(1) else "<time>", s)
        s = self.TIME2.sub("<time>", s)
        s = self.GMT.sub("<time>", s)
        s = self.RV.sub(r"\1<rv>", s)
        s = re.sub(r"\bgen-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "gen-<rand>", s)
        s = re.sub(r"\b10\.42\.\d+\.0/24\b", "<podcidr>", s)
        s = re.sub(r"X509SHA256=[0-9a-f]{64}", "X509SHA256=<fingerprint>", s)
        s = self.CONT.sub(r"\1<continue>\3", s)
        s = re.sub(r"/tmp/(LIVE|MERGED)-\d+/", r"<dir>/\1/", s)
        s = re.sub(r"\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \+0000", "<time>", s)
        s = self.EVT.sub(".<event>", s)
        s = re.sub(r"kube-api-access-[a-z0-9]{5}\b", "kube-api-access-<rand>", s)
        s = self.CIP.sub(lambda m: m.group(0) if m.group(1) == "200" or (m.group(1) == "0" and m.group(2) in ("0", "1", "10"))
                         else self.ph("clusterip", m.group(0)), s)
        for raw in sorted(self.known, key=len, reverse=True):
            if raw in s:
                s = re.sub(r"(?<![A-Za-z0-9])%s(?![A-Za-z0-9])" % re.escape(raw),
                           lambda m: self.ph(self.known[raw], raw), s)
        s = re.sub(r"(Too large resource version: \d+, current: |Expected resource version to be \d+, was |precondition \(|ResourceVersion in record \()\d+", r"\1<rv>", s)
        s = re.sub(r"\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC", "<time>", s)
        s = re.sub(r"\b(BAD_|g{58})[bcdfghjklmnpqrstvwxz2456789]{5}\b", r"\1<rand>", s)
        s = re.sub(r"(<hash:\d+>)-[bcdfghjklmnpqrstvwxz2456789]{5}\b", r"\1-<rand>", s)
        return re.sub(r'(":\s*)(<nodeport:\d+>)', r'\1"\2"', s)

    AGE = r"(<unknown>|<invalid>|(?:\d+y)?(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?)"

    def table(self, s):
        """kubectl table: ages become <age>, runs of blanks become three."""
        out, cols = [], []
        for line in s.split("\n"):
            if re.match(r"^[A-Z][A-Z0-9 \-_()/%.]+$", line) or line.startswith("NAME ") or "LAST SEEN" in line:
                cols = [(m.start(), m.group(0)) for m in re.finditer(r"\S+(?: \S+)*", line)]
                ages = [p for p, n in cols if n in ("AGE", "LAST SEEN", "DURATION", "FIRST SEEN", "LAST SCHEDULE")]
                out.append(re.sub(r"(?<=\S) {2,}", "   ", line).rstrip())
                continue
            if cols and line.strip():
                for p in sorted(ages, reverse=True):
                    m = re.match(r"((?:\d+[yhdms])+|<invalid>)( \(x\d+ over \d+[smhd0-9]*\))?", line[p:])
                    if m:
                        line = line[:p] + "<age>" + line[p + m.end():]
            else:
                cols = []
            out.append(re.sub(r"(?<=\S) {2,}", "   ", line).rstrip())
        return "\n".join(out)

    def describe(self, s):
        out, ev = [], False
        for line in s.split("\n"):
            if line.startswith("Events:"):
                ev = True
            elif line and not line.startswith(" "):
                ev = ev and line.startswith("Events")
            if ev:
                line = re.sub(r"^(  \S+\s+\S+\s+)((?:\d+[yhdms])+|<invalid>)( \(x(\d+) over (?:\d+[yhdms])+\))?(?=\s)",
                              lambda m: m.group(1) + "<age>", line)
            line = re.sub(r"(?<=\S) {2,}", "   ", line)
            line = re.sub(r"^(Age: +|Duration: +)(\d+[yhdms])+$", r"\1<age>", line)
            out.append(line.rstrip())
        return "\n".join(out)


AGE_COLS = ("Age", "Last Seen", "First Seen", "Duration", "Last Schedule")


def fix_table(o, cols, keep_descriptions):
    """Ages in the cells of a Table become <age>; long column descriptions are dropped."""
    if not isinstance(o, dict):
        return o
    if o.get("kind") == "Table":
        if o.get("columnDefinitions"):
            cols[:] = [c["name"] for c in o["columnDefinitions"]]
            if not keep_descriptions:
                for c in o["columnDefinitions"]:
                    c.pop("description", None)
        for row in o.get("rows") or []:
            for i, n in enumerate(cols):
                if n in AGE_COLS and i < len(row["cells"]) and re.match(r"^(\d+[yhdms])+$|^<invalid>$", str(row["cells"][i])):
                    row["cells"][i] = "<age>"
    elif "type" in o and isinstance(o.get("object"), dict):
        fix_table(o["object"], cols, keep_descriptions)
    return o


def sort_managed(o):
    """managedFields are kept sorted by manager, operation, subresource (the server sorts by second first)."""
    if isinstance(o, dict):
        m = o.get("managedFields")
        if isinstance(m, list):
            m.sort(key=lambda e: (e.get("manager", ""), e.get("operation", ""), e.get("subresource", ""), e.get("apiVersion", "")))
        for v in o.values():
            sort_managed(v)
    elif isinstance(o, list):
        for v in o:
            sort_managed(v)
    return o


AGE_HEADS = ("AGE", "LAST SEEN", "DURATION", "FIRST SEEN", "LAST SCHEDULE", "REQUESTEDDURATION")
AGE_RE = re.compile(r"^((\d+[yhdms])+|<invalid>)( \(x\d+ over \d+[smhd0-9]*\)| ago)?$")


def ages(s):
    """Second pass over a table whose columns are three blanks apart."""
    out, head = [], []
    for line in s.split("\n"):
        cells = line.split("   ")
        if not line.strip():
            head = []
        elif not head or (cells[0].isupper() and cells[0].startswith(("NAME", "LAST SEEN", "NAMESPACE"))):
            head = cells
        else:
            if len(cells) == len(head):
                cells = ["<age>" if h in AGE_HEADS and AGE_RE.match(c) else c for h, c in zip(head, cells)]
            elif head[-1] in AGE_HEADS and AGE_RE.match(cells[-1]):
                cells[-1] = "<age>"
            line = "   ".join(cells)
        out.append(line)
    return "\n".join(out)
