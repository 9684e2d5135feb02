// Cells of what runs: Pods, ReplicaSets, Deployments, Services.
#include "services/kube/kinds/cells.hpp"

#include <format>
#include <set>

#include "services/kubeclient/object.hpp"
#include "services/kubeclient/selectors.hpp"

namespace services::kube::kinds {
namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::as_text;
using kubeclient::field;
using kubeclient::flag;
using kubeclient::name_of;
using kubeclient::number;
using kubeclient::object_at;
using kubeclient::text;

// How often containers restarted, and when the latest of those ended.
struct Restarts {
    std::int64_t count = 0;
    std::string_view last;  // RFC 3339 in UTC with whole seconds: later reads greater
    void add(const json::object& status) {
        count += number(status, "restartCount");
        last = std::max(last, text(status, "lastState.terminated.finishedAt"));
    }
};

std::string ended_reason(const json::object& terminated) {
    if (const auto reason = text(terminated, "reason"); !reason.empty()) return std::string(reason);
    if (const auto signal = number(terminated, "signal"); signal != 0) return std::format("Signal:{}", signal);
    return std::format("ExitCode:{}", number(terminated, "exitCode"));
}

// The Status, Ready and Restarts columns of a pod, found in the order in which containers start.
class PodState {
public:
    explicit PodState(const json::object& pod) : pod_(pod) {
        reason_ = text(pod, "status.phase");
        if (const auto said = text(pod, "status.reason"); !said.empty()) reason_ = said;
        for (const auto& condition : array_at(pod, "status.conditions"))
            if (text(as_object(condition), "type") == "PodScheduled" && text(as_object(condition), "reason") == "SchedulingGated")
                reason_ = "SchedulingGated";
        read_init_containers();
        if (!is_initializing_ || kubeclient::condition_status(pod, "Initialized") == "True") read_containers();
        read_deletion();
    }

    [[nodiscard]] const std::string& reason() const { return reason_; }
    [[nodiscard]] std::string ready() const {
        return std::format("{}/{}", ready_, array_at(pod_, "spec.containers").size() + sidecars_.size());
    }
    [[nodiscard]] std::string restarts(hal::WallTime now) const {
        if (restarts_.count == 0 || restarts_.last.empty()) return std::to_string(restarts_.count);
        return std::format("{} ({} ago)", restarts_.count, age_since(restarts_.last, now));
    }

private:
    const json::object& pod_;
    std::string reason_;
    std::set<std::string_view> sidecars_;  // init containers that restart
    Restarts restarts_, sidecar_restarts_;
    std::size_t ready_ = 0;
    bool is_initializing_ = false;

    void read_init_containers() {
        const auto& containers = array_at(pod_, "spec.initContainers");
        for (const auto& container : containers)
            if (text(as_object(container), "restartPolicy") == "Always") sidecars_.insert(text(as_object(container), "name"));
        const auto& statuses = array_at(pod_, "status.initContainerStatuses");
        for (std::size_t i = 0; i < statuses.size() && !is_initializing_; ++i) {
            const auto& status = as_object(statuses[i]);
            const bool is_sidecar = sidecars_.contains(text(status, "name"));
            restarts_.add(status);
            if (is_sidecar) sidecar_restarts_.add(status);
            const auto* terminated = field(status, "state.terminated");
            if (terminated != nullptr && number(as_object(*terminated), "exitCode") == 0) continue;
            if (is_sidecar && flag(status, "started")) {
                if (flag(status, "ready")) ++ready_;
                continue;
            }
            const auto waiting = text(status, "state.waiting.reason");
            if (terminated != nullptr) reason_ = "Init:" + ended_reason(as_object(*terminated));
            else if (!waiting.empty() && waiting != "PodInitializing") reason_ = std::format("Init:{}", waiting);
            else reason_ = std::format("Init:{}/{}", i, containers.size());
            is_initializing_ = true;
        }
    }

    void read_containers() {
        restarts_ = sidecar_restarts_;
        bool is_running = false;
        std::string failure;
        const auto& statuses = array_at(pod_, "status.containerStatuses");
        for (auto i = statuses.size(); i-- > 0;) {
            const auto& status = as_object(statuses[i]);
            restarts_.add(status);
            if (const auto waiting = text(status, "state.waiting.reason"); !waiting.empty()) {
                reason_ = waiting;
            } else if (const auto* terminated = field(status, "state.terminated"); terminated != nullptr) {
                reason_ = ended_reason(as_object(*terminated));
                if (number(as_object(*terminated), "exitCode") != 0) failure = reason_;
            } else if (flag(status, "ready") && field(status, "state.running") != nullptr) {
                is_running = true;
                ++ready_;
            }
        }
        if (reason_ != "Completed") return;
        if (is_running && kubeclient::is_pod_ready(pod_)) reason_ = "Running";
        else if (!failure.empty()) reason_ = failure;
        else if (is_running) reason_ = "NotReady";
    }

    void read_deletion() {
        if (!kubeclient::is_deleting(pod_)) return;
        if (text(pod_, "status.reason") == "NodeLost") reason_ = "Unknown";
        else if (!kubeclient::is_pod_finished(pod_)) reason_ = "Terminating";
    }
};

std::string readiness_gates(const json::object& pod) {
    const auto& gates = array_at(pod, "spec.readinessGates");
    if (gates.empty()) return "<none>";
    std::size_t open = 0;
    for (const auto& gate : gates)
        if (kubeclient::condition_status(pod, text(as_object(gate), "conditionType")) == "True") ++open;
    return std::format("{}/{}", open, gates.size());
}

std::string_view or_none(std::string_view value) { return value.empty() ? "<none>" : value; }

std::string joined(const json::array& list, std::string_view member) {
    std::string out;
    for (const auto& element : list) {
        if (&element != &list.front()) out += ',';
        out += member.empty() ? as_text(element) : text(as_object(element), member);
    }
    return out;
}

std::string selector_text(const json::object& object) {
    return kubeclient::LabelSelector::from_object(field(object, "spec.selector")).to_string();
}

std::string service_ports(const json::object& service) {
    std::string out;
    for (const auto& element : array_at(service, "spec.ports")) {
        const auto& port = as_object(element);
        if (!out.empty()) out += ',';
        out += std::to_string(number(port, "port"));
        if (const auto node_port = number(port, "nodePort"); node_port > 0) out += std::format(":{}", node_port);
        (out += '/') += text(port, "protocol");
    }
    return out.empty() ? "<none>" : out;
}

std::string balancer_addresses(const json::object& service) {
    std::set<std::string_view> addresses;
    for (const auto& element : array_at(service, "status.loadBalancer.ingress")) {
        const auto& ingress = as_object(element);
        const auto address = text(ingress, "ip").empty() ? text(ingress, "hostname") : text(ingress, "ip");
        if (!address.empty()) addresses.insert(address);
    }
    std::string out;
    for (const auto address : addresses) (out += out.empty() ? "" : ",") += address;
    return out;
}

std::string external_address(const json::object& service) {
    const auto type = text(service, "spec.type");
    auto stated = joined(array_at(service, "spec.externalIPs"), "");
    if (type == "ClusterIP" || type == "NodePort") return stated.empty() ? "<none>" : stated;
    if (type == "ExternalName") return std::string(text(service, "spec.externalName"));
    if (type != "LoadBalancer") return "<unknown>";
    auto given = balancer_addresses(service);
    if (stated.empty()) return given.empty() ? "<pending>" : given;
    return given.empty() ? stated : given + "," + stated;
}

std::string_view first_of(const json::array& list) { return list.empty() ? std::string_view() : as_text(list.front()); }

}  // namespace

json::array pod_cells(const json::object& object, hal::WallTime now) {
    const PodState state(object);
    const auto& addresses = array_at(object, "status.podIPs");
    const auto address = addresses.empty() ? std::string_view() : text(as_object(addresses.front()), "ip");
    return {name_of(object),
            state.ready(),
            state.reason(),
            state.restarts(now),
            age_of(object, now),
            or_none(address),
            or_none(text(object, "spec.nodeName")),
            or_none(text(object, "status.nominatedNodeName")),
            readiness_gates(object)};
}

json::array replica_set_cells(const json::object& object, hal::WallTime now) {
    const auto& containers = array_at(object, "spec.template.spec.containers");
    const auto selector = selector_text(object);
    return {name_of(object),
            number(object, "spec.replicas"),
            number(object, "status.replicas"),
            number(object, "status.readyReplicas"),
            age_of(object, now),
            joined(containers, "name"),
            joined(containers, "image"),
            or_none(selector)};
}

json::array deployment_cells(const json::object& object, hal::WallTime now) {
    const auto& containers = array_at(object, "spec.template.spec.containers");
    return {name_of(object),
            std::format("{}/{}", number(object, "status.readyReplicas"), number(object, "spec.replicas")),
            number(object, "status.updatedReplicas"),
            number(object, "status.availableReplicas"),
            age_of(object, now),
            joined(containers, "name"),
            joined(containers, "image"),
            selector_text(object)};
}

json::array service_cells(const json::object& object, hal::WallTime now) {
    const auto selector = kubeclient::LabelSelector::from_map(object_at(object, "spec.selector")).to_string();
    return {name_of(object),
            text(object, "spec.type"),
            array_at(object, "spec.clusterIPs").empty() ? "<none>" : first_of(array_at(object, "spec.clusterIPs")),
            external_address(object),
            service_ports(object),
            age_of(object, now),
            or_none(selector)};
}

}  // namespace services::kube::kinds
