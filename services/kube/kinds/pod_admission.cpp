#include "services/kube/kinds/pod_admission.hpp"

#include <algorithm>
#include <format>
#include <optional>

#include "services/kube/kinds/pod_spec_members.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::field;
using kubeclient::number;
using kubeclient::object_at;
using kubeclient::text;

constexpr std::string_view token_volume = "kube-api-access-";
constexpr std::string_view token_path = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr std::int64_t token_seconds = 3607;  // the odd number marks tokens that nobody asked a time for
constexpr std::int64_t toleration_seconds = 300;
constexpr std::string_view mirror_key = "kubernetes.io/config.mirror";

// Empty when there is no such class.
std::optional<std::int64_t> priority_of_class(std::string_view name) {
    if (name.empty()) return 0;
    if (name == "system-node-critical") return 2'000'001'000;
    if (name == "system-cluster-critical") return 2'000'000'000;
    return std::nullopt;
}

bool mounts_token(const json::object& pod, const json::object* service_account) {
    if (const auto* own = field(pod, "spec.automountServiceAccountToken")) return own->is_bool() && own->get_bool();
    return service_account == nullptr || kubeclient::flag(*service_account, "automountServiceAccountToken", true);
}

json::object token_source() {
    return {{"defaultMode", 0644},
            {"sources",
             json::array{json::object{{"serviceAccountToken", {{"expirationSeconds", token_seconds}, {"path", "token"}}}},
                         json::object{{"configMap",
                                       {{"name", "kube-root-ca.crt"}, {"items", json::array{json::object{{"key", "ca.crt"}, {"path", "ca.crt"}}}}}}},
                         json::object{{"downwardAPI",
                                       {{"items", json::array{json::object{
                                             {"path", "namespace"},
                                             {"fieldRef", {{"apiVersion", "v1"}, {"fieldPath", "metadata.namespace"}}}}}}}}}}}};
}

void mount_token(json::object& spec, std::string_view suffix5) {
    const auto& volumes = array_at(spec, "volumes");
    const auto own = std::ranges::find_if(
        volumes, [](const auto& volume) { return text(as_object(volume), "name").starts_with(token_volume); });
    const bool has_volume = own != volumes.end();
    const auto name = has_volume ? std::string(text(as_object(*own), "name")) : std::format("{}{}", token_volume, suffix5);
    bool is_mounted = false;
    for (const auto* list : {"initContainers", "containers"}) {
        for_each_object(spec, list, [&](json::object& container) {
            const auto& mounts = array_at(container, "volumeMounts");
            if (std::ranges::any_of(mounts, [](const auto& mount) { return text(as_object(mount), "mountPath") == token_path; })) return;
            if (array_member(container, "volumeMounts") == nullptr) container["volumeMounts"] = json::array();
            array_member(container, "volumeMounts")
                ->push_back(json::object{{"name", name}, {"readOnly", true}, {"mountPath", token_path}});
            is_mounted = true;
        });
    }
    if (has_volume || !is_mounted) return;
    if (array_member(spec, "volumes") == nullptr) spec["volumes"] = json::array();
    array_member(spec, "volumes")->push_back(json::object{{"name", name}, {"projected", token_source()}});
}

// A pod leaves a node that fails after five minutes, unless it says otherwise.
void tolerate_failing_nodes(json::object& spec) {
    for (const auto* taint : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
        const auto tolerates = [&](const json::value& value) {
            const auto key = text(as_object(value), "key"), effect = text(as_object(value), "effect");
            return (key == taint || key.empty()) && (effect == "NoExecute" || effect.empty());
        };
        if (std::ranges::any_of(array_at(spec, "tolerations"), tolerates)) continue;
        if (array_member(spec, "tolerations") == nullptr) spec["tolerations"] = json::array();
        array_member(spec, "tolerations")
            ->push_back(json::object{
                {"key", taint}, {"operator", "Exists"}, {"effect", "NoExecute"}, {"tolerationSeconds", toleration_seconds}});
    }
}

}  // namespace

std::string pod_refusal(const json::object& pod) {
    const auto name = text(pod, "spec.priorityClassName");
    const auto priority = priority_of_class(name);
    if (!priority) return std::format("no PriorityClass with name {} was found", name);
    if (field(pod, "spec.priority") != nullptr && number(pod, "spec.priority") != *priority)
        return std::format("the integer value of priority ({}) must not be provided in pod spec; priority admission controller "
                           "computed {} from the given PriorityClass name", number(pod, "spec.priority"), *priority);
    if (const auto policy = text(pod, "spec.preemptionPolicy", "PreemptLowerPriority"); policy != "PreemptLowerPriority")
        return std::format("the string value of PreemptionPolicy ({}) must not be provided in pod spec; priority admission "
                           "controller computed PreemptLowerPriority from the given PriorityClass name", policy);
    return {};
}

void admit_pod(json::object& pod, std::string_view suffix5, const json::object* service_account) {
    auto& spec = kubeclient::make_object(pod, "spec");
    if (!object_at(pod, "metadata.annotations").contains(mirror_key)) {
        spec["serviceAccountName"] = std::string(service_account_of(pod));
        auto name = spec["serviceAccountName"];  // a copy: the new member may move the others
        spec["serviceAccount"] = std::move(name);
        if (mounts_token(pod, service_account)) mount_token(spec, suffix5);
        if (service_account != nullptr && array_at(spec, "imagePullSecrets").empty())
            if (const auto& secrets = array_at(*service_account, "imagePullSecrets"); !secrets.empty())
                spec["imagePullSecrets"] = secrets;
    }
    spec["priority"] = priority_of_class(text(spec, "priorityClassName")).value_or(0);
    spec["preemptionPolicy"] = "PreemptLowerPriority";
    tolerate_failing_nodes(spec);
}

void admit_pod_update(json::object& pod, const json::object& before) {
    auto& spec = kubeclient::make_object(pod, "spec");
    for (const auto* name : {"priority", "preemptionPolicy"})
        if (const auto* old = field(object_at(before, "spec"), name); old != nullptr && field(spec, name) == nullptr) spec[name] = *old;
    tolerate_failing_nodes(spec);
}

std::string_view service_account_of(const json::object& pod) {
    const auto name = text(pod, "spec.serviceAccountName");
    return name.empty() ? "default" : name;
}

}  // namespace services::kube::kinds
