// What field selectors may ask of each kind beside metadata.name and metadata.namespace: field path and value, "" when
// absent. Private to table.cpp.
#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <utility>
#include <vector>

namespace services::kube::kinds {

namespace json = boost::json;

using FieldValues = std::vector<std::pair<std::string, std::string>>;

FieldValues event_fields(const json::object& object);
FieldValues new_event_fields(const json::object& object);
FieldValues namespace_fields(const json::object& object);
FieldValues node_fields(const json::object& object);
FieldValues pod_fields(const json::object& object);
FieldValues secret_fields(const json::object& object);
FieldValues service_fields(const json::object& object);

}  // namespace services::kube::kinds
