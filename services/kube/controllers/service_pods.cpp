#include "services/kube/controllers/service_pods.hpp"

namespace services::kube::controllers {

namespace {

bool is_of_family(std::string_view address, std::string_view family) { return address.contains(':') == (family == "IPv6"); }

std::string_view ready_since(const json::object& pod) {
    const auto* ready = condition_of(pod, "Ready");
    return ready == nullptr ? std::string_view() : text(*ready, "lastTransitionTime");
}

// Nothing that endpoints show differs.
bool is_same_endpoint(const json::object& before, const json::object& pod) {
    return is_deleting(before) == is_deleting(pod) && is_pod_ready(before) == is_pod_ready(pod) &&
           is_pod_finished(before) == is_pod_finished(pod) && object_at(before, "metadata.labels") == object_at(pod, "metadata.labels") &&
           array_at(before, "status.podIPs") == array_at(pod, "status.podIPs") &&
           text(before, "status.podIP") == text(pod, "status.podIP") && object_at(before, "spec") == object_at(pod, "spec");
}

}  // namespace

bool has_endpoints(const json::object& service) {
    return text(service, "spec.type") != "ExternalName" && !object_at(service, "spec.selector").empty();
}

bool is_headless(const json::object& service) { return text(service, "spec.clusterIP") == "None"; }

bool is_endpoint(const json::object& pod, bool with_terminating) {
    return !is_pod_finished(pod) && !text(pod, "status.podIP").empty() && (with_terminating || !is_deleting(pod));
}

std::int64_t target_port(const json::object& pod, const json::object& service_port) {
    const auto* target = service_port.if_contains("targetPort");
    if (target == nullptr || target->is_null()) return number(service_port, "port");
    if (target->is_int64()) return target->get_int64();
    for (const auto list : {"spec.containers", "spec.initContainers"}) {
        for (const auto& entry : array_at(pod, list)) {
            const auto& container = as_object(entry);
            if (std::string_view(list) == "spec.initContainers" && text(container, "restartPolicy") != "Always") continue;
            for (const auto& item : array_at(container, "ports")) {
                const auto& port = as_object(item);
                if (text(port, "name") == as_text(*target) &&
                    text(port, "protocol", "TCP") == text(service_port, "protocol", "TCP"))
                    return number(port, "containerPort");
            }
        }
    }
    return 0;
}

json::object endpoint_port(const json::object& service_port, std::int64_t number) {
    json::object port{{"name", text(service_port, "name")}, {"port", number}, {"protocol", text(service_port, "protocol", "TCP")}};
    if (const auto* application = field(service_port, "appProtocol")) port["appProtocol"] = *application;
    return port;
}

std::vector<std::string> addresses_of(const json::object& pod, std::string_view family) {
    std::vector<std::string> found;
    for (const auto& entry : array_at(pod, "status.podIPs"))
        if (const auto ip = text(as_object(entry), "ip"); is_of_family(ip, family)) found.emplace_back(ip);
    if (const auto ip = text(pod, "status.podIP"); found.empty() && !ip.empty() && is_of_family(ip, family)) found.emplace_back(ip);
    return found;
}

json::object target_reference(const json::object& pod) {
    return {{"kind", "Pod"}, {"namespace", namespace_of(pod)}, {"name", name_of(pod)}, {"uid", uid_of(pod)}};
}

bool has_own_name(const json::object& pod, const json::object& service) {
    return !text(pod, "spec.hostname").empty() && text(pod, "spec.subdomain") == name_of(service) &&
           namespace_of(pod) == namespace_of(service);
}

json::object labels_for_endpoints(const json::object& service) {
    auto labels = object_at(service, "metadata.labels");
    labels.erase("kubernetes.io/service-name");
    labels.erase("endpointslice.kubernetes.io/managed-by");
    if (is_headless(service))
        labels[headless_label] = "";
    else
        labels.erase(headless_label);
    return labels;
}

std::set<std::string> services_of(const Informer& services, const json::object* before, const json::object& pod) {
    std::set<std::string> found;
    if (before != nullptr && is_same_endpoint(*before, pod)) return found;
    for (const auto& service : services.list(namespace_of(pod))) {
        if (!has_endpoints(*service)) continue;
        const auto selector = LabelSelector::from_map(object_at(*service, "spec.selector"));
        if (selector.matches(object_at(pod, "metadata.labels")) ||
            (before != nullptr && selector.matches(object_at(*before, "metadata.labels"))))
            found.insert(key_of(*service));
    }
    return found;
}

std::string TriggerTimes::next(const std::string& service_key, const json::object& service, const std::vector<ObjectPtr>& pods) {
    auto& seen = seen_[service_key];
    std::map<std::string, std::string> now;
    std::string earliest;
    const auto look = [&](std::string name, std::string_view time) {
        if (time.empty()) return;
        const auto before = seen.find(name);
        if ((before == seen.end() || time > before->second) && (earliest.empty() || time < earliest)) earliest = time;
        now[std::move(name)] = time;
    };
    look("", text(service, "metadata.creationTimestamp"));
    for (const auto& pod : pods) look(std::string(name_of(*pod)), ready_since(*pod));
    seen = std::move(now);
    return earliest;
}

}  // namespace services::kube::controllers
