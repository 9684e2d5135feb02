// ReplicaSet: defaults, generation, validation.
#include <string>

#include "services/kube/kinds/pod_spec.hpp"
#include "services/kube/kinds/pod_spec_defaults.hpp"
#include "services/kube/kinds/pod_template.hpp"
#include "services/kube/kinds/rules.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::field;
using kubeclient::number;
using kubeclient::object_at;

void apply_defaults(json::object& replica_set) {
    auto& spec = kubeclient::make_object(replica_set, "spec");
    if (field(spec, "replicas") == nullptr) spec["replicas"] = 1;
    default_pod_spec(kubeclient::make_object(spec, "template.spec"));
}

void prepare_create(json::object& replica_set) {
    replica_set["status"] = json::object{{"replicas", 0}};
    kubeclient::make_object(replica_set, "metadata")["generation"] = 1;
    prepare_pod_template(kubeclient::make_object(replica_set, "spec.template"));
}

void prepare_update(json::object& replica_set, const json::object& before) {
    replica_set["status"] = object_at(before, "status");
    prepare_pod_template(kubeclient::make_object(replica_set, "spec.template"));
    const bool is_same = object_at(replica_set, "spec") == object_at(before, "spec");
    kubeclient::make_object(replica_set, "metadata")["generation"] = number(before, "metadata.generation") + (is_same ? 0 : 1);
}

void check_replica_set(Report& report, const json::object& replica_set) {
    const Path path("spec");
    const auto& spec = object_at(replica_set, "spec");
    for (const auto* name : {"replicas", "minReadySeconds"}) check_not_negative(report, path, spec, name);
    check_selected_template(report, path, spec);
}

Causes validate(const json::object& replica_set) {
    Report report;
    check_replica_set(report, replica_set);
    return report.take();
}

Causes validate_update(const json::object& replica_set, const json::object& before) {
    Report report;
    check_replica_set(report, replica_set);
    check_selector_unchanged(report, replica_set, before);
    return report.take();
}

Causes validate_status(const json::object& replica_set, const json::object&) {
    Report report;
    const Path path("status");
    const auto& status = object_at(replica_set, "status");
    for (const auto* name : {"replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration",
                             "terminatingReplicas"})
        check_not_negative(report, path, status, name);
    check_replica_counts(report, path, status, {"fullyLabeledReplicas", "readyReplicas", "availableReplicas"});
    return report.take();
}

}  // namespace

const Rules& replica_set_rules() {
    static constexpr Rules rules{.apply_defaults = apply_defaults,
                                 .prepare_create = prepare_create,
                                 .prepare_update = prepare_update,
                                 .validate = validate,
                                 .validate_update = validate_update,
                                 .validate_status = validate_status,
                                 .warnings = template_owner_warnings};
    return rules;
}

}  // namespace services::kube::kinds
