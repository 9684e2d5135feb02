#include "services/kube/kinds/pod_template.hpp"

#include <algorithm>
#include <iterator>

#include "services/kube/kinds/labels.hpp"
#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_spec.hpp"
#include "services/kube/kinds/pod_spec_go_form.hpp"
#include "services/kubeclient/object.hpp"
#include "services/kubeclient/selectors.hpp"

namespace services::kube::kinds {

using kubeclient::array_at;
using kubeclient::field;
using kubeclient::number;
using kubeclient::object_at;
using kubeclient::text;

void check_not_negative(Report& report, const Path& path, const json::object& holder, std::string_view name) {
    if (const auto value = number(holder, name); value < 0) report.invalid(path.child(name), value, negative_message);
}

void check_selected_template(Report& report, const Path& path, const json::object& spec) {
    const auto* selector = field(spec, "selector");
    const auto selector_path = path.child("selector");
    const auto before = report.size();
    if (selector == nullptr) {
        report.required(selector_path);
    } else {
        check_label_selector(report, selector_path, selector);
        if (report.size() != before) return report.invalid(selector_path, go_selector(selector), "invalid label selector");
        if (object_at(spec, "selector.matchLabels").empty() && array_at(spec, "selector.matchExpressions").empty())
            report.invalid(selector_path, go_selector(selector), "empty selector is invalid for deployment");
    }
    const auto template_path = path.child("template");
    const auto matcher = kubeclient::LabelSelector::from_object(selector);
    if (!matcher.is_empty() && !matcher.matches(object_at(spec, "template.metadata.labels")))
        report.invalid(template_path.child("metadata").child("labels"), go_map(field(spec, "template.metadata.labels")),
                       "`selector` does not match template `labels`");
    check_pod_template(report, template_path, object_at(spec, "template"));
    if (const auto policy = text(spec, "template.spec.restartPolicy"); policy != "Always")
        report.not_supported(template_path.child("spec").child("restartPolicy"), json::value(policy), {"Always"});
    if (field(spec, "template.spec.activeDeadlineSeconds") != nullptr)
        report.forbidden(template_path.child("spec").child("activeDeadlineSeconds"), "activeDeadlineSeconds in ReplicaSet is not Supported");
}

void check_selector_unchanged(Report& report, const json::object& object, const json::object& before) {
    if (object_at(object, "spec.selector") != object_at(before, "spec.selector"))
        report.invalid(Path("spec.selector"), go_selector(field(object, "spec.selector")), immutable_message);
}

void check_replica_counts(Report& report, const Path& path, const json::object& status, std::initializer_list<std::string_view> counts) {
    for (const auto name : counts)
        if (const auto count = number(status, name); count > number(status, "replicas"))
            report.invalid(path.child(name), count, "cannot be greater than status.replicas");
    if (const auto available = number(status, "availableReplicas"); available > number(status, "readyReplicas"))
        report.invalid(path.child("availableReplicas"), available, "cannot be greater than readyReplicas");
}

std::vector<std::string> template_owner_warnings(const json::object& object) {
    // Names are looked at once: only what is stored has a version.
    auto out = text(object, "metadata.resourceVersion").empty()
                   ? host_name_warnings(kubeclient::name_of(object), "Pod names and hostnames")
                   : std::vector<std::string>();
    std::ranges::move(pod_warnings(Path("spec.template"), object_at(object, "spec.template")), std::back_inserter(out));
    return out;
}

}  // namespace services::kube::kinds
