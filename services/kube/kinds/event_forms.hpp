// An Event in its two forms: v1 (involvedObject, message, source, count ...), as it is stored, and events.k8s.io/v1
// (regarding, note, deprecatedSource ...). Pure; what both call alike is copied, apiVersion
// changes where it is stated, the result is normalised.
#pragma once

#include <boost/json/object.hpp>

namespace services::kube::kinds {

namespace json = boost::json;

json::object to_core_event(const json::object& new_event);
json::object to_new_event(const json::object& core_event);

}  // namespace services::kube::kinds
