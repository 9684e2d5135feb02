// Validation of Pods, in parts; private to pod*.cpp. Metadata is validated elsewhere, by the rules of all kinds.
#pragma once

#include "services/kube/kinds/report.hpp"

namespace services::kube::kinds {

// What create and update share: annotations, spec, and what a Pod obeys beyond a template.
void check_pod(Report& report, const json::object& pod);
// A Pod's annotations may not be changed at will: mirror and AppArmor ones stay as they are.
void check_annotation_changes(Report& report, const json::object& pod, const json::object& before);

Causes validate_pod_update(const json::object& pod, const json::object& before);
Causes validate_pod_status(const json::object& pod, const json::object& before);
void prepare_pod_status(json::object& pod, const json::object& before);

}  // namespace services::kube::kinds
