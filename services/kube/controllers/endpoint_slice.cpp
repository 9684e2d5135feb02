#include "services/kube/controllers/endpoint_slice.hpp"

#include <algorithm>

namespace services::kube::controllers {

namespace {

constexpr std::string_view name_label = "kubernetes.io/service-name";
constexpr std::string_view manager_label = "endpointslice.kubernetes.io/managed-by";
constexpr std::string_view manager = "endpointslice-controller.k8s.io";
constexpr std::string_view zone_label = "topology.kubernetes.io/zone";

std::vector<std::string> families_of(const json::object& service) {
    std::vector<std::string> found;
    for (const auto& entry : array_at(service, "spec.ipFamilies")) found.emplace_back(as_text(entry));
    if (found.empty()) found.emplace_back(text(service, "spec.clusterIP").contains(':') ? "IPv6" : "IPv4");
    return found;
}

std::string identity_of(const json::value& endpoint) {
    const auto& object = as_object(endpoint);
    const auto& addresses = array_at(object, "addresses");
    return std::string(text(object, "targetRef.uid")) + "/" + (addresses.empty() ? "" : std::string(as_text(addresses[0])));
}

// As stored, an empty list is null.
json::value list_or_null(const json::array& list) { return list.empty() ? json::value(nullptr) : json::value(list); }

}  // namespace

EndpointSliceController::EndpointSliceController(Environment& environment)
    : Controller(environment, "endpointslice-controller", 5), services_(environment.informers.of(resources::services)),
      pods_(environment.informers.of(resources::pods)), nodes_(environment.informers.of(resources::nodes)),
      slices_(environment.informers.of(resources::endpoint_slices)) {
    services_.on_change([this](const ObjectPtr& service) { queue_.add(key_of(*service)); });
    const auto pod_changed = [this](const json::object* before, const json::object& pod) {
        for (const auto& key : services_of(services_, before, pod)) queue_.add(key);
    };
    pods_.add_handlers({.added = [pod_changed](const ObjectPtr& pod) { pod_changed(nullptr, *pod); },
                        .updated = [pod_changed](const ObjectPtr& before, const ObjectPtr& pod) { pod_changed(before.get(), *pod); },
                        .deleted = [pod_changed](const ObjectPtr& pod) { pod_changed(nullptr, *pod); }});
    nodes_.add_handlers({.added = [this](const ObjectPtr&) {
        services_.each([this](const ObjectPtr& service) { queue_.add(key_of(*service)); });
    }, .updated = {}, .deleted = {}});
    slices_.on_change([this](const ObjectPtr& slice) {
        if (label(*slice, manager_label) == manager)
            queue_.add(std::string(namespace_of(*slice)) + "/" + std::string(label(*slice, name_label)));
    });
}

Task<> EndpointSliceController::sync(std::string key) {
    const auto service = services_.find_key(key);
    if (!service) triggers_.forget(key);
    if (!service || is_deleting(*service) || !has_endpoints(*service)) co_return;
    const auto space = std::string(namespace_of(*service));
    std::vector<ObjectPtr> pods, existing;
    const auto selector = LabelSelector::from_map(object_at(*service, "spec.selector"));
    for (auto& pod : pods_.list(space))
        if (selector.matches(object_at(*pod, "metadata.labels"))) pods.push_back(std::move(pod));
    for (auto& slice : slices_.list(space))
        if (label(*slice, name_label) == name_of(*service) && label(*slice, manager_label) == manager && !is_deleting(*slice))
            existing.push_back(std::move(slice));
    const auto trigger = triggers_.next(key, *service, pods);

    Changes changes;
    for (auto& group : groups_of(*service, pods)) reconcile(*service, std::move(group), existing, trigger, changes);
    changes.remove = std::move(existing);  // no group took these
    // One that would go and one that would come: the one becomes the other.
    while (!changes.remove.empty() && !changes.create.empty()) {
        auto& made = changes.create.back().get_object();
        const auto& kept = *changes.remove.back();
        if (text(made, "addressType") != text(kept, "addressType")) break;
        make_object(made, "metadata").erase("generateName");
        for (const auto part : {"name", "resourceVersion", "generateName", "uid"})
            if (const auto* value = object_at(kept, "metadata").if_contains(part)) make_object(made, "metadata")[part] = *value;
        changes.update.emplace_back(std::move(made));
        changes.create.pop_back();
        changes.remove.pop_back();
    }
    try {
        co_await apply(space, std::move(changes));
    } catch (const ApiError& e) {
        if (!is_namespace_ending(e)) throw;
    }
}

std::vector<EndpointSliceController::Group> EndpointSliceController::groups_of(const json::object& service,
                                                                               const std::vector<ObjectPtr>& pods) const {
    std::vector<Group> groups;
    for (const auto& family : families_of(service)) {
        const auto first = groups.size();
        for (const auto& pod : pods) {
            if (!is_endpoint(*pod, true) || !nodes_.find("", text(*pod, "spec.nodeName"))) continue;
            auto addresses = addresses_of(*pod, family);
            if (addresses.empty()) continue;
            json::array ports;
            for (const auto& entry : array_at(service, "spec.ports"))
                if (const auto number = target_port(*pod, as_object(entry)); number != 0)
                    ports.emplace_back(endpoint_port(as_object(entry), number));
            auto group = std::find_if(groups.begin() + static_cast<std::ptrdiff_t>(first), groups.end(),
                                      [&](const Group& known) { return known.ports == ports; });
            if (group == groups.end())
                group = groups.insert(groups.end(), {.family = family, .ports = std::move(ports), .endpoints = {}});
            group->endpoints.emplace_back(endpoint_of(*pod, service, std::move(addresses)));
        }
        // A Service without pods has a slice that says so.
        if (groups.size() == first) groups.push_back({.family = family, .ports = {}, .endpoints = {}});
    }
    return groups;
}

json::object EndpointSliceController::endpoint_of(const json::object& pod, const json::object& service,
                                                  std::vector<std::string> addresses) const {
    const bool serves = is_pod_ready(pod), ends = is_deleting(pod);
    json::object endpoint{{"addresses", json::array(addresses.begin(), addresses.end())},
                          {"conditions", {{"ready", flag(service, "spec.publishNotReadyAddresses") || (serves && !ends)},
                                          {"serving", serves}, {"terminating", ends}}},
                          {"nodeName", text(pod, "spec.nodeName")},
                          {"targetRef", target_reference(pod)}};
    if (const auto node = nodes_.find("", text(pod, "spec.nodeName")); node && !label(*node, zone_label).empty())
        endpoint["zone"] = label(*node, zone_label);
    if (has_own_name(pod, service)) endpoint["hostname"] = text(pod, "spec.hostname");
    return endpoint;
}

json::object EndpointSliceController::slice_of(const json::object& service, const Group& group, const std::string& trigger) const {
    auto labels = labels_for_endpoints(service);
    labels[name_label] = name_of(service);
    labels[manager_label] = manager;
    json::array references;
    references.emplace_back(controller_reference(service, "v1", "Service"));
    json::object metadata{{"generateName", std::string(name_of(service)) + "-"}, {"namespace", namespace_of(service)},
                          {"labels", std::move(labels)}, {"ownerReferences", std::move(references)}};
    if (!trigger.empty()) metadata["annotations"] = json::object{{trigger_annotation, trigger}};
    return {{"apiVersion", "discovery.k8s.io/v1"}, {"kind", "EndpointSlice"}, {"metadata", std::move(metadata)},
            {"addressType", group.family}, {"endpoints", list_or_null(group.endpoints)}, {"ports", list_or_null(group.ports)}};
}

void EndpointSliceController::reconcile(const json::object& service, Group group, std::vector<ObjectPtr>& existing,
                                        const std::string& trigger, Changes& changes) const {
    std::map<std::string, json::value> wanted;
    for (auto& endpoint : group.endpoints) wanted.emplace(identity_of(endpoint), std::move(endpoint));
    const bool is_placeholder = wanted.empty();

    struct Slice {
        ObjectPtr before;
        json::array endpoints;
    };
    std::vector<Slice> slices;
    std::erase_if(existing, [&](const ObjectPtr& slice) {
        if (text(*slice, "addressType") != group.family || array_at(*slice, "ports") != group.ports) return false;
        Slice kept{.before = slice, .endpoints = {}};
        for (const auto& endpoint : array_at(*slice, "endpoints")) {
            const auto found = wanted.find(identity_of(endpoint));
            if (found == wanted.end()) continue;
            kept.endpoints.push_back(std::move(found->second));
            wanted.erase(found);
        }
        slices.push_back(std::move(kept));
        return true;
    });
    // New ones go into what has room, then into new slices.
    for (auto& [identity, endpoint] : wanted) {
        const auto room = std::ranges::find_if(slices, [](const Slice& slice) { return slice.endpoints.size() < endpoints_max; });
        auto& slice = room != slices.end() ? *room : slices.emplace_back();
        slice.endpoints.push_back(std::move(endpoint));
    }
    if (is_placeholder && slices.empty()) slices.emplace_back();
    bool is_first = true;
    for (auto& slice : slices) {
        const bool is_needed = !slice.endpoints.empty() || (is_placeholder && std::exchange(is_first, false));
        if (!is_needed) {
            existing.push_back(slice.before);
            continue;
        }
        group.endpoints = std::move(slice.endpoints);
        auto made = slice_of(service, group, trigger);
        if (!slice.before) {
            changes.create.emplace_back(std::move(made));
            continue;
        }
        const bool is_same = array_at(*slice.before, "endpoints") == group.endpoints &&
                             object_at(*slice.before, "metadata.labels") == object_at(made, "metadata.labels");
        if (is_same) continue;
        auto metadata = object_at(*slice.before, "metadata");
        metadata["labels"] = object_at(made, "metadata.labels");
        metadata["ownerReferences"] = array_at(made, "metadata.ownerReferences");
        if (trigger.empty()) {
            auto annotations = object_at(metadata, "annotations");
            annotations.erase(trigger_annotation);
            metadata["annotations"] = std::move(annotations);
        } else {
            make_object(metadata, "annotations")[trigger_annotation] = trigger;
        }
        made["metadata"] = std::move(metadata);
        changes.update.emplace_back(std::move(made));
    }
}

Task<> EndpointSliceController::apply(std::string name_space, Changes changes) {
    for (auto& slice : changes.create)
        co_await environment_.client.create(resources::endpoint_slices, name_space, std::move(slice.get_object()));
    for (auto& slice : changes.update)
        co_await environment_.client.update(resources::endpoint_slices, name_space, std::move(slice.get_object()));
    for (const auto& slice : changes.remove)
        co_await environment_.client.remove(resources::endpoint_slices, name_space, std::string(name_of(*slice)));
}

}  // namespace services::kube::controllers
