"""Reads the Go structs of Kubernetes' API packages: field names, JSON and protobuf tags, patch tags, Go types.

The sources are gofmt'ed and use a narrow part of the language (no generics, no nested structs), so lines suffice. What
the tags do not say (list types, defaults) comes from OpenAPI in generate.py.
"""

import dataclasses
import pathlib
import re

# Go types with a wire and JSON form of their own: form, protobuf.
SPECIAL = {
    "k8s.io/apimachinery/pkg/api/resource.Quantity": "quantity",
    "k8s.io/apimachinery/pkg/util/intstr.IntOrString": "int_or_string",
    "k8s.io/apimachinery/pkg/apis/meta/v1.Time": "time",
    "k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime": "micro_time",
    "k8s.io/apimachinery/pkg/apis/meta/v1.Duration": "duration",
    "k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1": "raw",
    "k8s.io/apimachinery/pkg/runtime.RawExtension": "raw",
    "k8s.io/apimachinery/pkg/runtime.Object": "raw",
    "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSON": "raw",
    "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrArray": "raw",
    "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrBool": "raw",
    "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrStringArray": "raw",
}
BASIC = {"bool": "boolean", "string": "string", "int32": "int32", "int64": "int64", "int": "int64", "uint32": "int64",
         "uint64": "int64", "float64": "floating", "float32": "floating", "uint16": "int32", "int16": "int32",
         "interface{}": "raw", "any": "raw"}


@dataclasses.dataclass
class Member:
    json_name: str   # "" for an inlined struct
    number: int
    go_type: str     # with full package paths
    omit_empty: bool
    omit_zero: bool
    patch_strategy: str
    merge_key: str


@dataclasses.dataclass
class Resolved:
    form: str
    shape: str = "single"
    struct: str = ""          # for form object
    pointer: bool = False
    go_type: str = ""         # of one element, as Go prints it
    container: str = ""       # of the list or map, as Go prints it
    list_in_map: bool = False  # a map of string lists (a wrapped list on the wire)


def short(full: str) -> str:
    """k8s.io/api/core/v1.Pod -> v1.Pod"""
    return full.rsplit("/", 1)[-1]


class Sources:
    """All packages read so far. A type's key is `import/path.Name`."""

    def __init__(self):
        self.structs: dict[str, list[Member]] = {}
        self.named: dict[str, str] = {}
        self.groups: dict[str, str] = {}  # package -> API group

    def read(self, package: str, folder: pathlib.Path):
        for file in sorted(folder.glob("*.go")):
            if file.name.endswith(("_test.go", "generated.pb.go", "_swagger_doc_generated.go")) or file.name.startswith("zz_"):
                continue
            self.read_file(package, file.read_text())

    def read_file(self, package: str, text: str):
        imports = {}
        for alias, path in re.findall(r'^(?:import\s+|\s+)(\w+\s+)?"([^"\s]+)"$', text.split("\ntype ", 1)[0], re.M):
            imports[alias.strip() or path.rsplit("/", 1)[-1]] = path
        if found := re.search(r'^(?:const|\s*)\s*GroupName\s*=\s*"([^"]*)"', text, re.M):
            self.groups[package] = found[1]

        def full(go_type: str) -> str:
            def replace(match):
                prefix, name = match[1], match[2]
                if prefix:
                    return f"{imports.get(prefix[:-1], prefix[:-1])}.{name}"
                return name if name in BASIC or name in ("map", "byte", "interface") else f"{package}.{name}"
            return re.sub(r"(?<![\w./])(\w+\.)?([A-Za-z]\w*)", replace, go_type.replace("interface{}", "any"))

        for name, body in re.findall(r"^type (\w+) struct \{\n(.*?)^\}", text, re.M | re.S):
            members = []
            for line in body.splitlines():
                found = re.match(r"\s+(?:(\w+)\s+)?([\w.\[\]*{}]+)\s+`(.*)`", line)
                if not found or line.lstrip().startswith("//"):
                    continue
                tags = dict(re.findall(r'(\w+):"([^"]*)"', found[3]))
                if "json" not in tags or tags["json"] == "-":
                    continue
                json_name, *options = tags["json"].split(",")
                number = re.match(r"\w+,(\d+)", tags.get("protobuf", ""))
                if not json_name and found[1]:
                    json_name = "" if "inline" in options else found[1]
                members.append(Member(json_name, int(number[1]) if number else 0, full(found[2]), "omitempty" in options,
                                      "omitzero" in options, tags.get("patchStrategy", ""), tags.get("patchMergeKey", "")))
            self.structs[f"{package}.{name}"] = members
        for name in re.findall(r"^type (\w+) struct ?\{\s*\}$", text, re.M):
            self.structs[f"{package}.{name}"] = []
        for name, target in re.findall(r"^\t?(?:type )?([A-Z]\w*) =? ?((?:\[\]|map\[|\*)?[\w.\[\]*]+)$", text, re.M):
            if target not in ("struct", "interface"):
                self.named.setdefault(f"{package}.{name}", full(target))

    def print_type(self, go_type: str) -> str:
        """As reflect.Type.String prints it."""
        if go_type.startswith("[]"):
            return "[]" + self.print_type(go_type[2:])
        if go_type.startswith("*"):
            return "*" + self.print_type(go_type[1:])
        if go_type.startswith("map["):
            key, value = go_type[4:].split("]", 1)
            return f"map[{self.print_type(key)}]{self.print_type(value)}"
        return {"any": "interface {}", "byte": "uint8"}.get(go_type, short(go_type))

    def resolve(self, go_type: str) -> Resolved:
        pointer = go_type.startswith("*")
        core = go_type.lstrip("*")
        container = core
        while core in self.named and core not in SPECIAL and core not in self.structs:
            core = self.named[core].lstrip("*")
        if core == "[]byte":
            return Resolved("bytes", pointer=pointer, go_type="[]uint8")
        if core.startswith("[]"):
            element = self.resolve(core[2:])
            if element.shape != "single":
                return Resolved("raw", pointer=pointer, go_type=self.print_type(container))
            return dataclasses.replace(element, shape="list", pointer=False, container=self.print_type(container),
                                       go_type=element.go_type)
        if core.startswith("map["):
            element = self.resolve(core[4:].split("]", 1)[1])
            if element.shape == "map":
                return Resolved("raw", pointer=pointer, go_type=self.print_type(container))
            return dataclasses.replace(element, shape="map", pointer=False, container=self.print_type(container),
                                       list_in_map=element.shape == "list",
                                       go_type=element.container if element.shape == "list" else element.go_type)
        if core in SPECIAL:
            return Resolved(SPECIAL[core], pointer=pointer, go_type=self.print_type(core))
        if core in BASIC:
            return Resolved(BASIC[core], pointer=pointer, go_type=self.print_type(container))
        if core in self.structs:
            return Resolved("object", struct=core, pointer=pointer, go_type=self.print_type(container))
        raise SystemExit(f"Go type {go_type} is not known ({core})")
