// The environment of a container as the pod's spec says it: services as variables, envFrom, env with $(VAR), fields of the
// pod, resources, keys of ConfigMaps and Secrets. Pure: what is looked up comes in as arguments.
#pragma once

#include <boost/json/object.hpp>

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/kubeclient/object.hpp"

namespace services::kubelet::pods {

namespace json = boost::json;

// In order of appearance; a name occurs once.
using Variables = std::vector<std::pair<std::string, std::string>>;

// ConfigMaps and Secrets of the pod's namespace that were found, by "configmap/NAME" and "secret/NAME".
using ReferencedObjects = std::map<std::string, json::object, std::less<>>;

struct EnvironmentSources {
    const json::object& pod;   // spec, and status.podIP(s), hostIP(s) as they will be
    const json::object& container;
    const ReferencedObjects& objects;
    const std::vector<kubeclient::ObjectPtr>& services;  // of the pod's namespace, and default/kubernetes
    std::int64_t node_milli_cpu = 0, node_memory_bytes = 0;  // what a container without limits may use
};

// Throws Error{invalid} with the kubelet's text: `configmap "x" not found`, `couldn't find key k in Secret ns/x`.
Variables environment_of(const EnvironmentSources& sources);

// "$(NAME)" by `variables`, "$$" is one dollar; an unknown name stays as it is written.
std::string expanded(std::string_view text, const std::function<const std::string*(std::string_view)>& find);
std::string expanded(std::string_view text, const Variables& variables);
std::vector<std::string> expanded(const json::array& words, const Variables& variables);

// The ConfigMaps and Secrets that env and envFrom of any container name, as keys of ReferencedObjects.
std::vector<std::string> referenced_by_environment(const json::object& pod);

}  // namespace services::kubelet::pods
