"""Makes the OpenAPI v2 document as kubectl before 1.27 wants it: protobuf (gnostic's openapi.v2.Document), never JSON.

usage: openapi_v2.py OUTPUT_FILE

From Kubernetes' published swagger.json: the definitions of the served group versions and what they refer to, and of the
paths only PATCH with its query parameters, by which kubectl sees what a server understands. The output is 64 bytes of
hash in hex, then the document as a gzip stream.
"""

import gzip
import hashlib
import json
import pathlib
import struct
import sys

SCHEMA = pathlib.Path(__file__).parent.parent / "schema"
sys.path.insert(0, str(SCHEMA))
import modules  # noqa: E402

GVK = "x-kubernetes-group-version-kind"
PREFIX = "#/definitions/"


def served() -> set[tuple[str, str]]:
    pairs = set()
    for line in (SCHEMA / "served.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            parts = line.split("/")
            pairs.add(("", parts[1]) if parts[0] == "api" else (parts[1], parts[2]))
    return pairs


def is_served(gvk: dict, groups: set) -> bool:
    return (gvk["group"], gvk["version"]) in groups


# Protobuf's wire format: length-delimited fields, and varints for the few booleans.
def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, value) -> bytes:
    if value is None or value == "" or value is False:
        return b""
    if value is True:
        return varint(number << 3) + b"\x01"
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def real(number: int, value) -> bytes:
    return b"" if value is None else varint(number << 3 | 1) + struct.pack("<d", value)


def named(name: str, value: bytes) -> bytes:
    return field(1, name) + varint(2 << 3 | 2) + varint(len(value)) + value


def any_value(value) -> bytes:
    return field(2, json.dumps(value, separators=(",", ":")) + "\n")  # JSON is YAML


def extensions(number: int, node: dict) -> bytes:
    return b"".join(field(number, named(key, any_value(value))) for key, value in sorted(node.items()) if key.startswith("x-"))


def schema(node: dict) -> bytes:
    out = field(1, node.get("$ref")) + field(2, node.get("format")) + field(4, node.get("description"))
    if "default" in node:
        out += field(5, any_value(node["default"]))
    out += real(7, node.get("maximum")) + real(9, node.get("minimum")) + field(13, node.get("pattern"))
    out += b"".join(field(19, name) for name in node.get("required", []))
    out += b"".join(field(20, any_value(value)) for value in node.get("enum", []))
    if isinstance(node.get("additionalProperties"), dict):
        out += field(21, field(1, schema(node["additionalProperties"])))
    if "type" in node:
        out += field(22, field(1, node["type"]))
    if "items" in node:
        out += field(23, field(1, schema(node["items"])))
    out += b"".join(field(24, schema(part)) for part in node.get("allOf", []))
    if "properties" in node:
        out += field(25, b"".join(field(1, named(name, schema(value))) for name, value in sorted(node["properties"].items())))
    return out + extensions(31, node)


def query_parameter(node: dict) -> bytes:
    inner = field(2, "query") + field(3, node.get("description")) + field(4, node["name"]) + field(6, node["type"]) + \
        field(20, node.get("uniqueItems", False))
    return field(1, field(2, field(3, inner)))


def patch_operation(operation: dict, parameters: dict) -> bytes:
    out = field(5, operation.get("operationId"))
    out += b"".join(field(7, media) for media in operation.get("consumes", []))
    for node in operation.get("parameters", []):
        node = parameters[node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node
        if node["in"] == "query":
            out += field(8, query_parameter(node))
    return out + extensions(13, operation)


def reached(definitions: dict, roots: list[str]) -> list[str]:
    found, waiting = set(), list(roots)

    def refer(node):
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                waiting.append(node["$ref"].removeprefix(PREFIX))
            for value in node.values():
                refer(value)
        elif isinstance(node, list):
            for value in node:
                refer(value)

    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            refer(definitions[name])
    return sorted(found)


def document(swagger: dict) -> bytes:
    groups, definitions = served(), swagger["definitions"]
    roots = [name for name, node in definitions.items()
             if any(is_served(gvk, groups) for gvk in node.get(GVK, [])) and not name.startswith("io.k8s.apimachinery.")]
    paths = b""
    for path, item in sorted(swagger["paths"].items()):
        operation = item.get("patch")
        if operation and path.endswith("/{name}") and is_served(operation[GVK], groups):
            paths += field(2, named(path, field(8, patch_operation(operation, swagger.get("parameters", {})))))
    info = field(1, swagger["info"]["title"]) + field(2, swagger["info"]["version"])
    bodies = b"".join(field(1, named(name, schema(definitions[name]))) for name in reached(definitions, roots))
    return field(1, "2.0") + field(2, info) + field(8, paths) + field(9, bodies)


def main():
    folder = modules.fetch()["k8s.io/kubernetes"]
    data = document(json.loads((folder / "api/openapi-spec/swagger.json").read_text()))
    target = pathlib.Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(hashlib.sha256(data).hexdigest().encode() + gzip.compress(data, 9, mtime=0))


main()
