#include "services/kube/kinds/fields.hpp"

#include <format>
#include <initializer_list>
#include <string_view>

#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {
namespace {

using kubeclient::text;

FieldValues texts(const json::object& object, std::initializer_list<std::string_view> paths) {
    FieldValues values;
    for (const auto path : paths) values.emplace_back(path, text(object, path));
    return values;
}

std::string flag_text(const json::object& object, std::string_view path) { return kubeclient::flag(object, path) ? "true" : "false"; }

// The parts of an ObjectReference, under the name its form gives it.
void add_reference(FieldValues& values, const json::object& object, std::string_view name) {
    for (const auto* part : {"kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"}) {
        auto path = std::format("{}.{}", name, part);
        std::string value(text(object, path));
        values.emplace_back(std::move(path), std::move(value));
    }
}

}  // namespace

FieldValues event_fields(const json::object& object) {
    auto values = texts(object, {"reason", "reportingComponent", "type"});
    const auto component = text(object, "source.component");
    values.emplace_back("source", component.empty() ? text(object, "reportingComponent") : component);
    add_reference(values, object, "involvedObject");
    return values;
}

FieldValues new_event_fields(const json::object& object) {
    auto values = texts(object, {"reason", "reportingController", "type"});
    add_reference(values, object, "regarding");
    return values;
}

FieldValues namespace_fields(const json::object& object) { return texts(object, {"status.phase"}); }

FieldValues node_fields(const json::object& object) { return {{"spec.unschedulable", flag_text(object, "spec.unschedulable")}}; }

FieldValues pod_fields(const json::object& object) {
    auto values = texts(object, {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase",
                                 "status.nominatedNodeName"});
    values.emplace_back("spec.host", text(object, "spec.nodeName"));  // what clients of v1's first days ask
    values.emplace_back("spec.hostNetwork", flag_text(object, "spec.hostNetwork"));
    const auto& addresses = kubeclient::array_at(object, "status.podIPs");
    values.emplace_back("status.podIP", addresses.empty() ? std::string_view() : text(kubeclient::as_object(addresses.front()), "ip"));
    values.emplace_back("status.podIPs", "");  // taken, and never equal to anything
    return values;
}

FieldValues secret_fields(const json::object& object) { return texts(object, {"type"}); }

FieldValues service_fields(const json::object& object) { return texts(object, {"spec.clusterIP", "spec.type"}); }

}  // namespace services::kube::kinds
