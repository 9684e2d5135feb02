#include "services/kube/controllers/box_services.hpp"

#include <algorithm>

namespace services::kube::controllers {

namespace {

constexpr std::string_view box_namespace = "branchbox";
constexpr std::string_view manager_label = "app.kubernetes.io/managed-by";
constexpr std::string_view manager = "branchbox";
constexpr std::string_view slice_service_label = "kubernetes.io/service-name";
constexpr std::string_view slice_manager_label = "endpointslice.kubernetes.io/managed-by";
constexpr std::string_view slice_manager = "branchbox";
// The pods' gateway on every box.
constexpr std::string_view endpoint_address = "10.42.0.1";

bool is_managed(const json::object& service) { return label(service, manager_label) == manager; }

json::array service_ports(const std::vector<BoxServicePort>& ports) {
    json::array all;
    for (const auto& port : ports)
        all.emplace_back(json::object{{"name", port.name}, {"protocol", port.protocol}, {"port", port.port}, {"targetPort", port.target}});
    return all;
}

json::array slice_ports(const std::vector<BoxServicePort>& ports) {
    json::array all;
    for (const auto& port : ports) all.emplace_back(json::object{{"name", port.name}, {"protocol", port.protocol}, {"port", port.target}});
    return all;
}

// Whether each wanted port is there as it should be, whatever else the API has filled in.
bool has_ports(const json::array& found, const json::array& wanted) {
    if (found.size() != wanted.size()) return false;
    for (std::size_t i = 0; i < wanted.size(); ++i)
        for (const auto& [name, value] : as_object(wanted[i]))
            if (const auto* is = field(as_object(found[i]), name); !is || *is != value) return false;
    return true;
}

json::array endpoints() {
    json::array all;
    all.emplace_back(json::object{{"addresses", json::array{endpoint_address}}, {"conditions", {{"ready", true}}}});
    return all;
}

// The address is the box's from the first day; whether it still is, is all that can differ.
bool has_endpoint(const json::object& slice) {
    const auto all = array_at(slice, "endpoints");
    return all.size() == 1 && array_at(as_object(all[0]), "addresses") == json::array{endpoint_address};
}

}  // namespace

BoxServicesController::BoxServicesController(Environment& environment, BoxServices services)
    : Controller(environment, "branchbox-services"), namespaces_(environment.informers.of(resources::namespaces)),
      services_(environment.informers.of(resources::services)), slices_(environment.informers.of(resources::endpoint_slices)),
      box_(std::move(services)) {
    namespaces_.on_change([this](const ObjectPtr& space) { queue_.add(std::string(name_of(*space)) + "/"); });
    services_.on_change([this](const ObjectPtr& service) {
        if (is_managed(*service) || is_wanted(namespace_of(*service), name_of(*service))) queue_.add(key_of(*service));
    });
    slices_.on_change([this](const ObjectPtr& slice) {
        if (label(*slice, slice_manager_label) == slice_manager)
            queue_.add(std::string(namespace_of(*slice)) + "/" + std::string(label(*slice, slice_service_label)));
    });
}

void BoxServicesController::start(hal::async::TaskGroup& group) {
    queue_.add(std::string(box_namespace) + "/");
    Controller::start(group);
}

bool BoxServicesController::is_wanted(std::string_view name_space, std::string_view name) const {
    return box_.ports.contains(name) && (name_space == box_namespace || std::ranges::contains(box_.namespaces, name_space));
}

Task<> BoxServicesController::sync(std::string key) {
    const auto [space, name] = split_key(key);
    try {
        if (name.empty()) {
            co_await sync_namespace(std::string(space));
            co_return;
        }
        const auto found = services_.find(space, name);
        if (!is_wanted(space, name)) {
            note_taken(key, false);
            if (found && is_managed(*found) && !is_deleting(*found)) co_await remove(resources::services, std::string(space), std::string(name));
            co_return;
        }
        const auto home = namespaces_.find("", space);
        if (!home || text(*home, "status.phase") != "Active") co_return;
        note_taken(key, found && !is_managed(*found));
        if (!taken_.contains(key)) co_await put_service(std::string(space), std::string(name));
    } catch (const ApiError& e) {
        if (e.code() != hal::Code::exists && !is_namespace_ending(e)) throw;
    }
}

Task<> BoxServicesController::sync_namespace(std::string name_space) {
    if (name_space == box_namespace && !box_.ports.empty() && !namespaces_.find("", name_space)) {
        co_await environment_.client.create(resources::namespaces, "", {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", name_space}}}});
        co_return;  // the informer tells of it
    }
    for (const auto& [name, ports] : box_.ports)
        if (is_wanted(name_space, name)) queue_.add(name_space + "/" + name);
}

Task<> BoxServicesController::put_service(std::string name_space, std::string name) {
    const auto ports = service_ports(box_.ports.find(name)->second);
    const auto found = services_.find(name_space, name);
    json::object service;
    if (!found) {
        service = co_await environment_.client.create(
            resources::services, name_space,
            {{"apiVersion", "v1"}, {"kind", "Service"},
             {"metadata", {{"name", name}, {"namespace", name_space}, {"labels", {{manager_label, manager}}}}},
             {"spec", {{"type", "ClusterIP"}, {"ports", ports}}}});
    } else {
        service = *found;
        auto& spec = make_object(service, "spec");
        if (!has_ports(array_at(service, "spec.ports"), ports) || text(service, "spec.type") != "ClusterIP" || !object_at(service, "spec.selector").empty()) {
            spec["ports"] = ports;
            spec["type"] = "ClusterIP";
            spec.erase("selector");
            spec.erase("externalName");
            service = co_await environment_.client.update(resources::services, name_space, std::move(service));
        }
    }
    co_await put_slice(std::move(name_space), std::move(name), std::string(uid_of(service)));
}

Task<> BoxServicesController::put_slice(std::string name_space, std::string name, std::string service_uid) {
    const auto slice_name = name + "-" + std::string(slice_manager);
    const auto ports = slice_ports(box_.ports.find(name)->second);
    const auto found = slices_.find(name_space, slice_name);
    if (found && has_endpoint(*found) && has_ports(array_at(*found, "ports"), ports) && label(*found, slice_service_label) == name &&
        label(*found, slice_manager_label) == slice_manager)
        co_return;
    json::array owners;
    owners.emplace_back(json::object{{"apiVersion", "v1"}, {"kind", "Service"}, {"name", name}, {"uid", service_uid}});
    json::object metadata{{"name", slice_name}, {"namespace", name_space},
                          {"labels", {{slice_service_label, name}, {slice_manager_label, slice_manager}}},
                          {"ownerReferences", std::move(owners)}};
    if (found) metadata["resourceVersion"] = text(*found, "metadata.resourceVersion");
    json::object slice{{"apiVersion", "discovery.k8s.io/v1"}, {"kind", "EndpointSlice"}, {"metadata", std::move(metadata)},
                       {"addressType", "IPv4"}, {"endpoints", endpoints()}, {"ports", ports}};
    if (found)
        co_await environment_.client.update(resources::endpoint_slices, name_space, std::move(slice));
    else
        co_await environment_.client.create(resources::endpoint_slices, name_space, std::move(slice));
}

Task<> BoxServicesController::remove(Resource resource, std::string name_space, std::string name) {
    try {
        co_await environment_.client.remove(std::move(resource), std::move(name_space), std::move(name));
    } catch (const ApiError& e) {
        if (e.status() != 404) throw;
    }
}

void BoxServicesController::note_taken(const std::string& key, bool is_taken) {
    if (is_taken == taken_.contains(key)) return;
    if (is_taken)
        taken_.insert(key);
    else
        taken_.erase(key);
    if (!box_.report) return;
    std::vector<std::string> problems;
    for (const auto& one : taken_)
        problems.push_back("Service " + one + " is not the box's: pods there do not reach the box's own service by that name; rename it, or take its "
                                              "namespace from kube.service_names_in");
    box_.report(problems);
}

}  // namespace services::kube::controllers
