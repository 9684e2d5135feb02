"""Which resources a recorded scenario touches, and whether the box serves all of them yet.

Judged from request paths, kubectl's words, and the kinds in files and bodies. A word that no table knows counts as a
resource that is not served, so a doubt never makes a scenario count.
"""
import json
import re

SERVED = {"namespaces", "nodes", "pods", "services", "configmaps", "secrets", "serviceaccounts", "events", "endpoints",
          "endpointslices", "deployments", "replicasets", "leases"}

# The themes that the served kinds are judged by; the others are run and counted apart.
THEMES = ("crud", "defaulting", "validation", "http-errors", "list-watch", "output", "imperative", "controllers")

SHORT = {"ns": "namespaces", "no": "nodes", "po": "pods", "svc": "services", "cm": "configmaps", "sa": "serviceaccounts",
         "ev": "events", "ep": "endpoints", "deploy": "deployments", "rs": "replicasets", "sts": "statefulsets",
         "ds": "daemonsets", "rc": "replicationcontrollers", "pvc": "persistentvolumeclaims", "pv": "persistentvolumes",
         "sc": "storageclasses", "ing": "ingresses", "netpol": "networkpolicies", "pc": "priorityclasses",
         "quota": "resourcequotas", "limits": "limitranges", "hpa": "horizontalpodautoscalers", "cj": "cronjobs",
         "pdb": "poddisruptionbudgets", "crd": "customresourcedefinitions", "crds": "customresourcedefinitions",
         "csr": "certificatesigningrequests", "cs": "componentstatuses", "all": "all"}

# Names that no server knows: the recordings ask for them to see the refusal.
NOWHERE = {"nosuchs", "nopes", "nope", "wrongs"}

# kubectl verbs: what their words after the verb name.
NAMED = {"get", "describe", "delete", "edit", "label", "annotate", "patch", "scale", "wait", "explain", "autoscale", "expose"}
NESTED = {"rollout": 1, "set": 1}                              # `rollout status deployment/x`
FIXED = {"run": ["pods"], "events": ["events"], "cordon": ["nodes"], "uncordon": ["nodes"], "drain": ["nodes", "pods"],
         "taint": ["nodes"], "logs": ["pods"], "exec": ["pods"], "attach": ["pods"], "cp": ["pods"], "port-forward": ["pods"],
         "debug": ["pods"], "autoscale": ["horizontalpodautoscalers"], "expose": ["services"], "certificate": ["certificatesigningrequests"],
         "api-resources": ["discovery"], "api-versions": ["discovery"], "version": ["discovery"], "cluster-info": ["discovery"],
         "auth": ["authorization"], "top": ["metrics"]}
FILES_SAY = {"apply", "create", "replace", "diff", "convert", "kustomize"}
WITH_VALUE = {"-n", "--namespace", "-f", "--filename", "-o", "--output", "-l", "--selector", "-p", "--patch", "--type",
              "--field-selector", "--sort-by", "--subresource", "-c", "--field-manager", "--for", "--timeout", "-L",
              "--patch-file", "--as", "--as-group", "-k", "--raw", "--image", "--replicas", "--port", "--overrides", "-v"}


def plural(kind):
    k = kind.lower()
    k = SHORT.get(k, k)
    if k in ("endpoints", "all") or k in SHORT.values():
        return k
    if k.endswith("s") and not k.endswith("ss"):
        return k
    return k[:-1] + "ies" if k.endswith("y") else k + "es" if k.endswith("s") else k + "s"


def of_path(path):
    path = path.split("?")[0].strip("/").split("/")
    if path[0] == "api" and len(path) > 2:
        rest = path[2:]
    elif path[0] == "apis" and len(path) > 3:
        rest = path[3:]
    else:
        return {"discovery"} if path[0] in ("api", "apis", "openapi", "version", "livez", "readyz", "healthz") else set()
    if rest[0] == "watch":
        rest = rest[1:]
    if rest and rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        rest = rest[2:]
    return {rest[0]} | ({"scale" if x == "scale" else x for x in rest[2:3] if x in ("token", "eviction", "ephemeralcontainers")}) if rest else set()


def of_kinds(text):
    if not isinstance(text, str):
        text = json.dumps(text)
    return {plural(k) for k in re.findall(r"""(?:^|[\n{,"'\s-])["']?kind["']?\s*:\s*["']?([A-Z][A-Za-z]+)""", text)
            if k not in ("List", "Status", "Table", "DeleteOptions", "Scale", "PatchOptions", "CreateOptions", "Kustomization")}


def of_word(word):
    return {plural(k.split(".")[0]) for k in word.split("/")[0].split(",")}


def of_kubectl(argv):
    words, files, skip = [], [], False
    for previous, a in zip([""] + argv, argv):
        if skip:
            skip = False
            continue
        if a in WITH_VALUE:
            skip = True
        elif not a.startswith("-"):
            words.append(a)
    files = [a for p, a in zip(argv, argv[1:]) if p in ("-f", "--filename", "-k")] + [a for a in argv if a.startswith(("-f", "--filename="))]
    if "--raw" in argv or any(a.startswith("--raw") for a in argv):
        raw = next((b for a, b in zip(argv, argv[1:]) if a == "--raw"), None) or next(a.split("=", 1)[1] for a in argv if a.startswith("--raw="))
        return of_path(raw)
    words = words[1:] if words[:1] == ["kubectl"] else words
    if not words:
        return set()
    verb, rest = words[0], words[1:]
    touched = set(FIXED.get(verb, []))
    if verb in NESTED:
        rest = rest[NESTED[verb]:]
    if verb in NAMED or verb in NESTED:
        if files:
            return touched                                      # the files say it
        if rest and "/" in rest[0]:
            for w in rest:
                if "/" in w and "=" not in w.split("/")[0]:
                    touched |= of_word(w)
        elif rest:
            touched |= of_word(rest[0])
    elif verb == "create" and not files:
        touched |= of_word(rest[0]) if rest else {"unknown"}
    elif verb in FILES_SAY or verb in FIXED:
        pass
    else:
        touched.add("unknown verb " + verb)
    return touched


def of_step(step):
    touched = set()
    for text in (step.get("files") or {}).values():
        touched |= of_kinds(text)
    if step.get("stdin"):
        touched |= of_kinds(step["stdin"])
    if "argv" in step:
        touched |= of_kubectl(step["argv"])
    if "request" in step:
        touched |= of_path(step["request"]["path"])
        if step["request"].get("body") is not None and step["request"]["method"] == "POST":
            touched |= of_kinds(step["request"]["body"])
    for inner in step.get("during") or []:
        touched |= of_step(inner)
    return touched


def touched(records):
    found = set()
    for r in records:
        found |= of_step(r["input"])
    return found - NOWHERE


def served(records):
    found = touched(records)
    return bool(found) and found <= SERVED
