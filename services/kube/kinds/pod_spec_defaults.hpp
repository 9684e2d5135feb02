// What a PodSpec and a Pod read as when their author left something out (Kubernetes' SetDefaults_*), beside what the
// schema itself defaults (a port's protocol, a gRPC probe's service ...), which is the caller's to apply first.
//
// Pure, in place; applying them twice changes nothing.
#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <string_view>

namespace services::kube::kinds {

namespace json = boost::json;

// Of any PodSpec: a pod's or a template's.
void default_pod_spec(json::object& spec);
// A Pod's own: requests from limits, host ports, service links, podIPs; then its spec.
void default_pod(json::object& pod);

// "Always" for an image whose tag is latest, said or implied; "IfNotPresent" for others, unreadable ones among them.
std::string_view pull_policy_of(std::string_view image);

}  // namespace services::kube::kinds
