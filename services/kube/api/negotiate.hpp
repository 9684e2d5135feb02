// Which form an answer takes (trap 3): Accept's clauses are read in order and the first that can be served wins; one with
// an unknown `as=` is skipped. Answers are JSON, under the name of YAML too; a client that takes nothing but protobuf is refused.
#pragma once

#include <string>
#include <string_view>

#include "services/http/message.hpp"

namespace services::kube::api {

struct Accepted {
    enum class Form { object, table, partial } form = Form::object;
    std::string version = "v1";  // of meta.k8s.io, for table and partial
    bool is_yaml = false;
};
// "application/json", or "application/yaml": JSON is YAML, and is not laid out anew for it.
std::string media_of(const Accepted& accepted);

// `is_list`: the answer is a list, whose partial form has a name of its own. `has_forms`: Table and PartialObjectMetadata
// can be had. StatusError 406.
Accepted negotiate(const http::Request& request, bool is_list, bool has_forms = true);

}  // namespace services::kube::api
