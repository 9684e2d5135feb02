// ServiceAccount: of the secrets it names, the names alone are kept.
#include <format>
#include <string>

#include "services/kube/kinds/rules.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {
namespace {

constexpr std::string_view enforce_annotation = "kubernetes.io/enforce-mountable-secrets";

void keep_secret_names(json::object& object) {
    auto* secrets = object.if_contains("secrets");
    if (secrets == nullptr || !secrets->is_array()) return;
    for (auto& secret : secrets->get_array()) {
        json::object kept;
        if (const auto name = kubeclient::text(kubeclient::as_object(secret), "name"); !name.empty()) kept["name"] = std::string(name);
        secret = std::move(kept);
    }
}

void prepare_update(json::object& object, const json::object&) { keep_secret_names(object); }

bool enforces_secrets(const json::object& object) {
    return kubeclient::object_at(object, "metadata.annotations").contains(enforce_annotation);
}

std::vector<std::string> warnings(const json::object& object) {
    if (!enforces_secrets(object)) return {};
    return {std::format("metadata.annotations[{}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets",
                        enforce_annotation)};
}

// Who was warned once is not warned at each later change.
std::vector<std::string> update_warnings(const json::object& object, const json::object& before) {
    return enforces_secrets(before) ? std::vector<std::string>() : warnings(object);
}

}  // namespace

const Rules& service_account_rules() {
    static constexpr Rules rules{.prepare_create = keep_secret_names,
                                 .prepare_update = prepare_update,
                                 .warnings = warnings,
                                 .update_warnings = update_warnings};
    return rules;
}

}  // namespace services::kube::kinds
