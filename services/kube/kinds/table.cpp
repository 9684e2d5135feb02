// The table of kinds served. A row joins a kind's names, columns and selectable fields with its rules, which lie in the
// file named after it.
#include <algorithm>
#include <array>
#include <string>

#include "services/kube/kinds/cells.hpp"
#include "services/kube/kinds/columns.hpp"
#include "services/kube/kinds/event_forms.hpp"
#include "services/kube/kinds/fields.hpp"
#include "services/kube/kinds/kind.hpp"
#include "services/kube/kinds/pod_subresources.hpp"
#include "services/kube/kinds/rules.hpp"

namespace services::kube::kinds {
namespace {

constexpr std::string_view written = "get,patch,update";
constexpr std::string_view proxied = "create,delete,get,patch,update";

constexpr auto namespace_subresources = std::to_array<Subresource>({{"finalize", "update", ""}, {"status", written, ""}});
constexpr auto node_subresources = std::to_array<Subresource>({{"proxy", proxied, "NodeProxyOptions"}, {"status", written, ""}});
constexpr auto pod_subresources = std::to_array<Subresource>({
    {"attach", "create,get", "PodAttachOptions"},
    {"binding", "create", "Binding"},
    {"ephemeralcontainers", written, "", prepare_ephemeral_containers, validate_ephemeral_containers},
    {"eviction", "create", "policy/v1/Eviction"},
    {"exec", "create,get", "PodExecOptions"},
    {"log", "get", ""},
    {"portforward", "create,get", "PodPortForwardOptions"},
    {"proxy", proxied, "PodProxyOptions"},
    {"resize", written, "", prepare_resize, validate_resize},
    {"status", written, ""},
});
constexpr auto service_subresources = std::to_array<Subresource>({{"proxy", proxied, "ServiceProxyOptions"}, {"status", written, ""}});
constexpr auto service_account_subresources = std::to_array<Subresource>({{"token", "create", "authentication.k8s.io/v1/TokenRequest"}});
constexpr auto scaled_subresources = std::to_array<Subresource>({{"scale", written, "autoscaling/v1/Scale"}, {"status", written, ""}});

Kind with_rules(Kind kind, const Rules& rules) {
    kind.apply_defaults = rules.apply_defaults;
    kind.prepare_create = rules.prepare_create;
    kind.prepare_update = rules.prepare_update;
    kind.validate = rules.validate;
    kind.validate_update = rules.validate_update;
    kind.validate_status = rules.validate_status;
    kind.warnings = rules.warnings;
    kind.prepare_status = rules.prepare_status;
    kind.update_warnings = rules.update_warnings;
    kind.is_heartbeat = rules.is_heartbeat;
    return kind;
}

const schema::GroupVersionKind& core_event() {
    static const schema::GroupVersionKind kind{"", "v1", "Event"};
    return kind;
}

// Groups as discovery lists them; within a group version by resource name.
auto make_table() {
    return std::to_array<Kind>({
        with_rules({.gvk = {"", "v1", "ConfigMap"},
                    .plural = "configmaps",
                    .singular = "configmap",
                    .list_kind = "ConfigMapList",
                    .short_names = "cm",
                    .columns = config_map_columns,
                    .cells = config_map_cells},
                   config_map_rules()),
        with_rules({.gvk = {"", "v1", "Endpoints"},
                    .plural = "endpoints",
                    .singular = "endpoints",
                    .list_kind = "EndpointsList",
                    .short_names = "ep",
                    .columns = endpoints_columns,
                    .cells = endpoints_cells,
                    .deprecation = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"},
                   endpoints_rules()),
        with_rules({.gvk = core_event(),
                    .plural = "events",
                    .singular = "event",
                    .list_kind = "EventList",
                    .short_names = "ev",
                    .is_relaxed = true,
                    .columns = event_columns,
                    .cells = event_cells,
                    .selectable_fields = event_fields},
                   event_rules()),
        with_rules({.gvk = {"", "v1", "Namespace"},
                    .plural = "namespaces",
                    .singular = "namespace",
                    .list_kind = "NamespaceList",
                    .short_names = "ns",
                    .verbs = "create,delete,get,list,patch,update,watch",
                    .is_namespaced = false,
                    .has_status = true,
                    .subresources = namespace_subresources,
                    .columns = namespace_columns,
                    .cells = namespace_cells,
                    .selectable_fields = namespace_fields},
                   namespace_rules()),
        with_rules({.gvk = {"", "v1", "Node"},
                    .plural = "nodes",
                    .singular = "node",
                    .list_kind = "NodeList",
                    .short_names = "no",
                    .is_namespaced = false,
                    .has_status = true,
                    .subresources = node_subresources,
                    .columns = node_columns,
                    .cells = node_cells,
                    .selectable_fields = node_fields},
                   node_rules()),
        with_rules({.gvk = {"", "v1", "Pod"},
                    .plural = "pods",
                    .singular = "pod",
                    .list_kind = "PodList",
                    .short_names = "po",
                    .categories = "all",
                    .has_status = true,
                    .has_generation = true,
                    .subresources = pod_subresources,
                    .columns = pod_columns,
                    .cells = pod_cells,
                    .selectable_fields = pod_fields},
                   pod_rules()),
        with_rules({.gvk = {"", "v1", "Secret"},
                    .plural = "secrets",
                    .singular = "secret",
                    .list_kind = "SecretList",
                    .columns = secret_columns,
                    .cells = secret_cells,
                    .selectable_fields = secret_fields},
                   secret_rules()),
        with_rules({.gvk = {"", "v1", "ServiceAccount"},
                    .plural = "serviceaccounts",
                    .singular = "serviceaccount",
                    .list_kind = "ServiceAccountList",
                    .short_names = "sa",
                    .subresources = service_account_subresources,
                    .columns = service_account_columns,
                    .cells = service_account_cells},
                   service_account_rules()),
        with_rules({.gvk = {"", "v1", "Service"},
                    .plural = "services",
                    .singular = "service",
                    .list_kind = "ServiceList",
                    .short_names = "svc",
                    .categories = "all",
                    .has_status = true,
                    .subresources = service_subresources,
                    .columns = service_columns,
                    .cells = service_cells,
                    .selectable_fields = service_fields},
                   service_rules()),
        with_rules({.gvk = {"apps", "v1", "Deployment"},
                    .plural = "deployments",
                    .singular = "deployment",
                    .list_kind = "DeploymentList",
                    .short_names = "deploy",
                    .categories = "all",
                    .has_status = true,
                    .has_generation = true,
                    .subresources = scaled_subresources,
                    .columns = deployment_columns,
                    .cells = deployment_cells},
                   deployment_rules()),
        with_rules({.gvk = {"apps", "v1", "ReplicaSet"},
                    .plural = "replicasets",
                    .singular = "replicaset",
                    .list_kind = "ReplicaSetList",
                    .short_names = "rs",
                    .categories = "all",
                    .has_status = true,
                    .has_generation = true,
                    .subresources = scaled_subresources,
                    .columns = replica_set_columns,
                    .cells = replica_set_cells},
                   replica_set_rules()),
        with_rules({.gvk = {"events.k8s.io", "v1", "Event"},
                    .plural = "events",
                    .singular = "event",
                    .list_kind = "EventList",
                    .short_names = "ev",
                    .is_relaxed = true,
                    .columns = event_columns,
                    .cells = new_event_cells,
                    .selectable_fields = new_event_fields,
                    .stored_as = &core_event(),
                    .to_stored = to_core_event,
                    .from_stored = to_new_event},
                   new_event_rules()),
        with_rules({.gvk = {"coordination.k8s.io", "v1", "Lease"},
                    .plural = "leases",
                    .singular = "lease",
                    .list_kind = "LeaseList",
                    .is_relaxed = true,
                    .columns = lease_columns,
                    .cells = lease_cells},
                   lease_rules()),
        with_rules({.gvk = {"discovery.k8s.io", "v1", "EndpointSlice"},
                    .plural = "endpointslices",
                    .singular = "endpointslice",
                    .list_kind = "EndpointSliceList",
                    .columns = endpoint_slice_columns,
                    .cells = endpoint_slice_cells},
                   endpoint_slice_rules()),
    });
}

}  // namespace

const Subresource* Kind::find_subresource(std::string_view name) const {
    const auto found = std::ranges::find(subresources, name, &Subresource::name);
    return found == subresources.end() ? nullptr : &*found;
}

std::span<const Kind> all() {
    static const auto table = make_table();
    return table;
}

const Kind* find(std::string_view group, std::string_view version, std::string_view plural) {
    const auto found = std::ranges::find_if(all(), [&](const Kind& kind) {
        return kind.plural == plural && kind.gvk.group == group && kind.gvk.version == version;
    });
    return found == all().end() ? nullptr : &*found;
}

const Kind* find_kind(const schema::GroupVersionKind& gvk) {
    const auto found = std::ranges::find(all(), gvk, &Kind::gvk);
    return found == all().end() ? nullptr : &*found;
}

}  // namespace services::kube::kinds
