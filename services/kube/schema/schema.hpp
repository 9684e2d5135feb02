// The schema table: every built-in Kubernetes type with its fields, protobuf numbers, list-map keys, patch strategies,
// schema defaults and descriptions, generated at build time from Kubernetes' own published schemas. One table drives
// strict decoding, protobuf, pruning, defaults, strategic merge, server-side apply, OpenAPI v3 and discovery.
//
// Immutable after start; the form also takes types at run time (a CustomResourceDefinition). No I/O.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace services::kube::schema {

namespace json = boost::json;

// What a field holds. `time`, `micro_time`, `duration`, `quantity`, `int_or_string` have their own wire and JSON forms.
enum class Form : std::uint8_t {
    object, boolean, int32, int64, floating, string, bytes, quantity, int_or_string, time, micro_time, duration,
    raw,        // any JSON (RawExtension, FieldsV1, JSON)
};
enum class Shape : std::uint8_t { single, list, map };
enum class ListType : std::uint8_t { atomic, set, map };

struct Type;

// Types and fields live in one read-only block whose inner references are relative to themselves: nothing is relocated
// when the process starts, so the table costs no private memory. Neither can be copied; hold them by pointer.
struct Field {
    Field(const Field&) = delete;
    Field& operator=(const Field&) = delete;

    [[nodiscard]] std::string_view name() const;     // JSON name; "": an inlined Go struct, seen by protobuf alone
    [[nodiscard]] std::uint32_t number() const { return number_; }  // protobuf field number, 0 when there is none
    [[nodiscard]] Form form() const { return static_cast<Form>(form_); }
    [[nodiscard]] Shape shape() const { return static_cast<Shape>(shape_); }
    [[nodiscard]] ListType list_type() const { return static_cast<ListType>(list_type_); }
    [[nodiscard]] bool is_required() const { return (flags_ & 1) != 0; }
    [[nodiscard]] bool is_pointer() const { return (flags_ & 2) != 0; }     // absent and zero differ
    [[nodiscard]] bool omits_empty() const { return (flags_ & 4) != 0; }    // Go's omitempty
    [[nodiscard]] bool omits_zero() const { return (flags_ & 8) != 0; }     // Go's omitzero
    [[nodiscard]] bool is_atomic() const { return (flags_ & 16) != 0; }     // map or object replaced as a whole
    [[nodiscard]] unsigned order() const { return order_; }                 // place in Go's struct, the order of output
    [[nodiscard]] const Type* type() const;          // for Form::object
    [[nodiscard]] std::string_view list_keys() const;       // comma-separated, for ListType::map
    [[nodiscard]] std::string_view merge_key() const;       // x-kubernetes-patch-merge-key
    [[nodiscard]] std::string_view patch_strategy() const;  // "merge", "retainKeys", "merge,retainKeys", ""
    [[nodiscard]] std::string_view schema_default() const;  // JSON text or ""
    [[nodiscard]] std::string go_container() const;  // of the whole list or map: "[]v1.Container"
    [[nodiscard]] bool is_map_of_lists() const { return element_flags_ != 0; }  // each value a message of repeated strings
    [[nodiscard]] std::string_view go_type() const;  // of one element, as errors name it: "v1.PullPolicy", "int32"

private:
    // The layout that generate.py writes.
    std::int32_t name_, type_, go_type_, rare_;  // relative to the member itself; 0: none
    std::uint16_t number_;
    std::uint8_t form_, shape_, list_type_, flags_, order_, element_flags_;
    friend struct Type;
};

struct Type {
    Type(const Type&) = delete;
    Type& operator=(const Type&) = delete;

    [[nodiscard]] std::string_view name() const;     // "io.k8s.api.core.v1.Pod"
    [[nodiscard]] std::string_view go_name() const;  // "v1.Pod"
    [[nodiscard]] std::span<const Field> fields() const;  // sorted by name
    [[nodiscard]] const Field* find(std::string_view field) const;
    [[nodiscard]] const Field* find_number(std::uint32_t number) const;
    [[nodiscard]] bool is_atomic() const { return (flags_ & 1) != 0; }  // x-kubernetes-map-type: atomic

private:
    std::int32_t name_, go_name_, fields_;
    std::uint16_t count_, flags_;
};

struct GroupVersionKind {
    std::string group, version, kind;
    auto operator<=>(const GroupVersionKind&) const = default;
    [[nodiscard]] std::string api_version() const { return group.empty() ? version : group + "/" + version; }
};

// Null when there is no such type.
const Type* type_of(const GroupVersionKind& kind);
const Type* type_named(std::string_view name);

// A decoding failure, with the text Kubernetes' own decoder gives.
struct DecodeError {
    std::string message;
    std::size_t line = 0, column = 0;  // YAML input, where known
};

struct Decoded {
    json::object object;
    std::vector<std::string> unknown_fields;    // `unknown field "spec.foo"`, in the real decoder's order and words
    std::vector<std::string> duplicate_fields;  // `duplicate field "spec.foo"`
    std::vector<std::string> strict_errors;     // both, in the order found: what `strict decoding error: ` joins by ", "
};

// Decoders of foreign bytes. They keep to the table: wrong types are errors with the real texts (`json: cannot unmarshal
// string into Go struct field ... of type ...` as the real server words them), unknown and duplicate fields are collected.
// Bounded by depth (nesting_max, as encoding/json; less for YAML and for what stays untyped, see node.hpp) and by the size of the input.
std::expected<Decoded, DecodeError> decode_json(const Type& type, std::string_view text);
std::expected<Decoded, DecodeError> decode_yaml(const Type& type, std::string_view text);
// After the magic "k8s\0": runtime.Unknown. kind: from its TypeMeta.
struct Enveloped {
    GroupVersionKind kind;
    std::string_view raw;
};
std::expected<Enveloped, DecodeError> open_envelope(std::string_view body);
std::expected<Decoded, DecodeError> decode_protobuf(const Type& type, std::string_view raw);
std::string encode_protobuf(const GroupVersionKind& kind, const Type& type, const json::object& object);

// YAML text to JSON as sigs.k8s.io/yaml does it (first document); for discovery of apiVersion/kind before the type is known.
std::expected<json::value, DecodeError> parse_json(std::string_view text);
std::expected<json::value, DecodeError> parse_yaml(std::string_view text);

// Values as the real server stores them: null and absent as Go's omitempty makes them, canonical quantities and times,
// unknown fields dropped. In place. `checked` failures come back as texts.
std::vector<DecodeError> normalise(const Type& type, json::object& object);
// Fills what the schema itself defaults (x `default:`).
void apply_schema_defaults(const Type& type, json::object& object);

// Canonical form of a quantity ("1000m" -> "1"), or the real parser's error.
std::expected<std::string, DecodeError> canonical_quantity(std::string_view text);

// Documents, as the real 1.37 server serves them, for the groups and resources that `kinds` serves.
// Index of /openapi/v3 and one document per group version ("api/v1", "apis/apps/v1"), JSON, with ETag hash.
std::string openapi_index();
// Null-terminated view into the binary's (compressed) data is inflated on call; "" when unknown.
std::string openapi_document(std::string_view group_version_path);
// The same as the gzip stream that lies in the binary, and its hash; "" when unknown.
std::string_view openapi_gzip(std::string_view group_version_path);
std::string_view openapi_hash(std::string_view group_version_path);

}  // namespace services::kube::schema
