#include "services/kube/controllers/endpoints.hpp"

#include <algorithm>

namespace services::kube::controllers {

namespace {

constexpr std::string_view manager_label = "endpoints.kubernetes.io/managed-by";
constexpr std::string_view manager = "endpoint-controller";
constexpr std::string_view capacity_annotation = "endpoints.kubernetes.io/over-capacity";

std::string family_of(const json::object& service) {
    const auto& families = array_at(service, "spec.ipFamilies");
    if (!families.empty()) return std::string(as_text(families[0]));
    return text(service, "spec.clusterIP").contains(':') ? "IPv6" : "IPv4";
}

void sort_by_ip(json::array& addresses) {
    std::ranges::sort(addresses, {}, [](const json::value& address) { return std::string(text(as_object(address), "ip")); });
}

// Cuts to the limit, ready ones kept first. True when something was left out.
bool cut(json::array& subsets) {
    std::size_t left = EndpointsController::addresses_max;
    bool is_cut = false;
    for (const auto list : {"addresses", "notReadyAddresses"}) {
        for (auto& entry : subsets) {
            auto* addresses = entry.get_object().if_contains(list);
            if (addresses == nullptr) continue;
            auto& array = addresses->get_array();
            if (array.size() > left) {
                array.resize(left);
                is_cut = true;
            }
            left -= array.size();
            if (array.empty()) entry.get_object().erase(list);
        }
    }
    return is_cut;
}

}  // namespace

json::array endpoint_subsets(const json::object& service, const std::vector<ObjectPtr>& pods) {
    const bool publishes_all = flag(service, "spec.publishNotReadyAddresses");
    const auto family = family_of(service);
    json::array subsets;
    for (const auto& pod : pods) {
        if (!is_endpoint(*pod, publishes_all)) continue;
        const auto addresses = addresses_of(*pod, family);
        if (addresses.empty()) continue;
        json::array ports;
        for (const auto& entry : array_at(service, "spec.ports")) {
            const auto number = target_port(*pod, as_object(entry));
            if (number == 0) continue;
            auto port = endpoint_port(as_object(entry), number);
            if (text(port, "name").empty()) port.erase("name");
            ports.emplace_back(std::move(port));
        }
        if (ports.empty() && !(is_headless(service) && array_at(service, "spec.ports").empty())) continue;
        json::object address{{"ip", addresses.front()}, {"targetRef", target_reference(*pod)}};
        if (const auto node = text(*pod, "spec.nodeName"); !node.empty()) address["nodeName"] = node;
        if (has_own_name(*pod, service)) address["hostname"] = text(*pod, "spec.hostname");
        auto subset = std::ranges::find_if(
            subsets, [&](const json::value& known) { return array_at(as_object(known), "ports") == ports; });
        if (subset == subsets.end()) {
            subsets.emplace_back(json::object{});
            subset = subsets.end() - 1;
            if (!ports.empty()) subset->get_object()["ports"] = std::move(ports);
        }
        auto& list = subset->get_object()[publishes_all || is_pod_ready(*pod) ? "addresses" : "notReadyAddresses"];
        if (!list.is_array()) list = json::array();
        list.get_array().emplace_back(std::move(address));
    }
    for (auto& subset : subsets)
        for (const auto list : {"addresses", "notReadyAddresses"})
            if (auto* addresses = subset.get_object().if_contains(list)) sort_by_ip(addresses->get_array());
    return subsets;
}

EndpointsController::EndpointsController(Environment& environment)
    : Controller(environment, "endpoint-controller", 5), services_(environment.informers.of(resources::services)),
      pods_(environment.informers.of(resources::pods)), endpoints_(environment.informers.of(resources::endpoints)) {
    services_.on_change([this](const ObjectPtr& service) { queue_.add(key_of(*service)); });
    const auto pod_changed = [this](const json::object* before, const json::object& pod) {
        for (const auto& key : services_of(services_, before, pod)) queue_.add(key);
    };
    pods_.add_handlers({.added = [pod_changed](const ObjectPtr& pod) { pod_changed(nullptr, *pod); },
                        .updated = [pod_changed](const ObjectPtr& before, const ObjectPtr& pod) { pod_changed(before.get(), *pod); },
                        .deleted = [pod_changed](const ObjectPtr& pod) { pod_changed(nullptr, *pod); }});
    // One deleted by hand is made again; those of other makers (the API's own, a user's) are left alone.
    endpoints_.add_handlers({.added = {}, .updated = {}, .deleted = [this](const ObjectPtr& object) { queue_.add(key_of(*object)); }});
}

Task<> EndpointsController::drop(std::string key) {
    triggers_.forget(key);
    const auto left = endpoints_.find_key(key);
    if (!left || label(*left, manager_label) != manager) co_return;
    try {
        co_await environment_.client.remove(resources::endpoints, std::string(namespace_of(*left)), std::string(name_of(*left)));
    } catch (const ApiError& e) {
        if (e.status() != 404) throw;
    }
}

Task<> EndpointsController::sync(std::string key) {
    const auto service = services_.find_key(key);
    if (!service) co_return co_await drop(key);
    if (!has_endpoints(*service)) co_return;
    const std::string space(namespace_of(*service));
    std::vector<ObjectPtr> pods;
    const auto selector = LabelSelector::from_map(object_at(*service, "spec.selector"));
    for (auto& pod : pods_.list(space))
        if (selector.matches(object_at(*pod, "metadata.labels"))) pods.push_back(std::move(pod));
    const auto trigger = triggers_.next(key, *service, pods);
    auto subsets = endpoint_subsets(*service, pods);
    const bool is_cut = cut(subsets);
    auto labels = labels_for_endpoints(*service);
    labels[manager_label] = manager;

    const auto before = endpoints_.find_key(key);
    if (before && array_at(*before, "subsets") == subsets && object_at(*before, "metadata.labels") == labels &&
        is_cut == (annotation(*before, capacity_annotation) == "truncated"))
        co_return;
    json::object endpoints = before ? *before
                                    : json::object{{"apiVersion", "v1"}, {"kind", "Endpoints"},
                                                   {"metadata", {{"name", name_of(*service)}, {"namespace", space}}}};
    auto& metadata = make_object(endpoints, "metadata");
    metadata["labels"] = std::move(labels);
    auto annotations = object_at(metadata, "annotations");
    annotations.erase(trigger_annotation);
    annotations.erase(capacity_annotation);
    if (!trigger.empty()) annotations[trigger_annotation] = trigger;
    if (is_cut) annotations[capacity_annotation] = "truncated";
    metadata["annotations"] = std::move(annotations);
    endpoints["subsets"] = std::move(subsets);
    try {
        if (before)
            co_await environment_.client.update(resources::endpoints, space, std::move(endpoints));
        else
            co_await environment_.client.create(resources::endpoints, space, std::move(endpoints));
    } catch (const ApiError& e) {
        if (!is_namespace_ending(e)) throw;
    }
}

}  // namespace services::kube::controllers
