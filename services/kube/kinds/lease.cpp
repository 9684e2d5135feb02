// Lease: amounts of seconds and transitions. Coordinated leader election (strategy, preferredHolder) is not switched on in
// 1.37, so what it would need is dropped.
#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/report.hpp"
#include "services/kube/kinds/rules.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {
namespace {

void drop_election(json::object& object) {
    auto* spec = object.if_contains("spec");
    if (spec == nullptr || !spec->is_object()) return;
    spec->get_object().erase("strategy");
    spec->get_object().erase("preferredHolder");
}

void prepare_update(json::object& object, const json::object&) { drop_election(object); }

Causes validate(const json::object& object) {
    Report report;
    const Path path("spec");
    const auto& spec = kubeclient::object_at(object, "spec");
    if (const auto seconds = kubeclient::number(spec, "leaseDurationSeconds", 1); seconds <= 0)
        report.invalid(path.child("leaseDurationSeconds"), seconds, "must be greater than 0");
    if (const auto transitions = kubeclient::number(spec, "leaseTransitions"); transitions < 0)
        report.invalid(path.child("leaseTransitions"), transitions, negative_message);
    return report.take();
}

Causes validate_update(const json::object& object, const json::object&) { return validate(object); }

}  // namespace

const Rules& lease_rules() {
    static constexpr Rules rules{.prepare_create = drop_election,
                                 .prepare_update = prepare_update,
                                 .validate = validate,
                                 .validate_update = validate_update};
    return rules;
}

}  // namespace services::kube::kinds
