// Validation, warnings and preparation of PodSpecs wherever they stand: in Pods and in the templates of Deployments,
// ReplicaSets and every other kind that makes pods. Texts, fields and the order of causes are those of Kubernetes
// 1.37.2 with its feature gates at their defaults.
//
// Updates are held to the rules of creation: the real server lets what was stored under older rules be kept, and this
// store holds nothing older.
//
// Pure functions over decoded and defaulted objects.
#pragma once

#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/kube/kinds/report.hpp"

namespace services::kube::kinds {

namespace json = boost::json;

// `metadata`: of the Pod; null in a template. `path`: of the spec.
void check_pod_spec(Report& report, const Path& path, const json::object& spec, const json::object* metadata);
// A PodTemplateSpec.
void check_pod_template(Report& report, const Path& path, const json::object& pod_template);
// Annotations that mean something to pods. `spec` is the pod's.
void check_pod_annotations(Report& report, const Path& path, const json::object& annotations, const json::object& spec);
// Annotations of older times must say what the fields say.
void check_seccomp_agreement(Report& report, const Path& spec_path, const json::object& annotations, const json::object& spec);
void check_apparmor_agreement(Report& report, const Path& spec_path, const json::object& annotations, const json::object& spec);

// Drops what a 1.37 server drops because its feature is off.
void drop_disabled_fields(json::object& spec);
void drop_disabled_annotations(json::object& metadata);
void prepare_pod_template(json::object& pod_template);

// The AppArmor profile that an annotation of older times names; nothing when it names none.
std::optional<json::object> apparmor_profile_of(std::string_view annotation);

// A name that becomes a host name should be one label. `used_for`: "the Pod's hostname".
std::vector<std::string> host_name_warnings(std::string_view name, std::string_view used_for);
// Warnings about a Pod (`path` empty) or a template (`path` spec.template). `owner`: has metadata and spec.
std::vector<std::string> pod_warnings(const Path& path, const json::object& owner);

}  // namespace services::kube::kinds
