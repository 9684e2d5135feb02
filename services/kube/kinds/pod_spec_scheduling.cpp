// Tolerations and topology spread of a PodSpec.
#include <array>
#include <format>
#include <map>
#include <string>
#include <utility>

#include "services/kube/kinds/labels.hpp"
#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_spec_checks.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::as_text;
using kubeclient::field;
using kubeclient::number;
using kubeclient::text;

void check_toleration(Report& report, const Path& path, const json::object& toleration) {
    const auto key = text(toleration, "key"), op = text(toleration, "operator");
    const auto value = text(toleration, "value"), effect = text(toleration, "effect");
    if (!key.empty()) report.invalid(path.child("key"), json::value(key), check_qualified_name(key));
    if (key.empty() && op != "Exists")
        report.invalid(path.child("operator"), json::value(op),
                       R"(operator must be Exists when `key` is empty, which means "match all values and all keys")");
    if (field(toleration, "tolerationSeconds") != nullptr && effect != "NoExecute")
        report.invalid(path.child("effect"), json::value(effect), "effect must be 'NoExecute' when `tolerationSeconds` is set");
    if (op.empty() || op == "Equal") {
        std::string faults;
        for (const auto& fault : check_label_value(value)) faults += (faults.empty() ? "" : ";") + fault;
        if (!faults.empty()) report.invalid(path.child("operator"), json::value(value), faults);
    } else if (op == "Exists") {
        if (!value.empty()) report.invalid(path.child("operator"), json::value(value), "value must be empty when `operator` is 'Exists'");
    } else if (op == "Lt" || op == "Gt") {
        // A feature that is off still knows its operators.
        report.not_supported(path.child("operator"), json::value(op), {"Equal", "Exists", "Lt", "Gt"});
    } else {
        report.not_supported(path.child("operator"), json::value(op), {"Equal", "Exists"});
    }
    if (!effect.empty() && effect != "NoSchedule" && effect != "PreferNoSchedule" && effect != "NoExecute")
        report.not_supported(path.child("effect"), json::value(effect), {"NoSchedule", "PreferNoSchedule", "NoExecute"});
}

void check_policy(Report& report, const Path& path, const json::object& constraint, std::string_view name) {
    const auto* policy = field(constraint, name);
    if (policy != nullptr && as_text(*policy) != "Honor" && as_text(*policy) != "Ignore")
        report.not_supported(path.child(name), *policy, {"Honor", "Ignore"});
}

std::pair<std::string_view, std::string_view> identity_of(const json::object& constraint) {
    return {text(constraint, "topologyKey"), text(constraint, "whenUnsatisfiable")};
}

// `is_repeated`: a later constraint has the same identity.
void check_constraint(Report& report, const Path& path, const json::object& constraint, bool is_repeated) {
    const auto [topology, action] = identity_of(constraint);
    if (const auto skew = number(constraint, "maxSkew"); skew <= 0)
        report.invalid(path.child("maxSkew"), skew, "must be greater than zero");
    if (topology.empty()) report.required(path.child("topologyKey"), "can not be empty");
    if (action != "DoNotSchedule" && action != "ScheduleAnyway")
        report.not_supported(path.child("whenUnsatisfiable"), json::value(action), {"DoNotSchedule", "ScheduleAnyway"});
    if (is_repeated)
        report.duplicate(path.child("{topologyKey, whenUnsatisfiable}"), json::value(std::format("{{{}, {}}}", topology, action)));
    if (const auto* domains = field(constraint, "minDomains")) {
        if (number(constraint, "minDomains") <= 0) report.invalid(path.child("minDomains"), *domains, "must be greater than zero");
        if (action != "DoNotSchedule")
            report.invalid(path.child("minDomains"), *domains,
                           std::format("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {}", action));
    }
    for (const auto* name : {"nodeAffinityPolicy", "nodeTaintsPolicy"}) check_policy(report, path, constraint, name);
    check_label_keys(report, path, constraint);
    check_label_selector(report, path.child("labelSelector"), field(constraint, "labelSelector"));
}

}  // namespace

void check_tolerations(Report& report, const Path& path, const json::array& tolerations) {
    std::size_t at = 0;
    for (const auto& toleration : tolerations) check_toleration(report, path.index(at++), as_object(toleration));
}

void check_spread(PodSpecCheck& check, const Path& path) {
    const auto& constraints = array_at(check.spec, "topologySpreadConstraints");
    std::map<std::pair<std::string_view, std::string_view>, std::size_t> last;
    for (std::size_t at = 0; at < constraints.size(); ++at) last[identity_of(as_object(constraints[at]))] = at;
    for (std::size_t at = 0; at < constraints.size(); ++at) {
        const auto& constraint = as_object(constraints[at]);
        check_constraint(check.report, path.index(at), constraint, last.at(identity_of(constraint)) > at);
    }
}

}  // namespace services::kube::kinds
