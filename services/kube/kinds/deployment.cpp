// Deployment: defaults, generation, validation.
#include <algorithm>
#include <charconv>
#include <format>
#include <iterator>
#include <string>

#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_spec.hpp"
#include "services/kube/kinds/pod_spec_defaults.hpp"
#include "services/kube/kinds/pod_spec_go_form.hpp"
#include "services/kube/kinds/pod_spec_members.hpp"
#include "services/kube/kinds/pod_template.hpp"
#include "services/kube/kinds/rules.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::as_text;
using kubeclient::field;
using kubeclient::number;
using kubeclient::object_at;
using kubeclient::text;

void set_if_absent(json::object& object, std::string_view name, const json::value& value) {
    if (field(object, name) == nullptr) object[name] = value;
}

void apply_defaults(json::object& deployment) {
    auto& spec = kubeclient::make_object(deployment, "spec");
    set_if_absent(spec, "replicas", 1);
    auto& strategy = kubeclient::make_object(spec, "strategy");
    if (text(strategy, "type").empty()) strategy["type"] = "RollingUpdate";
    if (text(strategy, "type") == "RollingUpdate") {
        auto& rolling = kubeclient::make_object(strategy, "rollingUpdate");
        set_if_absent(rolling, "maxUnavailable", "25%");
        set_if_absent(rolling, "maxSurge", "25%");
    }
    set_if_absent(spec, "revisionHistoryLimit", 10);
    set_if_absent(spec, "progressDeadlineSeconds", 600);
    default_pod_spec(kubeclient::make_object(spec, "template.spec"));
}

void prepare_create(json::object& deployment) {
    deployment["status"] = json::object();
    kubeclient::make_object(deployment, "metadata")["generation"] = 1;
    prepare_pod_template(kubeclient::make_object(deployment, "spec.template"));
}

// Annotations count too: they are copied to the ReplicaSets.
void prepare_update(json::object& deployment, const json::object& before) {
    deployment["status"] = object_at(before, "status");
    prepare_pod_template(kubeclient::make_object(deployment, "spec.template"));
    const bool is_same = object_at(deployment, "spec") == object_at(before, "spec") &&
                         object_at(deployment, "metadata.annotations") == object_at(before, "metadata.annotations");
    kubeclient::make_object(deployment, "metadata")["generation"] = number(before, "metadata.generation") + (is_same ? 0 : 1);
}

// The number before a percent sign, or -1 when it is no percentage.
std::int64_t percent_of(const json::value* value) {
    if (value == nullptr || !value->is_string() || !check_percent(as_text(*value)).empty()) return -1;
    const auto digits = as_text(*value);
    std::int64_t percent = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), percent);
    return percent;
}

bool is_zero(const json::value* value) {
    if (value == nullptr || *value == 0) return true;
    if (!value->is_string()) return false;
    if (const auto percent = percent_of(value); percent >= 0) return percent == 0;
    // Text that is no percentage counts as the number that it reads as, or none.
    std::int64_t plain = 0;
    const auto digits = as_text(*value);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), plain);
    return error != std::errc() || end != digits.data() + digits.size() || plain == 0;
}

void check_number_or_percent(Report& report, const Path& path, const json::value* value) {
    if (value == nullptr) return;
    if (value->is_string()) report.invalid(path, *value, check_percent(as_text(*value)));
    else if (value->is_int64() && value->get_int64() < 0) report.invalid(path, *value, negative_message);
}

void check_strategy(Report& report, const Path& path, const json::object& strategy) {
    const auto type = text(strategy, "type");
    if (type == "Recreate") {
        if (field(strategy, "rollingUpdate") != nullptr)
            report.forbidden(path.child("rollingUpdate"), "may not be specified when strategy `type` is 'Recreate'");
        return;
    }
    if (type != "RollingUpdate") return report.not_supported(path, go_form("DeploymentStrategy", strategy), {"Recreate", "RollingUpdate"});
    const auto rolling_path = path.child("rollingUpdate");
    const auto* unavailable = field(strategy, "rollingUpdate.maxUnavailable");
    const auto* surge = field(strategy, "rollingUpdate.maxSurge");
    check_number_or_percent(report, rolling_path.child("maxUnavailable"), unavailable);
    check_number_or_percent(report, rolling_path.child("maxSurge"), surge);
    if (is_zero(unavailable) && is_zero(surge))
        report.invalid(rolling_path.child("maxUnavailable"), unavailable == nullptr ? json::value(0) : *unavailable,
                       "may not be 0 when `maxSurge` is 0");
    if (percent_of(unavailable) > 100)
        report.invalid(rolling_path.child("maxUnavailable"), *unavailable, "must not be greater than 100%");
}

void check_deployment(Report& report, const json::object& deployment) {
    const Path path("spec");
    const auto& spec = object_at(deployment, "spec");
    check_not_negative(report, path, spec, "replicas");
    check_selected_template(report, path, spec);
    check_strategy(report, path.child("strategy"), object_at(spec, "strategy"));
    for (const auto* name : {"minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"})
        check_not_negative(report, path, spec, name);
    if (const auto* deadline = field(spec, "progressDeadlineSeconds");
        deadline != nullptr && number(spec, "progressDeadlineSeconds") <= number(spec, "minReadySeconds"))
        report.invalid(path.child("progressDeadlineSeconds"), *deadline, "must be greater than minReadySeconds");
}

Causes validate(const json::object& deployment) {
    Report report;
    check_deployment(report, deployment);
    return report.take();
}

Causes validate_update(const json::object& deployment, const json::object& before) {
    Report report;
    check_deployment(report, deployment);
    check_selector_unchanged(report, deployment, before);
    return report.take();
}

Causes validate_status(const json::object& deployment, const json::object& before) {
    Report report;
    const Path path("status");
    const auto& status = object_at(deployment, "status");
    for (const auto* name : {"observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas",
                             "unavailableReplicas", "terminatingReplicas", "collisionCount"})
        check_not_negative(report, path, status, name);
    check_replica_counts(report, path, status, {"updatedReplicas", "readyReplicas", "availableReplicas"});
    const auto* collisions = field(status, "collisionCount");
    if (collisions != nullptr && field(before, "status.collisionCount") != nullptr &&
        number(status, "collisionCount") < number(before, "status.collisionCount"))
        report.invalid(path.child("collisionCount"), *collisions, "cannot be decremented");
    return report.take();
}

void prepare_status(json::object& deployment, const json::object& before) {
    auto& metadata = kubeclient::make_object(deployment, "metadata");
    if (const auto* labels = field(before, "metadata.labels")) metadata["labels"] = *labels;
    else metadata.erase("labels");
}

}  // namespace

const Rules& deployment_rules() {
    static constexpr Rules rules{.apply_defaults = apply_defaults,
                                 .prepare_create = prepare_create,
                                 .prepare_update = prepare_update,
                                 .validate = validate,
                                 .validate_update = validate_update,
                                 .validate_status = validate_status,
                                 .warnings = template_owner_warnings,
                                 .prepare_status = prepare_status};
    return rules;
}

}  // namespace services::kube::kinds
