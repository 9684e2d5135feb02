#include "services/kube/controllers/root_certificates.hpp"

namespace services::kube::controllers {

namespace {

constexpr std::string_view map_name = "kube-root-ca.crt";
constexpr std::string_view description_annotation = "kubernetes.io/description";
constexpr std::string_view description =
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal "
    "service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

}  // namespace

RootCertificatesController::RootCertificatesController(Environment& environment, std::string certificates)
    : Controller(environment, "root-ca-certificate-publisher-controller"),
      namespaces_(environment.informers.of(resources::namespaces)),
      maps_(environment.executor, environment.client, resources::config_maps,
            {.name_space = "", .label_selector = "", .field_selector = "metadata.name=" + std::string(map_name)}),
      certificates_(std::move(certificates)) {
    namespaces_.on_change([this](const ObjectPtr& object) { queue_.add(std::string(name_of(*object))); });
    maps_.on_change([this](const ObjectPtr& object) { queue_.add(std::string(namespace_of(*object))); });
}

void RootCertificatesController::start(hal::async::TaskGroup& group) {
    group.spawn("informer " + std::string(map_name), maps_.run());
    Controller::start(group);
}

Task<> RootCertificatesController::sync(std::string name_space) {
    const auto space = namespaces_.find("", name_space);
    if (!space || text(*space, "status.phase") != "Active") co_return;
    co_await maps_.wait_synced();
    const json::object wanted{{"ca.crt", certificates_}};
    try {
        const auto found = maps_.find(name_space, map_name);
        if (!found) {
            co_await environment_.client.create(
                resources::config_maps, name_space,
                {{"apiVersion", "v1"}, {"kind", "ConfigMap"},
                 {"metadata", {{"name", map_name}, {"namespace", name_space},
                               {"annotations", {{description_annotation, description}}}}},
                 {"data", wanted}});
            co_return;
        }
        if (object_at(*found, "data") == wanted && !annotation(*found, description_annotation).empty()) co_return;
        auto map = *found;
        map["data"] = wanted;
        make_object(map, "metadata.annotations")[description_annotation] = description;
        co_await environment_.client.update(resources::config_maps, name_space, std::move(map));
    } catch (const ApiError& e) {
        if (e.code() != hal::Code::exists && !is_namespace_ending(e)) throw;
    }
}

}  // namespace services::kube::controllers
