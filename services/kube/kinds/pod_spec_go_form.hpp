// How the real server prints a value of its internal types: an Invalid cause that names a whole struct, and the diff of a
// refused pod update, show Go's field names and every field, set or not
// (`{"Type":"BlueGreen","RollingUpdate":null}`).
//
// Owns the table of those types; pure functions, called only where something is refused.
#pragma once

#include <boost/json/value.hpp>

#include <string>
#include <string_view>

namespace services::kube::kinds {

namespace json = boost::json;

// `value`, an object as clients write it, as the internal type `type` ("SecurityContext") marshals. Null stays null.
json::value go_form(std::string_view type, const json::value& value);
// The same for a list of `type`.
json::value go_list_form(std::string_view type, const json::value& list);

// A map, with its keys sorted as Go prints them; null when it is null or empty.
json::value go_map(const json::value* map);

// A metav1.LabelSelector, as stored, with its labels sorted.
json::value go_selector(const json::value* selector);

// json.MarshalIndent(value, "", " "), keys of maps sorted as far as `value` has them sorted.
std::string go_indented(const json::value& value);

}  // namespace services::kube::kinds
