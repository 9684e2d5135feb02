// Probes and lifecycle handlers of a container.
#include <array>
#include <format>
#include <string>

#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_spec_checks.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::field;
using kubeclient::number;
using kubeclient::object_at;
using kubeclient::text;

void check_exec(PodSpecCheck& check, const Path& path, const json::object& action) {
    if (array_at(action, "command").empty()) check.report.required(path.child("command"));
}

void check_http_get(PodSpecCheck& check, const Path& path, const json::object& action) {
    if (text(action, "path").empty()) check.report.required(path.child("path"));
    check_port_number_or_name(check.report, path.child("port"), field(action, "port"));
    if (const auto scheme = text(action, "scheme"); scheme != "HTTP" && scheme != "HTTPS")
        check.report.not_supported(path.child("scheme"), json::value(scheme), {"HTTP", "HTTPS"});
    for (const auto& header : array_at(action, "httpHeaders")) {
        const auto name = text(as_object(header), "name");
        check.report.invalid(path.child("httpHeaders"), json::value(name), check_http_header_name(name));
    }
}

void check_tcp_socket(PodSpecCheck& check, const Path& path, const json::object& action) {
    check_port_number_or_name(check.report, path.child("port"), field(action, "port"));
}

void check_sleep(PodSpecCheck& check, const Path& path, const json::object& action) {
    const auto seconds = number(action, "seconds");
    if (check.grace_seconds && (seconds < 0 || seconds > *check.grace_seconds))
        check.report.invalid(path, seconds, std::format("must be non-negative and less than terminationGracePeriodSeconds ({})",
                                                        *check.grace_seconds));
}

struct Action {
    std::string_view name;
    bool is_of_probe, is_of_lifecycle;
    void (*check)(PodSpecCheck& check, const Path& path, const json::object& action);
};
constexpr auto actions = std::to_array<Action>({
    {"exec", true, true, check_exec},
    {"httpGet", true, true, check_http_get},
    {"tcpSocket", true, true, check_tcp_socket},
    {"grpc", true, false, check_tcp_socket},
    {"sleep", false, true, check_sleep},
});

// Exactly one action.
void check_handler(PodSpecCheck& check, const Path& path, const json::object& handler, bool is_probe) {
    bool has_one = false;
    for (const auto& action : actions) {
        if (!(is_probe ? action.is_of_probe : action.is_of_lifecycle) || field(handler, action.name) == nullptr) continue;
        if (has_one) check.report.forbidden(path.child(action.name), "may not specify more than 1 handler type");
        else action.check(check, path.child(action.name), object_at(handler, action.name));
        has_one = true;
    }
    if (!has_one) check.report.required(path, "must specify a handler type");
}

void check_probe(PodSpecCheck& check, const Path& path, const json::object& probe) {
    check_handler(check, path, probe, true);
    for (const auto* name : {"initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"})
        if (const auto value = number(probe, name); value < 0) check.report.invalid(path.child(name), value, negative_message);
    if (const auto* grace = field(probe, "terminationGracePeriodSeconds");
        grace != nullptr && number(probe, "terminationGracePeriodSeconds") <= 0)
        check.report.invalid(path.child("terminationGracePeriodSeconds"), *grace, "must be greater than 0");
}

}  // namespace

void check_port_number_or_name(Report& report, const Path& path, const json::value* port) {
    if (port != nullptr && port->is_string()) {
        const auto name = kubeclient::as_text(*port);
        return report.invalid(path, *port, check_port_name(name));
    }
    const auto value = port != nullptr && port->is_int64() ? port->get_int64() : 0;
    report.invalid(path, value, check_port_number(value));
}

void check_probes(PodSpecCheck& check, const Path& container_path, const json::object& container) {
    for (const auto* name : {"livenessProbe", "readinessProbe", "startupProbe"}) {
        if (field(container, name) == nullptr) continue;
        const auto& probe = object_at(container, name);
        const auto path = container_path.child(name);
        check_probe(check, path, probe);
        if (name != std::string_view("readinessProbe")) {
            if (const auto successes = number(probe, "successThreshold"); successes != 1)
                check.report.invalid(path.child("successThreshold"), successes, "must be 1");
        } else if (const auto* grace = field(probe, "terminationGracePeriodSeconds")) {
            check.report.invalid(path.child("terminationGracePeriodSeconds"), *grace, "must not be set for readinessProbes");
        }
    }
}

void check_lifecycle(PodSpecCheck& check, const Path& path, const json::object& lifecycle) {
    for (const auto* name : {"postStart", "preStop"})
        if (field(lifecycle, name) != nullptr) check_handler(check, path.child(name), object_at(lifecycle, name), false);
}

}  // namespace services::kube::kinds
