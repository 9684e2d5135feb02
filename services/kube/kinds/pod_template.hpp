// What kinds that make pods from a template share: the template and the selector that must match it, counts of replicas,
// warnings. Private to this folder.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "services/kube/kinds/report.hpp"

namespace services::kube::kinds {

void check_not_negative(Report& report, const Path& path, const json::object& holder, std::string_view name);

// spec.selector and spec.template of a Deployment or ReplicaSet. `path`: of the spec.
void check_selected_template(Report& report, const Path& path, const json::object& spec);
void check_selector_unchanged(Report& report, const json::object& object, const json::object& before);
// None of `counts` is more than status.replicas, and no more are available than ready.
void check_replica_counts(Report& report, const Path& path, const json::object& status, std::initializer_list<std::string_view> counts);

std::vector<std::string> template_owner_warnings(const json::object& object);

}  // namespace services::kube::kinds
