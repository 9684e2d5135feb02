// Containers of a PodSpec: what all of them obey, and what regular, init and ephemeral ones obey alone.
#include <algorithm>
#include <array>
#include <format>
#include <string>

#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_spec_checks.hpp"
#include "services/kube/kinds/pod_spec_go_form.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::as_text;
using kubeclient::field;
using kubeclient::number;
using kubeclient::object_at;
using kubeclient::text;

constexpr std::size_t restart_rules_max = 20, exit_codes_max = 255;

void check_ports(Report& report, const Path& path, const json::array& ports) {
    std::set<std::string_view> names;
    std::size_t at = 0;
    for (const auto& element : ports) {
        const auto& port = as_object(element);
        auto port_path = path.index(at++);
        if (const auto name = text(port, "name"); !name.empty()) {
            const auto faults = check_port_name(name);
            report.invalid(port_path.child("name"), json::value(name), faults);
            if (faults.empty() && !names.insert(name).second) report.duplicate(port_path.child("name"), json::value(name));
        }
        if (const auto own = number(port, "containerPort"); own == 0) report.required(port_path.child("containerPort"));
        else report.invalid(port_path.child("containerPort"), own, check_port_number(own));
        if (const auto host = number(port, "hostPort"); host != 0)
            report.invalid(port_path.child("hostPort"), host, check_port_number(host));
        const auto protocol = text(port, "protocol");
        if (protocol.empty()) report.required(port_path.child("protocol"));
        else if (protocol != "TCP" && protocol != "UDP" && protocol != "SCTP")
            report.not_supported(port_path.child("protocol"), json::value(protocol), {"SCTP", "TCP", "UDP"});
    }
}

// Protocol, host address and host port may be taken once. `path`: of `container`.
void check_host_ports(Report& report, const Path& path, const json::object& container, std::set<std::string>& taken) {
    std::size_t at = 0;
    for (const auto& element : array_at(container, "ports")) {
        const auto& port = as_object(element);
        const auto port_path = path.child("ports").index(at++).child("hostPort");
        const auto host = number(port, "hostPort");
        if (host == 0) continue;
        auto key = std::format("{}/{}/{}", text(port, "protocol"), text(port, "hostIP"), host);
        if (taken.contains(key)) report.duplicate(port_path, json::value(key));
        else taken.insert(std::move(key));
    }
}

void check_resize_policy(PodSpecCheck& check, const Path& path, const json::array& policies) {
    auto& report = check.report;
    std::set<std::string_view> resources;
    std::size_t at = 0;
    for (const auto& element : policies) {
        const auto& policy = as_object(element);
        const auto resource = text(policy, "resourceName"), restart = text(policy, "restartPolicy");
        if (!resources.insert(resource).second) report.duplicate(path.index(at), json::value(resource));
        ++at;
        if (resource.empty()) report.required(path);
        else if (resource != "cpu" && resource != "memory")
            report.not_supported(path, json::value(resource), {"cpu", "memory"});
        if (restart.empty()) report.required(path);
        else if (restart != "NotRequired" && restart != "RestartContainer")
            report.not_supported(path, json::value(restart), {"NotRequired", "RestartContainer"});
        if (text(check.spec, "restartPolicy") == "Never" && restart != "NotRequired")
            report.invalid(path, json::value(restart), "must be 'NotRequired' when pod `restartPolicy` is 'Never'");
    }
}

void check_restart_rule(Report& report, const Path& path, const json::object& rule) {
    if (const auto action = text(rule, "action"); action != "Restart" && action != "RestartAllContainers")
        report.not_supported(path.child("action"), json::value(action), {"Restart", "RestartAllContainers"});
    if (field(rule, "exitCodes") == nullptr) return report.required(path.child("exitCodes"), "must be specified");
    const auto codes_path = path.child("exitCodes");
    if (const auto op = text(rule, "exitCodes.operator"); op != "In" && op != "NotIn")
        report.not_supported(codes_path.child("operator"), json::value(op), {"In", "NotIn"});
    if (const auto& values = array_at(rule, "exitCodes.values"); values.size() > exit_codes_max)
        report.too_many(codes_path.child("values"), values.size(), exit_codes_max);
}

void check_restart_policy(Report& report, const Path& path, const json::object& container, bool is_init) {
    const auto* policy = field(container, "restartPolicy");
    const auto& rules = array_at(container, "restartPolicyRules");
    if (policy == nullptr) {
        if (rules.empty()) return;
        report.required(path.child("restartPolicy"), "must specify restartPolicy when restart rules are used");
        if (is_init) return;
    } else if (const auto value = as_text(*policy); value != "Always" && value != "Never" && value != "OnFailure") {
        report.not_supported(path.child("restartPolicy"), *policy, {"Always", "Never", "OnFailure"});
    }
    if (rules.size() > restart_rules_max) report.too_many(path.child("restartPolicyRules"), rules.size(), restart_rules_max);
    std::size_t at = 0;
    for (const auto& rule : rules) check_restart_rule(report, path.child("restartPolicyRules").index(at++), as_object(rule));
}

// What every kind of container obeys.
void check_container(PodSpecCheck& check, const Path& path, const json::object& container) {
    auto& report = check.report;
    if (const auto name = text(container, "name"); name.empty()) report.required(path.child("name"));
    else report.invalid(path.child("name"), json::value(name), check_dns1123_label(name));
    if (text(container, "image").empty()) report.required(path.child("image"));
    const auto message_policy = text(container, "terminationMessagePolicy");
    if (message_policy.empty()) report.required(path.child("terminationMessagePolicy"));
    else if (message_policy != "File" && message_policy != "FallbackToLogsOnError")
        report.not_supported(path.child("terminationMessagePolicy"), json::value(message_policy), {"File", "FallbackToLogsOnError"});
    check_ports(report, path.child("ports"), array_at(container, "ports"));
    check_env(check, path.child("env"), array_at(container, "env"));
    check_env_from(check, path.child("envFrom"), array_at(container, "envFrom"));
    check_mounts(check, path.child("volumeMounts"), container);
    check_devices(check, path.child("volumeDevices"), container);
    check_pull_policy(report, path.child("imagePullPolicy"), text(container, "imagePullPolicy"));
    check_requirements(check, path.child("resources"), object_at(container, "resources"));
    check_resize_policy(check, path.child("resizePolicy"), array_at(container, "resizePolicy"));
    check_container_security(check, path.child("securityContext"), container);
}

bool is_sidecar(const json::object& container) { return text(container, "restartPolicy") == "Always"; }

// What an ephemeral container may not have, in the order of the real type's fields.
constexpr auto banned_in_ephemeral =
    std::to_array<std::string_view>({"ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules",
                                     "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"});

void check_ephemeral_fields(Report& report, const Path& path, const json::object& container) {
    for (const auto name : banned_in_ephemeral) {
        const auto* value = field(container, name);
        const bool is_empty = value == nullptr || (name == "resources" && value->is_object() && value->get_object().empty());
        if (!is_empty) report.forbidden(path.child(name), "cannot be set for an Ephemeral Container");
    }
    std::size_t at = 0;
    for (const auto& mount : array_at(container, "volumeMounts")) {
        const auto mount_path = path.child("volumeMounts").index(at++);
        for (const auto* name : {"subPath", "subPathExpr"})
            if (!text(as_object(mount), name).empty())
                report.forbidden(mount_path.child(name), "cannot be set for an Ephemeral Container");
    }
}

}  // namespace

void check_pull_policy(Report& report, const Path& path, std::string_view policy) {
    if (policy.empty()) report.required(path);
    else if (policy != "Always" && policy != "IfNotPresent" && policy != "Never")
        report.not_supported(path, json::value(policy), {"Always", "IfNotPresent", "Never"});
}

void check_no_padded_image(Report& report, const Path& path, const json::object& container) {
    constexpr std::string_view blanks = " \t\n\v\f\r";
    const auto image = text(container, "image");
    if (image.empty()) return;
    if (blanks.contains(image.front()) || blanks.contains(image.back()))
        report.invalid(path.child("image"), json::value(image), "must not have leading or trailing whitespace");
}

void check_containers(PodSpecCheck& check, const Path& path) {
    const auto& containers = array_at(check.spec, "containers");
    if (containers.empty()) return check.report.required(path);
    std::set<std::string_view> names;
    std::size_t at = 0;
    for (const auto& element : containers) {
        const auto& container = as_object(element);
        const auto container_path = path.index(at++);
        check_container(check, container_path, container);
        if (const auto name = text(container, "name"); !names.insert(name).second)
            check.report.duplicate(container_path.child("name"), json::value(name));
        if (field(container, "lifecycle") != nullptr)
            check_lifecycle(check, container_path.child("lifecycle"), object_at(container, "lifecycle"));
        check_probes(check, container_path, container);
        check_restart_policy(check.report, container_path, container, false);
    }
    std::set<std::string> host_ports;
    at = 0;
    for (const auto& container : containers)
        check_host_ports(check.report, path.index(at++), as_object(container), host_ports);
}

void check_init_containers(PodSpecCheck& check, const Path& path) {
    constexpr std::string_view sidecars_alone = "may not be set for init containers without restartPolicy=Always";
    std::set<std::string_view> names;
    for (const auto& container : array_at(check.spec, "containers")) names.insert(text(as_object(container), "name"));
    std::size_t at = 0;
    for (const auto& element : array_at(check.spec, "initContainers")) {
        const auto& container = as_object(element);
        const auto container_path = path.index(at++);
        check_container(check, container_path, container);
        check_restart_policy(check.report, container_path, container, true);
        const auto name = text(container, "name");
        if (names.contains(name)) check.report.duplicate(container_path.child("name"), json::value(name));
        else if (!name.empty()) names.insert(name);
        // They run one after another, so each is looked at alone; the real server calls each the first.
        std::set<std::string> host_ports;
        check_host_ports(check.report, path.index(0), container, host_ports);
        if (is_sidecar(container)) {
            if (field(container, "lifecycle") != nullptr)
                check_lifecycle(check, container_path.child("lifecycle"), object_at(container, "lifecycle"));
            check_probes(check, container_path, container);
            continue;
        }
        for (const auto* field_name : {"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"})
            if (field(container, field_name) != nullptr) check.report.forbidden(container_path.child(field_name), sidecars_alone);
        std::size_t policy_at = 0;
        for (const auto& policy : array_at(container, "resizePolicy")) {
            const auto policy_path = container_path.child("resizePolicy").index(policy_at++).child("restartPolicy");
            if (text(as_object(policy), "restartPolicy") == "RestartContainer")
                check.report.invalid(policy_path, "RestartContainer",
                                     "must not be set to 'RestartContainer' for non-sidecar initContainers");
        }
    }
}

void check_ephemeral_containers(PodSpecCheck& check, const Path& path) {
    std::set<std::string_view> lasting;
    for (const auto* list : {"containers", "initContainers"})
        for (const auto& container : array_at(check.spec, list)) lasting.insert(text(as_object(container), "name"));
    auto names = lasting;
    std::size_t at = 0;
    for (const auto& element : array_at(check.spec, "ephemeralContainers")) {
        const auto& container = as_object(element);
        const auto container_path = path.index(at++);
        check_container(check, container_path, container);
        check_no_padded_image(check.report, container_path, container);
        if (const auto name = text(container, "name"); !names.insert(name).second)
            check.report.duplicate(container_path.child("name"), json::value(name));
        if (const auto target = text(container, "targetContainerName"); !target.empty() && !lasting.contains(target))
            check.report.not_found(container_path.child("targetContainerName"), json::value(target));
        check_ephemeral_fields(check.report, container_path, container);
    }
}

}  // namespace services::kube::kinds
