// Writes of a Pod's status: what a kubelet may leave out without losing it, and what it may not say.
#include <algorithm>
#include <array>
#include <format>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_checks.hpp"
#include "services/kube/kinds/pod_spec_go_form.hpp"
#include "services/kube/kinds/pod_spec_members.hpp"
#include "services/kube/kinds/service_addresses.hpp"
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

constexpr std::size_t health_message_max = 1024;

const json::object* named(const json::array& list, std::string_view name) {
    const auto found = std::ranges::find_if(list, [&](const auto& value) { return text(as_object(value), "name") == name; });
    return found == list.end() ? nullptr : &as_object(*found);
}

void check_conditions(Report& report, const Path& path, const json::array& conditions) {
    std::size_t at = 0;
    for (const auto& element : conditions) {
        const auto condition_path = path.index(at++);
        const auto generation = number(as_object(element), "observedGeneration");
        if (generation < 0) report.invalid(condition_path.child("observedGeneration"), generation, "must be a non-negative integer");
        const auto type = text(as_object(element), "type");
        if (type != "PodScheduled" && type != "Ready" && type != "Initialized")
            report.invalid(condition_path.child("Type"), json::value(type), check_qualified_name(type));
    }
}

// A rule that restarts the whole pod lets every container start again.
bool may_restart_all(const json::object& spec) {
    for (const auto* list : {"initContainers", "containers"})
        for (const auto& container : array_at(spec, list))
            for (const auto& rule : array_at(as_object(container), "restartPolicyRules"))
                if (text(as_object(rule), "action") == "RestartAllContainers") return true;
    return false;
}

bool matches(const json::object& rule, std::int64_t exit_code) {
    const auto op = text(rule, "exitCodes.operator");
    const bool is_listed = std::ranges::contains(array_at(rule, "exitCodes.values"), json::value(exit_code));
    return (op == "In" && is_listed) || (op == "NotIn" && !is_listed);
}

bool may_restart(const json::object& container, const json::object& spec, std::int64_t exit_code) {
    const auto by_policy = [&](std::string_view policy) { return policy == "OnFailure" ? exit_code != 0 : policy != "Never"; };
    if (field(container, "restartPolicy") == nullptr) return by_policy(text(spec, "restartPolicy"));
    for (const auto& rule : array_at(container, "restartPolicyRules"))
        if (matches(as_object(rule), exit_code)) return true;
    return by_policy(text(container, "restartPolicy"));
}

// A container that ended for good stays ended. `containers`: null for ephemeral ones, which never start again.
void check_transitions(Report& report, const Path& path, const json::array& now, const json::array& before, const json::object& spec,
                       const char* containers) {
    if (containers != nullptr && may_restart_all(spec)) return;
    std::size_t at = 0;
    for (const auto& element : before) {
        const auto state_path = path.index(at++).child("state");
        const auto& old = as_object(element);
        if (field(old, "state.terminated") == nullptr) continue;
        const auto* status = named(now, text(old, "name"));
        if (status == nullptr || field(*status, "state.terminated") != nullptr) continue;
        const auto* container = containers == nullptr ? nullptr : named(array_at(spec, containers), text(old, "name"));
        if (container == nullptr || !may_restart(*container, spec, number(old, "state.terminated.exitCode")))
            report.forbidden(state_path, "may not be transitioned to non-terminated state");
    }
}

void check_claim_statuses(Report& report, const Path& path, const json::object& pod) {
    std::set<std::string_view> names;
    std::size_t at = 0;
    for (const auto& element : array_at(pod, "status.resourceClaimStatuses")) {
        const auto& status = as_object(element);
        const auto status_path = path.index(at++);
        const auto name = text(status, "name");
        if (named(array_at(pod, "spec.resourceClaims"), name) == nullptr)
            report.invalid(status_path.child("name"), json::value(name), "must match the name of an entry in `spec.resourceClaims`");
        if (!names.insert(name).second) report.duplicate(status_path.child("name"), json::value(name));
        if (const auto* claim = field(status, "resourceClaimName"))
            report.invalid(status_path.child("resourceClaimName"), *claim, check_dns1123_subdomain(as_text(*claim)));
    }
}

json::array addresses_of(const json::object& pod, std::string_view list) {
    json::array out;
    for (const auto& entry : array_at(object_at(pod, "status"), list)) out.emplace_back(text(as_object(entry), "ip"));
    return out;
}

// `list`: podIPs or hostIPs, `single`: podIP or hostIP, which repeats the first of the list.
void check_addresses(Report& report, const json::object& pod, const json::object& before, std::string_view list, std::string_view single) {
    const auto path = Path("status").child(list);
    const auto addresses = addresses_of(pod, list), kept = addresses_of(before, list);
    const auto ip = text(object_at(pod, "status"), single);
    const bool is_of_host = single == "hostIP";
    if (is_of_host && addresses.empty()) return;
    const auto check_first = [&] {
        if (!addresses.empty() && as_text(addresses.front()) != ip)
            report.invalid(path.index(0).child("ip"), addresses.front(), std::format("must be equal to `{}`", single));
    };
    if (is_of_host) check_first();
    std::size_t at = 0;
    for (const auto& address : addresses) check_address(report, path.index(at++), as_text(address), kept);
    const auto shown = [&] { return go_list_form(is_of_host ? "HostIP" : "PodIP", json::value(array_at(object_at(pod, "status"), list))); };
    const auto wrong = std::ranges::find_if(addresses, [](const auto& value) { return !parse_address(as_text(value)); });
    if (addresses.size() > 1 && wrong != addresses.end())
        report.internal(path, std::format("failed to check for dual stack with error:invalid IP[{}]: {}", wrong - addresses.begin(),
                                          as_text(*wrong)));
    if (addresses.size() > 1 && (wrong != addresses.end() || !is_dual_stack(addresses) || addresses.size() > 2))
        report.invalid(path, shown(), "may specify no more than one IP for each IP family");
    if (is_of_host) return;
    if (ip.empty() != addresses.empty())
        report.invalid(path, addresses.empty() ? json::value() : shown(), "podIP and podIPs must either both be set or both be unset");
    else check_first();
}

void check_user(Report& report, const Path& path, const json::object& status, bool is_windows) {
    const auto* user = field(status, "user.linux");
    if (user == nullptr) return;
    const auto user_path = path.child("user").child("linux");
    if (is_windows) return report.forbidden(user_path, "cannot be set for a windows pod");
    const auto& ids = as_object(*user);
    constexpr std::int64_t most = std::numeric_limits<std::uint32_t>::max();
    if (const auto uid = number(ids, "uid"); uid < 0 || uid > most) report.invalid(user_path.child("uid"), uid, range_message(0, most));
    const auto gid = number(ids, "gid");
    report.invalid(user_path.child("gid"), gid, check_user_id(gid));
    std::size_t at = 0;
    for (const auto& group : array_at(ids, "supplementalGroups"))
        report.invalid(user_path.child("supplementalGroups").index(at++), group,
                       check_user_id(group.is_int64() ? group.get_int64() : 0));
}

bool has_resource(const json::object& container, std::string_view name) {
    if (!name.starts_with("claim:")) return object_at(container, "resources.requests").contains(name);
    return std::ranges::any_of(array_at(container, "resources.claims"), [&](const auto& value) {
        const auto claim = text(as_object(value), "name"), request = text(as_object(value), "request");
        return name == (request.empty() ? std::format("claim:{}", claim) : std::format("claim:{}/{}", claim, request));
    });
}

void check_health(Report& report, const Path& path, const json::object& resource, std::set<std::string_view>& ids) {
    const auto health = text(resource, "health");
    if (health != "Healthy" && health != "Unhealthy" && health != "Unknown")
        report.not_supported(path.child("health"), json::value(health), {"Healthy", "Unhealthy", "Unknown"});
    if (const auto* message = field(resource, "message")) {
        if (as_text(*message).empty()) report.required(path.child("message"), "must be non-empty if specified");
        else if (as_text(*message).size() > health_message_max) report.too_long(path.child("message"), health_message_max);
    }
    const auto id = text(resource, "resourceID");
    if (!ids.insert(id).second) report.duplicate(path.child("resourceID"), json::value(id));
}

void check_allocated(Report& report, const Path& path, const json::object& status, const json::array& containers) {
    const auto* container = named(containers, text(status, "name"));
    std::size_t at = 0;
    for (const auto& element : array_at(status, "allocatedResourcesStatus")) {
        const auto& allocated = as_object(element);
        const auto allocated_path = path.child("allocatedResourcesStatus").index(at++);
        const auto name = text(allocated, "name");
        if (container != nullptr && !has_resource(*container, name))
            report.invalid(allocated_path.child("name"), json::value(name),
                           name.starts_with("claim:")
                               ? "must match one of the container's resource claims as 'claim:<claimName>/<requestName>' when "
                                 "container.resources.claims[*].request is set or 'claim:<claimName>' when it is empty"
                               : "must match one of the container's resource requests");
        std::set<std::string_view> ids;
        std::size_t resource_at = 0;
        for (const auto& resource : array_at(allocated, "resources"))
            check_health(report, allocated_path.child("resources").index(resource_at++), as_object(resource), ids);
    }
}

struct Statuses {
    const char* list;
    const char* containers;  // of spec; null: ephemeral
};
constexpr auto statuses = std::to_array<Statuses>({{"containerStatuses", "containers"},
                                                   {"initContainerStatuses", "initContainers"},
                                                   {"ephemeralContainerStatuses", nullptr}});

// Conditions that are met again keep the generation that they were observed at, in order, per type.
void keep_generations(json::object& status, const json::object& before) {
    if (number(status, "observedGeneration") == 0)
        if (const auto old = number(before, "observedGeneration"); old != 0) status["observedGeneration"] = old;
    std::map<std::string, std::vector<std::int64_t>> old;
    for (const auto& condition : array_at(before, "conditions"))
        old[std::string(text(as_object(condition), "type"))].push_back(number(as_object(condition), "observedGeneration"));
    for_each_object(status, "conditions", [&](json::object& condition) {
        auto& generations = old[std::string(text(condition, "type"))];
        if (generations.empty()) return;
        if (number(condition, "observedGeneration") == 0 && generations.front() != 0) condition["observedGeneration"] = generations.front();
        generations.erase(generations.begin());
    });
}

}  // namespace

void prepare_pod_status(json::object& pod, const json::object& before) {
    auto& metadata = kubeclient::make_object(pod, "metadata");
    if (const auto* old_time = field(before, "metadata.deletionTimestamp")) metadata["deletionTimestamp"] = *old_time;
    else metadata.erase("deletionTimestamp");
    if (const auto* owners = field(before, "metadata.ownerReferences")) metadata["ownerReferences"] = *owners;
    else metadata.erase("ownerReferences");
    auto& status = kubeclient::make_object(pod, "status");
    const auto& old = object_at(before, "status");
    for (const auto* name : {"qosClass", "resourceClaimStatuses", "extendedResourceClaimStatus", "nodeAllocatableResourceClaimStatuses"})
        if (const auto* value = field(old, name); value != nullptr && field(status, name) == nullptr) status[name] = *value;
    keep_generations(status, old);
}

Causes validate_pod_status(const json::object& pod, const json::object& before) {
    Report report;
    const Path path("status");
    const auto& status = object_at(pod, "status");
    const auto& old = object_at(before, "status");
    check_annotation_changes(report, pod, before);
    check_conditions(report, path.child("conditions"), array_at(status, "conditions"));
    if (text(pod, "spec.nodeName") != text(before, "spec.nodeName"))
        report.forbidden(path.child("nodeName"), "may not be changed directly");
    const auto nominated = text(status, "nominatedNodeName");
    if (!nominated.empty() && nominated != text(old, "nominatedNodeName")) {
        report.invalid(path.child("nominatedNodeName"), json::value(nominated), check_dns1123_subdomain(nominated));
        if (!text(before, "spec.nodeName").empty())
            report.forbidden(path.child("nominatedNodeName"), "may not be set on pods that are already bound to a node");
    }
    if (const auto generation = number(status, "observedGeneration"); generation < 0)
        report.invalid(path.child("observedGeneration"), generation, "must be a non-negative integer");
    if (const auto quality = text(status, "qosClass"); quality != text(old, "qosClass"))
        report.invalid(path.child("qosClass"), json::value(quality), immutable_message);
    for (const auto& [list, containers] : statuses)
        check_transitions(report, path.child(list), array_at(status, list), array_at(old, list), object_at(before, "spec"), containers);
    check_claim_statuses(report, path.child("resourceClaimStatuses"), pod);
    check_addresses(report, pod, before, "podIPs", "podIP");
    check_addresses(report, pod, before, "hostIPs", "hostIP");
    for (const auto& [list, containers] : statuses) {
        std::size_t at = 0;
        for (const auto& element : array_at(status, list))
            check_user(report, path.child(list).index(at++), as_object(element), text(pod, "spec.os.name") == "windows");
    }
    for (const auto& [list, containers] : statuses) {
        std::size_t at = 0;
        for (const auto& element : array_at(status, list)) {
            const auto status_path = path.child(list).index(at++);
            if (containers != nullptr)
                check_allocated(report, status_path, as_object(element), array_at(object_at(pod, "spec"), containers));
            else if (!array_at(as_object(element), "allocatedResourcesStatus").empty())
                report.forbidden(status_path.child("allocatedResourcesStatus"), "must not be specified in container status");
        }
    }
    return report.take();
}

}  // namespace services::kube::kinds
