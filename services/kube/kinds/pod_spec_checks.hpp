// The parts of a PodSpec's validation, one file each; private to pod_spec_*.cpp.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "services/kube/kinds/pod_spec.hpp"

namespace services::kube::kinds {

// What the parts share. References live as long as check_pod_spec runs.
struct PodSpecCheck {
    Report& report;
    const json::object& spec;
    const json::object* metadata;                               // of the Pod; null in a template
    std::map<std::string_view, const json::object*> volumes{};  // those that are valid, by name
    std::set<std::string_view> claims{};                        // names of spec.resourceClaims
    std::size_t claims_told = 0;                                // characters of them in causes
    std::optional<std::int64_t> grace_seconds{};
    bool has_host_users = true;
};

// pod_spec_volumes.cpp, pod_spec_projected.cpp, pod_spec_claim_template.cpp
void check_volumes(PodSpecCheck& check, const Path& path);
void check_key_to_path(Report& report, const Path& path, const json::object& item);
void check_downward_file(Report& report, const Path& path, const json::object& file);
void check_projected(PodSpecCheck& check, const Path& path, const json::object& projected);
void check_claim_template(Report& report, const Path& path, const json::object& claim_template);
void check_mode(Report& report, const Path& path, const json::object& holder, std::string_view name);
void check_user(Report& report, const Path& path, const json::object& holder, std::string_view name);
void check_descending_path(Report& report, const Path& path, std::string_view text);
void check_no_backsteps(Report& report, const Path& path, std::string_view text);
void check_local_path(Report& report, const Path& path, std::string_view text);  // relative, no .., no leading ..

// pod_spec_containers.cpp
void check_containers(PodSpecCheck& check, const Path& path);
void check_init_containers(PodSpecCheck& check, const Path& path);
void check_ephemeral_containers(PodSpecCheck& check, const Path& path);
void check_pull_policy(Report& report, const Path& path, std::string_view policy);
void check_no_padded_image(Report& report, const Path& path, const json::object& container);

// pod_spec_mounts.cpp
void check_mounts(PodSpecCheck& check, const Path& path, const json::object& container);
void check_devices(PodSpecCheck& check, const Path& path, const json::object& container);

// pod_spec_env.cpp
void check_env(PodSpecCheck& check, const Path& path, const json::array& variables);
void check_env_from(PodSpecCheck& check, const Path& path, const json::array& sources);
void check_field_selector(Report& report, const Path& path, const json::object& selector, bool is_volume);
void check_resource_selector(Report& report, const Path& path, const json::object& selector, bool is_volume);
void check_file_key_volumes(PodSpecCheck& check, const Path& path);

// pod_spec_probes.cpp
void check_probes(PodSpecCheck& check, const Path& container_path, const json::object& container);
void check_lifecycle(PodSpecCheck& check, const Path& path, const json::object& lifecycle);
void check_port_number_or_name(Report& report, const Path& path, const json::value* port);

// pod_spec_amounts.cpp: resource requirements
void check_requirements(PodSpecCheck& check, const Path& path, const json::object& requirements, bool is_pod_level = false);
void check_pod_level_requirements(PodSpecCheck& check, const Path& path);
void check_quantity(Report& report, const Path& path, std::string_view resource, const json::value& amount);

// pod_spec_security.cpp, pod_spec_windows.cpp
void check_container_security(PodSpecCheck& check, const Path& path, const json::object& container);
void check_pod_security(PodSpecCheck& check, const Path& path);
void check_windows_options(Report& report, const Path& path, const json::object& security_context);
void check_host_process(PodSpecCheck& check, const Path& path);
void check_operating_system(PodSpecCheck& check, const Path& path);
void check_security_annotations(Report& report, const Path& path, const json::object& annotations, const json::object& spec);

// pod_spec_scheduling.cpp, pod_spec_affinity.cpp
void check_tolerations(Report& report, const Path& path, const json::array& tolerations);
void check_spread(PodSpecCheck& check, const Path& path);
void check_affinity(PodSpecCheck& check, const Path& path);
void check_label_keys(Report& report, const Path& path, const json::object& term);

// Calls `visit(container, path)` for init containers, containers and ephemeral containers.
template <typename Visit>
void visit_containers(const json::object& spec, const Path& spec_path, Visit&& visit) {
    for (const auto* list : {"initContainers", "containers", "ephemeralContainers"}) {
        const auto* value = spec.if_contains(list);
        if (value == nullptr || !value->is_array()) continue;
        std::size_t at = 0;
        for (const auto& element : value->get_array()) {
            const auto path = spec_path.child(list).index(at++);
            if (element.is_object()) visit(element.get_object(), path);
        }
    }
}

}  // namespace services::kube::kinds
