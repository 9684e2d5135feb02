// Resource names and quantities of containers and pods: which names there are, what a pod's containers ask for together,
// the quality-of-service class, and the pod-level defaults that follow from its containers.
//
// Pure. Quantities that do not parse count as zero: the decoder has refused them.
#pragma once

#include <boost/json/object.hpp>

#include <map>
#include <string>
#include <string_view>

#include "services/codec/quantity.hpp"

namespace services::kube::kinds {

namespace json = boost::json;

codec::Quantity quantity_of(const json::value& value);

// Amounts finer than a thousandth are rounded up to one, in place.
void round_quantities(json::object& list);

bool is_huge_page_resource(std::string_view name);
bool is_extended_resource(std::string_view name);   // example.com/gpu
bool is_native_resource(std::string_view name);     // without a domain, or of *kubernetes.io/
bool is_standard_resource(std::string_view name);   // what Kubernetes names without a domain
bool is_container_resource(std::string_view name);  // of those, what a container may ask for
bool is_pod_level_resource(std::string_view name);  // of those, what a pod as a whole may ask for
bool is_integer_resource(std::string_view name);
bool allows_overcommit(std::string_view name);  // a request may be less than its limit
// A whole number of pages.
bool is_divisible_by_page(std::string_view huge_page_resource, const codec::Quantity& amount);

// What all containers of `spec` together need: containers and sidecars added up, but at least what each init container
// needs beside the sidecars started before it. `part`: "requests" or "limits".
std::map<std::string, codec::Quantity, std::less<>> sum_of_containers(const json::object& spec, std::string_view part);

// "BestEffort", "Burstable" or "Guaranteed".
std::string_view qos_class_of(const json::object& spec);

// Completes spec.resources of a pod that states it partly.
void default_pod_level_resources(json::object& spec);

}  // namespace services::kube::kinds
