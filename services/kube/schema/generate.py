"""Makes the schema table (table.bin) and the OpenAPI documents (openapi.bin) from Kubernetes' published schemas.

usage: generate.py OUTPUT_FOLDER

table.bin is what schema.hpp's Type and Field lie over. Little-endian, 8-aligned; a reference is a 32-bit distance from the
place it is stored at, so the block works wherever it is mapped and needs no relocation:
  header   "BBSCHEM1", u32 types, u32 kinds, i32 -> types, i32 -> kinds
  Type     i32 name, i32 go_name, i32 fields, u16 count, u16 flags              sorted by name
  Kind     i32 api_version, i32 kind, i32 type                                   sorted by (api_version, kind)
  Field    i32 name, type, go_type, rare; u16 number; u8 form, shape, list_type, flags, order, element_flags
  Rare     i32 list_keys, merge_key, patch_strategy, schema_default, container_type
  string   u16 length, bytes
openapi.bin: "BBOAPI01", u32 count, then for each document five u32 (name offset, name length, data offset, data length,
length when inflated) and 64 bytes of hash in hex; data is a gzip stream.
"""

import gzip
import hashlib
import json
import pathlib
import struct
import sys

import go_types
import modules

FORMS = ["object", "boolean", "int32", "int64", "floating", "string", "bytes", "quantity", "int_or_string", "time",
         "micro_time", "duration", "raw"]
SHAPES = ["single", "list", "map"]
LIST_TYPES = ["atomic", "set", "map"]
SERVED = [line for line in (pathlib.Path(__file__).parent / "served.txt").read_text().splitlines()
          if line and not line.startswith("#")]


def read_sources(folders) -> go_types.Sources:
    sources = go_types.Sources()
    packages = {}
    for module in ("k8s.io/api", "k8s.io/apiextensions-apiserver", "k8s.io/kube-aggregator", "k8s.io/metrics"):
        for proto in sorted(folders[module].rglob("generated.proto")):
            packages[f"{module}/{proto.parent.relative_to(folders[module])}"] = proto.parent
    machinery = folders["k8s.io/apimachinery"]
    for path in ("pkg/apis/meta/v1", "pkg/apis/meta/v1beta1", "pkg/runtime", "pkg/types", "pkg/api/resource", "pkg/util/intstr"):
        packages[f"k8s.io/apimachinery/{path}"] = machinery / path
    for package, folder in packages.items():
        sources.read(package, folder)
    return sources


def model_name(key: str) -> str:
    package, name = key.rsplit(".", 1)
    return f"{package.replace('k8s.io/', 'io.k8s.', 1).replace('/', '.')}.{name}"


class Block:
    """Bytes with self-relative references and shared strings."""

    def __init__(self):
        self.bytes = bytearray()
        self.strings: dict[str, int] = {}
        self.wanted: list[tuple[int, str]] = []  # place, string

    def string_at(self, place: int, text: str):
        if text:
            self.wanted.append((place, text))

    def reference(self, place: int, target: int):
        struct.pack_into("<i", self.bytes, place, target - place)

    def reserve(self, size: int) -> int:
        place = len(self.bytes)
        self.bytes += bytes(size)
        return place

    def finish(self) -> bytes:
        for place, text in self.wanted:
            if text not in self.strings:
                raw = text.encode()
                self.bytes += bytes(len(self.bytes) % 2)
                self.strings[text] = len(self.bytes)
                self.bytes += struct.pack("<H", len(raw)) + raw
            self.reference(place, self.strings[text])
        return bytes(self.bytes)


def flatten(sources, key):
    """(member, JSON name or "" for what only protobuf sees), inlined structs dissolved, in Go's order."""
    for member in sources.structs[key]:
        if member.json_name:
            yield member, member.number
            continue
        inner = sources.resolve(member.go_type).struct
        if member.number:
            yield member, member.number
        for deeper, _ in flatten(sources, inner):
            if deeper.json_name:
                yield deeper, 0


def write_table(sources, schemas) -> bytes:
    block = Block()
    keys = {model_name(key): key for key in sources.structs if key not in go_types.SPECIAL}
    names = sorted(keys)
    kinds = {}
    for name in names:
        key = keys[name]
        package, kind = key.rsplit(".", 1)
        has_type_meta = any(m.go_type.endswith("meta/v1.TypeMeta") for m in sources.structs[key])
        if has_type_meta and package in sources.groups:
            group, version = sources.groups[package], package.rsplit("/", 1)[-1]
            kinds[(f"{group}/{version}" if group else version, kind)] = name
        for gvk in schemas.get(name, {}).get("x-kubernetes-group-version-kind", []):
            kinds[(f"{gvk['group']}/{gvk['version']}" if gvk["group"] else gvk["version"], gvk["kind"])] = name
    gvks = sorted(kinds)
    header = block.reserve(24)
    struct.pack_into("<8sII", block.bytes, header, b"BBSCHEM1", len(names), len(gvks))
    types = block.reserve(16 * len(names))
    block.reference(header + 16, types)
    place_of = {name: types + 16 * i for i, name in enumerate(names)}
    kind_table = block.reserve(12 * len(gvks))
    block.reference(header + 20, kind_table)
    for i, gvk in enumerate(gvks):
        place = kind_table + 12 * i
        block.string_at(place, gvk[0])
        block.string_at(place + 4, gvk[1])
        block.reference(place + 8, place_of[kinds[gvk]])
    block.reserve(-len(block.bytes) % 8)
    for name in names:
        key, schema = keys[name], schemas.get(name, {})
        members = list(flatten(sources, key))
        ordered = sorted(((m, number, order) for order, (m, number) in enumerate(members)), key=lambda e: e[0].json_name)
        place = place_of[name]
        block.string_at(place, name)
        block.string_at(place + 4, go_types.short(key))
        block.reference(place + 8, block.reserve(24 * len(ordered)))
        fields = len(block.bytes) - 24 * len(ordered)
        struct.pack_into("<HH", block.bytes, place + 12, len(ordered), schema.get("x-kubernetes-map-type") == "atomic")
        for i, (member, number, order) in enumerate(ordered):
            write_field(block, fields + 24 * i, sources, place_of, schema, member, number, order)
    return block.finish()


def write_field(block, place, sources, place_of, schema, member, number, order):
    kind = sources.resolve(member.go_type)
    said = schema.get("properties", {}).get(member.json_name, {})
    list_type = said.get("x-kubernetes-list-type", "atomic")
    default = said.get("default")
    if default == {} or (default == "" and kind.form != "string"):
        default = None  # only says that Go's zero value is written
    rare = {"list_keys": ",".join(said.get("x-kubernetes-list-map-keys", [])),
            "merge_key": said.get("x-kubernetes-patch-merge-key", member.merge_key),
            "patch_strategy": said.get("x-kubernetes-patch-strategy", member.patch_strategy),
            "schema_default": "" if default is None else json.dumps(default),
            "container_type": kind.container}
    derived = {"list": "[]", "map": "map[string]"}.get(kind.shape, "") + kind.go_type
    if rare["container_type"] == derived:
        rare["container_type"] = ""
    flags = ((member.json_name in schema.get("required", [])) | kind.pointer << 1 | member.omit_empty << 2
             | member.omit_zero << 3 | (said.get("x-kubernetes-map-type") == "atomic") << 4)
    struct.pack_into("<HBBBBBB", block.bytes, place + 16, number, FORMS.index(kind.form), SHAPES.index(kind.shape),
                     LIST_TYPES.index(list_type), flags, min(order, 255), kind.list_in_map)
    block.string_at(place, member.json_name)
    if kind.struct:
        block.reference(place + 4, place_of[model_name(kind.struct)])
    block.string_at(place + 8, kind.go_type)
    if any(rare.values()):
        extra = block.reserve(20)
        block.reference(place + 12, extra)
        for i, text in enumerate(rare.values()):
            block.string_at(extra + 4 * i, text)


def write_documents(documents) -> bytes:
    entries, names, data = [], b"", b""
    for path in SERVED:
        text = json.dumps(documents[path], separators=(",", ":"), ensure_ascii=False).encode()
        packed = gzip.compress(text, 9, mtime=0)
        entries.append((path.encode(), packed, len(text), hashlib.sha512(text).hexdigest()[:64].upper().encode()))
    start = 12 + len(entries) * 84
    for name, *_ in entries:
        names += name
    out, name_at, data_at = struct.pack("<8sI", b"BBOAPI01", len(entries)), start, start + len(names)
    for name, packed, size, digest in entries:
        out += struct.pack("<IIIII64s", name_at, len(name), data_at, len(packed), size, digest)
        name_at += len(name)
        data_at += len(packed)
        data += packed
    return out + names + data


def main():
    target = pathlib.Path(sys.argv[1])
    folders = modules.fetch()
    documents, schemas = {}, {}
    for file in sorted((folders["k8s.io/kubernetes"] / "api/openapi-spec/v3").glob("*_openapi.json")):
        document = json.loads(file.read_text())
        documents[file.name.removesuffix("_openapi.json").replace("__", "/")] = document
        for name, schema in document.get("components", {}).get("schemas", {}).items():
            schemas[name] = schema
    target.mkdir(parents=True, exist_ok=True)
    (target / "table.bin").write_bytes(write_table(read_sources(folders), schemas))
    (target / "openapi.bin").write_bytes(write_documents(documents))


main()
