// Members of a PodSpec to be changed or walked in place; reading alone is services/kubeclient/object.hpp's.
#pragma once

#include <boost/json/object.hpp>

#include <string_view>
#include <utility>

namespace services::kube::kinds {

namespace json = boost::json;

// Null when absent or no object.
inline json::object* object_member(json::object& object, std::string_view name) {
    auto* value = object.if_contains(name);
    return value != nullptr ? value->if_object() : nullptr;
}

inline json::array* array_member(json::object& object, std::string_view name) {
    auto* value = object.if_contains(name);
    return value != nullptr ? value->if_array() : nullptr;
}

// Calls `visit(json::object&)` for each object in the list `name`.
template <typename Visit>
void for_each_object(json::object& object, std::string_view name, Visit&& visit) {
    if (auto* list = array_member(object, name))
        for (auto& element : *list)
            if (auto* entry = element.if_object()) visit(*entry);
}

// Calls `visit(json::object&)` for each init container, container and ephemeral container.
template <typename Visit>
void for_each_container(json::object& spec, Visit&& visit) {
    for (const auto* name : {"initContainers", "containers", "ephemeralContainers"}) for_each_object(spec, name, visit);
}

}  // namespace services::kube::kinds
