// Validation, warnings and preparation of PodSpecs wherever they stand: in Pods and in the templates of Deployments,
// ReplicaSets and every other kind that makes pods. Texts, fields and the order of causes are those of Kubernetes
// 1.37.2 with its feature gates at their defaults.
//
// Pure functions over decoded and defaulted objects.
#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <vector>

#include "services/kube/kinds/report.hpp"

namespace services::kube::kinds {

namespace json = boost::json;

// What is let through: an object that was stored under older rules must stay changeable.
struct PodOptions {
    bool is_pod = false;  // a Pod itself, no template
    bool allow_invalid_deletion_cost = false;
    bool allow_indivisible_huge_pages = false;
    bool allow_invalid_affinity_labels = false;
    bool allow_invalid_node_affinity_labels = false;
    bool allow_invalid_spread_selector = false;
    bool keep_old_spread_keys_rule = false;
    bool allow_reserved_token_path = false;
    bool allow_host_sysctls = false;
    bool allow_restarting_init_resize = false;
    bool allow_user_namespace_devices = false;
    bool allow_user_namespace_host_network = false;
    bool allow_toleration_comparison = false;
    bool allow_empty_image_volume = false;
    bool allow_sys_admin_without_escalation = false;
};
// Null: there is no object before this one. `before`: a Pod or a PodTemplateSpec.
PodOptions pod_options(const json::object* before);

// `metadata`: of the Pod; null in a template. `path`: of the spec.
void check_pod_spec(Report& report, const Path& path, const json::object& spec, const json::object* metadata,
                    const PodOptions& options);
// A PodTemplateSpec.
void check_pod_template(Report& report, const Path& path, const json::object& pod_template, const PodOptions& options);
// Annotations that mean something to pods. `spec` is the pod's.
void check_pod_annotations(Report& report, const Path& path, const json::object& annotations, const json::object& spec,
                           const PodOptions& options);
// Annotations of older times must say what the fields say.
void check_seccomp_agreement(Report& report, const Path& spec_path, const json::object& annotations, const json::object& spec);
void check_apparmor_agreement(Report& report, const Path& spec_path, const json::object& annotations, const json::object& spec);

// Drops what a 1.37 server drops because its feature is off, unless `before` (null: none) has it.
void drop_disabled_fields(json::object& spec, const json::object* before);

// Warnings about a Pod (`path` empty) or a template (`path` spec.template). `owner`: has metadata and spec.
std::vector<std::string> pod_warnings(const Path& path, const json::object& owner);

}  // namespace services::kube::kinds
