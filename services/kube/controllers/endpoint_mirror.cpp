#include "services/kube/controllers/endpoint_mirror.hpp"

#include <algorithm>

#include "services/kube/controllers/service_pods.hpp"

namespace services::kube::controllers {

namespace {

constexpr std::string_view name_label = "kubernetes.io/service-name";
constexpr std::string_view manager_label = "endpointslice.kubernetes.io/managed-by";
constexpr std::string_view manager = "endpointslicemirroring-controller.k8s.io";
constexpr std::string_view skip_label = "endpointslice.kubernetes.io/skip-mirror";
constexpr std::string_view leader_annotation = "control-plane.alpha.kubernetes.io/leader";
constexpr std::string_view applied_annotation = "kubectl.kubernetes.io/last-applied-configuration";

json::object endpoint_of(const json::object& address, bool is_ready) {
    json::object endpoint{{"addresses", json::array{text(address, "ip")}}, {"conditions", {{"ready", is_ready}}}};
    for (const auto part : {"targetRef", "nodeName", "hostname"})
        if (const auto* value = field(address, part)) endpoint[part] = *value;
    return endpoint;
}

json::array slice_ports(const json::object& subset) {
    json::array ports;
    for (const auto& entry : array_at(subset, "ports")) {
        auto port = as_object(entry);
        port.emplace("name", "");
        port.emplace("protocol", "TCP");
        ports.emplace_back(std::move(port));
    }
    return ports;
}

json::object slice_metadata(const json::object& endpoints) {
    auto labels = object_at(endpoints, "metadata.labels");
    labels[name_label] = name_of(endpoints);
    labels[manager_label] = manager;
    auto annotations = object_at(endpoints, "metadata.annotations");
    annotations.erase(trigger_annotation);
    annotations.erase(applied_annotation);
    json::array references;
    references.emplace_back(controller_reference(endpoints, "v1", "Endpoints"));
    json::object metadata{{"generateName", std::string(name_of(endpoints)) + "-"}, {"namespace", namespace_of(endpoints)},
                          {"labels", std::move(labels)}, {"ownerReferences", std::move(references)}};
    if (!annotations.empty()) metadata["annotations"] = std::move(annotations);
    return metadata;
}

bool shows_the_same(const json::object& left, const json::object& right) {
    return array_at(left, "endpoints") == array_at(right, "endpoints") && array_at(left, "ports") == array_at(right, "ports") &&
           text(left, "addressType") == text(right, "addressType") &&
           object_at(left, "metadata.labels") == object_at(right, "metadata.labels") &&
           object_at(left, "metadata.annotations") == object_at(right, "metadata.annotations");
}

}  // namespace

std::vector<json::object> mirrored_slices(const json::object& endpoints) {
    std::vector<json::object> slices;
    for (const auto& entry : array_at(endpoints, "subsets")) {
        const auto& subset = as_object(entry);
        const auto ports = slice_ports(subset);
        std::size_t count = 0;
        for (const auto list : {"addresses", "notReadyAddresses"}) {
            for (const auto& item : array_at(subset, list)) {
                if (++count > EndpointMirrorController::addresses_max) break;
                const auto& address = as_object(item);
                const auto family = text(address, "ip").contains(':') ? "IPv6" : "IPv4";
                auto slice = std::ranges::find_if(slices, [&](const json::object& known) {
                    return text(known, "addressType") == family && array_at(known, "ports") == ports;
                });
                if (slice == slices.end())
                    slice = slices.insert(slice, {{"apiVersion", "discovery.k8s.io/v1"}, {"kind", "EndpointSlice"},
                                                  {"metadata", slice_metadata(endpoints)}, {"addressType", family},
                                                  {"endpoints", json::array()}, {"ports", ports}});
                (*slice)["endpoints"].get_array().emplace_back(endpoint_of(address, std::string_view(list) == "addresses"));
            }
        }
    }
    return slices;
}

EndpointMirrorController::EndpointMirrorController(Environment& environment)
    : Controller(environment, "endpointslice-mirroring-controller", 2), services_(environment.informers.of(resources::services)),
      endpoints_(environment.informers.of(resources::endpoints)), slices_(environment.informers.of(resources::endpoint_slices)) {
    const auto add = [this](const ObjectPtr& object) { queue_.add(key_of(*object)); };
    services_.on_change(add);
    endpoints_.on_change(add);
    slices_.on_change([this](const ObjectPtr& slice) {
        if (label(*slice, manager_label) == manager)
            queue_.add(std::string(namespace_of(*slice)) + "/" + std::string(label(*slice, name_label)));
    });
}

bool EndpointMirrorController::is_mirrored(const ObjectPtr& endpoints) const {
    if (!endpoints || is_deleting(*endpoints) || label(*endpoints, skip_label) == "true") return false;
    if (!annotation(*endpoints, leader_annotation).empty()) return false;  // a lock, not addresses
    const auto service = services_.find(namespace_of(*endpoints), name_of(*endpoints));
    return service && object_at(*service, "spec.selector").empty();
}

Task<> EndpointMirrorController::sync(std::string key) {
    const auto [space, name] = split_key(key);
    std::vector<ObjectPtr> existing;
    for (auto& slice : slices_.list(space))
        if (label(*slice, name_label) == name && label(*slice, manager_label) == manager) existing.push_back(std::move(slice));
    const auto endpoints = endpoints_.find_key(key);
    std::vector<json::object> wanted;
    if (is_mirrored(endpoints)) wanted = mirrored_slices(*endpoints);
    // Those that are right stay; of the rest one becomes another while both last.
    std::erase_if(wanted, [&existing](const json::object& slice) {
        const auto same = std::ranges::find_if(existing, [&slice](const ObjectPtr& known) { return shows_the_same(*known, slice); });
        if (same == existing.end()) return false;
        existing.erase(same);
        return true;
    });
    for (auto& slice : wanted) {
        const auto type = text(slice, "addressType");
        const auto before =
            std::ranges::find_if(existing, [type](const ObjectPtr& known) { return text(*known, "addressType") == type; });
        try {
            if (before == existing.end()) {
                co_await environment_.client.create(resources::endpoint_slices, space, std::move(slice));
                continue;
            }
            for (const auto part : {"name", "resourceVersion", "uid"})
                if (const auto* value = object_at(**before, "metadata").if_contains(part)) make_object(slice, "metadata")[part] = *value;
            existing.erase(before);
            co_await environment_.client.update(resources::endpoint_slices, space, std::move(slice));
        } catch (const ApiError& e) {
            if (!is_namespace_ending(e)) throw;
        }
    }
    co_await remove(std::move(existing));
}

Task<> EndpointMirrorController::remove(std::vector<ObjectPtr> slices) {
    for (const auto& slice : slices) {
        try {
            co_await environment_.client.remove(resources::endpoint_slices, std::string(namespace_of(*slice)),
                                                std::string(name_of(*slice)));
        } catch (const ApiError& e) {
            if (e.status() != 404) throw;
        }
    }
}

}  // namespace services::kube::controllers
