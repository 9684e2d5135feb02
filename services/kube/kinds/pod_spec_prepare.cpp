// What is dropped from a PodSpec because its feature is off in Kubernetes 1.37.
#include <string>

#include "services/kube/kinds/pod_spec.hpp"
#include "services/kube/kinds/pod_spec_members.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

void drop_in_probe(json::object& container, std::string_view name) {
    auto* probe = object_member(container, name);
    if (probe == nullptr) return;
    if (auto* http = object_member(*probe, "httpGet")) http->erase("protocol");  // H2CContainerProbe
    if (auto* grpc = object_member(*probe, "grpc")) grpc->erase("mode");         // GRPCContainerProbeTLS
}

void drop_in_container(json::object& container) {
    for (const auto* name : {"livenessProbe", "readinessProbe", "startupProbe"}) drop_in_probe(container, name);
    for_each_object(container, "volumeMounts", [](json::object& mount) { mount.erase("bindMountOptions"); });  // VolumeBindMountOptions
    auto* lifecycle = object_member(container, "lifecycle");
    if (lifecycle == nullptr) return;
    for (const auto* name : {"postStart", "preStop"})
        if (auto* handler = object_member(*lifecycle, name))
            if (auto* http = object_member(*handler, "httpGet")) http->erase("protocol");
    // ContainerStopSignals
    if (lifecycle->erase("stopSignal") != 0 && lifecycle->empty()) container.erase("lifecycle");
}

// AtomicWriteVolumeUserFields
void drop_users_of_items(json::object& source) {
    for_each_object(source, "items", [](json::object& item) { item.erase("user"); });
}

void drop_in_volume(json::object& volume) {
    if (auto* empty_dir = object_member(volume, "emptyDir")) empty_dir->erase("mode");  // EmptyDirVolumeMode
    for (const auto* name : {"secret", "configMap", "downwardAPI", "projected"}) {
        auto* source = object_member(volume, name);
        if (source == nullptr) continue;
        source->erase("defaultUser");
        drop_users_of_items(*source);
        for_each_object(*source, "sources", [](json::object& projection) {
            for (auto& member : projection) {
                auto* part = member.value().if_object();
                if (part == nullptr) continue;
                part->erase("user");
                drop_users_of_items(*part);
            }
        });
    }
}

}  // namespace

void drop_disabled_fields(json::object& spec) {
    for_each_container(spec, drop_in_container);
    for_each_object(spec, "volumes", drop_in_volume);
    spec.erase("schedulingGroup");     // GenericWorkload
    spec.erase("evictionResponders");  // EvictionRequestAPI
}

void drop_disabled_annotations(json::object& metadata) {
    auto* annotations = object_member(metadata, "annotations");
    if (annotations == nullptr) return;
    for (const auto* name : {"pod.beta.kubernetes.io/init-containers", "pod.alpha.kubernetes.io/init-containers",
                             "pod.beta.kubernetes.io/init-container-statuses", "pod.alpha.kubernetes.io/init-container-statuses"})
        annotations->erase(name);
    if (annotations->empty()) metadata.erase("annotations");
}

void prepare_pod_template(json::object& pod_template) {
    if (auto* spec = object_member(pod_template, "spec")) drop_disabled_fields(*spec);
    if (auto* metadata = object_member(pod_template, "metadata")) drop_disabled_annotations(*metadata);
}

}  // namespace services::kube::kinds
