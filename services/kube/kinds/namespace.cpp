// Namespace: active from the start, held by the finalizer "kubernetes", and labelled with its own name.
#include <algorithm>
#include <string>

#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/report.hpp"
#include "services/kube/kinds/rules.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {
namespace {

using kubeclient::array_at;
using kubeclient::as_text;
using kubeclient::text;

constexpr std::string_view name_label = "kubernetes.io/metadata.name";
constexpr std::string_view own_finalizer = "kubernetes";

// A name that is still to be generated is labelled when it is known (prepare_create comes after generation).
void label_with_name(json::object& object) {
    const std::string name(kubeclient::name_of(object));
    if (name.empty()) return;
    auto& labels = kubeclient::make_object(kubeclient::make_object(object, "metadata"), "labels");
    labels[name_label] = name;
}

void apply_defaults(json::object& object) {
    label_with_name(object);
    if (text(object, "status.phase").empty()) kubeclient::make_object(object, "status")["phase"] = "Active";
}

void prepare_create(json::object& object) {
    object["status"] = json::object{{"phase", "Active"}};
    label_with_name(object);
    auto& spec = kubeclient::make_object(object, "spec");
    auto& finalizers = spec["finalizers"];
    if (!finalizers.is_array()) finalizers = json::array();
    auto& list = finalizers.get_array();
    const bool is_held = std::ranges::any_of(list, [](const json::value& name) { return as_text(name) == own_finalizer; });
    if (!is_held) list.emplace_back(own_finalizer);
}

void carry_over(json::object& object, const json::object& before, std::string_view member) {
    if (const auto* value = before.if_contains(member)) object[member] = *value;
    else object.erase(member);
}

void prepare_update(json::object& object, const json::object& before) {
    label_with_name(object);
    carry_over(object, before, "status");
    auto& spec = kubeclient::make_object(object, "spec");
    if (const auto* finalizers = kubeclient::field(before, "spec.finalizers")) spec["finalizers"] = *finalizers;
    else spec.erase("finalizers");
}

Causes validate(const json::object& object) {
    Report report;
    const Path path("spec.finalizers");
    for (const auto& element : array_at(object, "spec.finalizers")) {
        const auto name = as_text(element);
        report.invalid(path, name, check_qualified_name(name));
        if (!name.contains('/') && name != own_finalizer && name != "orphan" && name != "foregroundDeletion")
            report.invalid(path, name, "name is neither a standard finalizer name nor is it fully qualified");
    }
    return report.take();
}

Causes validate_update(const json::object& object, const json::object&) { return validate(object); }

Causes validate_status(const json::object& object, const json::object&) {
    Report report;
    const auto phase = text(object, "status.phase");
    const Path path("status.Phase");
    const bool is_deleting = kubeclient::is_deleting(object);
    if (!is_deleting && phase != "Active") report.invalid(path, phase, "may only be 'Active' if `deletionTimestamp` is empty");
    if (is_deleting && phase != "Terminating") report.invalid(path, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty");
    return report.take();
}

}  // namespace

const Rules& namespace_rules() {
    static constexpr Rules rules{.apply_defaults = apply_defaults,
                                 .prepare_create = prepare_create,
                                 .prepare_update = prepare_update,
                                 .validate = validate,
                                 .validate_update = validate_update,
                                 .validate_status = validate_status};
    return rules;
}

}  // namespace services::kube::kinds
