#include "services/kube/kinds/pod_spec_defaults.hpp"

#include <array>
#include <optional>

#include "hal/base/error.hpp"
#include "services/codec/oci/reference.hpp"
#include "services/kube/kinds/pod_spec_members.hpp"
#include "services/kube/kinds/pod_spec_resources.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::field;
using kubeclient::flag;
using kubeclient::number;
using kubeclient::text;

constexpr int default_mode = 0644;

void set_if_absent(json::object& object, std::string_view name, const json::value& value) {
    if (field(object, name) == nullptr) object[name] = value;
}

// "" and 0 count as absent, as they do for a Go field that is no pointer.
void set_if_empty(json::object& object, std::string_view name, std::string_view value) {
    if (text(object, name).empty()) object[name] = value;
}
void set_if_zero(json::object& object, std::string_view name, std::int64_t value) {
    if (number(object, name) == 0) object[name] = value;
}

void default_field_ref(json::object& holder) {
    if (auto* reference = object_member(holder, "fieldRef")) set_if_empty(*reference, "apiVersion", "v1");
}

void default_http_get(json::object& handler) {
    auto* http = object_member(handler, "httpGet");
    if (http == nullptr) return;
    set_if_empty(*http, "path", "/");
    set_if_empty(*http, "scheme", "HTTP");
}

void default_container(json::object& container) {
    set_if_empty(container, "imagePullPolicy", pull_policy_of(text(container, "image")));
    set_if_empty(container, "terminationMessagePath", "/dev/termination-log");
    set_if_empty(container, "terminationMessagePolicy", "File");
    for_each_object(container, "env", [](json::object& variable) {
        if (auto* from = object_member(variable, "valueFrom")) default_field_ref(*from);
    });
    if (auto* resources = object_member(container, "resources"))
        for (const auto* part : {"limits", "requests"})
            if (auto* list = object_member(*resources, part)) round_quantities(*list);
    for (const auto* name : {"livenessProbe", "readinessProbe", "startupProbe"}) {
        auto* probe = object_member(container, name);
        if (probe == nullptr) continue;
        set_if_zero(*probe, "timeoutSeconds", 1);
        set_if_zero(*probe, "periodSeconds", 10);
        set_if_zero(*probe, "successThreshold", 1);
        set_if_zero(*probe, "failureThreshold", 3);
        default_http_get(*probe);
    }
    if (auto* lifecycle = object_member(container, "lifecycle"))
        for (const auto* name : {"postStart", "preStop"})
            if (auto* handler = object_member(*lifecycle, name)) default_http_get(*handler);
}

void default_projected(json::object& projected) {
    set_if_absent(projected, "defaultMode", default_mode);
    for_each_object(projected, "sources", [](json::object& source) {
        if (auto* downward = object_member(source, "downwardAPI")) for_each_object(*downward, "items", default_field_ref);
        if (auto* token = object_member(source, "serviceAccountToken")) set_if_absent(*token, "expirationSeconds", 3600);
    });
}

void default_volume(json::object& volume) {
    const bool has_source = std::ranges::any_of(volume, [](const auto& member) {
        return member.key() != "name" && !member.value().is_null();
    });
    if (!has_source) volume["emptyDir"] = json::object();
    if (auto* image = object_member(volume, "image"))
        set_if_empty(*image, "pullPolicy", pull_policy_of(text(*image, "reference")));
    if (auto* path = object_member(volume, "hostPath")) set_if_absent(*path, "type", "");
    for (const auto* name : {"secret", "configMap", "downwardAPI"})
        if (auto* source = object_member(volume, name)) set_if_absent(*source, "defaultMode", default_mode);
    if (auto* downward = object_member(volume, "downwardAPI")) for_each_object(*downward, "items", default_field_ref);
    if (auto* projected = object_member(volume, "projected")) default_projected(*projected);
    auto* ephemeral = object_member(volume, "ephemeral");
    auto* claim = ephemeral != nullptr ? object_member(*ephemeral, "volumeClaimTemplate") : nullptr;
    if (claim == nullptr) return;
    auto& claim_spec = kubeclient::make_object(*claim, "spec");
    set_if_absent(claim_spec, "volumeMode", "Filesystem");
    if (auto* resources = object_member(claim_spec, "resources"))
        for (const auto* part : {"limits", "requests"})
            if (auto* list = object_member(*resources, part)) round_quantities(*list);
}

void default_requests_to_limits(json::object& container) {
    auto* resources = object_member(container, "resources");
    auto* limits = resources != nullptr ? object_member(*resources, "limits") : nullptr;
    if (limits == nullptr || limits->empty()) return;
    auto& requests = kubeclient::make_object(*resources, "requests");
    for (const auto& limit : *object_member(*resources, "limits"))
        if (!requests.contains(limit.key())) requests[limit.key()] = limit.value();
}

void default_host_ports(json::object& container) {
    for_each_object(container, "ports", [](json::object& port) {
        if (number(port, "hostPort") == 0) port["hostPort"] = number(port, "containerPort");
    });
}

// podIP and podIPs[0] say the same; podIP wins.
void default_pod_ips(json::object& status) {
    const auto ip = std::string(text(status, "podIP"));
    const auto& list = kubeclient::array_at(status, "podIPs");
    const auto first = list.empty() ? std::string() : std::string(text(kubeclient::as_object(list.front()), "ip"));
    if (ip.empty() && !list.empty()) status["podIP"] = first;
    else if (!ip.empty() && (list.empty() || first != ip)) status["podIPs"] = json::array{json::object{{"ip", ip}}};
}

void round_status_quantities(json::object& status) {
    if (auto* list = object_member(status, "allocatedResources")) round_quantities(*list);
    if (auto* resources = object_member(status, "resources"))
        for (const auto* part : {"limits", "requests"})
            if (auto* list = object_member(*resources, part)) round_quantities(*list);
}

}  // namespace

std::string_view pull_policy_of(std::string_view image) {
    try {
        // A tag beside a digest is dropped by normalising, but counts here.
        if (image.contains(":latest@")) return "Always";
        return codec::oci::normalise_reference(image).ends_with(":latest") ? "Always" : "IfNotPresent";
    } catch (const hal::Error&) {
        return "IfNotPresent";  // refused by validation, or run as it is
    }
}

void default_pod_spec(json::object& spec) {
    // serviceAccount is the old name of serviceAccountName; both are always said.
    set_if_empty(spec, "serviceAccountName", std::string(text(spec, "serviceAccount")));
    const auto account = std::string(text(spec, "serviceAccountName"));
    if (account.empty()) spec.erase("serviceAccountName"), spec.erase("serviceAccount");
    else spec["serviceAccount"] = account;
    set_if_empty(spec, "dnsPolicy", "ClusterFirst");
    set_if_empty(spec, "restartPolicy", "Always");
    set_if_absent(spec, "securityContext", json::object());
    set_if_absent(spec, "terminationGracePeriodSeconds", 30);
    set_if_empty(spec, "schedulerName", "default-scheduler");
    for_each_object(spec, "volumes", default_volume);
    for_each_container(spec, default_container);
    if (auto* overhead = object_member(spec, "overhead")) round_quantities(*overhead);
    if (auto* resources = object_member(spec, "resources"))
        for (const auto* part : {"limits", "requests"})
            if (auto* list = object_member(*resources, part)) round_quantities(*list);
}

void default_pod(json::object& pod) {
    auto& spec = kubeclient::make_object(pod, "spec");
    if (number(spec, "terminationGracePeriodSeconds") < 0) spec["terminationGracePeriodSeconds"] = 1;
    for (const auto* name : {"containers", "initContainers"}) {
        for_each_object(spec, name, default_requests_to_limits);
        if (flag(spec, "hostNetwork")) for_each_object(spec, name, default_host_ports);
    }
    set_if_absent(spec, "enableServiceLinks", true);
    default_pod_spec(spec);
    auto& status = kubeclient::make_object(pod, "status");
    default_pod_ips(status);
    round_status_quantities(status);
    for (const auto* name : {"initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"})
        for_each_object(status, name, round_status_quantities);
}

}  // namespace services::kube::kinds
