// The two reduced forms of an answer: Table (what `kubectl get` shows) and PartialObjectMetadata(List), both of
// meta.k8s.io. Built as texts, row by row, so that a list of any length is streamed and never held whole.
//
// Pure: no store; `now` is for ages. Objects come without kind and apiVersion, as they are stored.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "services/kube/api/api.hpp"

namespace services::kube::api {

// What of its object a row carries: the query includeObject.
enum class Include { none, metadata, object };
// StatusError 400 with the real text for any other value; "" is metadata.
Include included(std::string_view value);

// The columns of a kind and what fills them; a kind without any has its name and the time it was made.
struct TableShape {
    std::span<const kinds::Column> columns;
    json::array (*cells)(const json::object& object, hal::WallTime now);
};
TableShape table_shape(const kinds::Kind& kind);

struct TableForm {
    std::string_view version = "v1";  // or "v1beta1"
    Include include = Include::metadata;
};

// A Table is table_head + rows joined by "," + table_tail. `metadata`: the ListMeta, or resourceVersion of the one object.
// A watch's later events leave the columns out (`with_columns` false: null).
std::string table_head(const TableShape& shape, const TableForm& form, const json::object& metadata, bool with_columns = true);
std::string table_row(const TableShape& shape, const TableForm& form, const schema::GroupVersionKind& gvk, const json::object& object,
                      hal::WallTime now);
inline constexpr std::string_view table_tail = "]}";

// A Table of the one object: the answer of a get, or the object of a watch event.
std::string table_of(const TableShape& shape, const TableForm& form, const schema::GroupVersionKind& gvk, const json::object& object,
                     hal::WallTime now, bool with_columns = true);

// {"kind":"PartialObjectMetadata",...}; a list's items carry kind and apiVersion too.
std::string partial_of(const json::object& object, std::string_view version = "v1");

}  // namespace services::kube::api
