// The rules of one kind beside its row in the table: private to this folder. A file NAME.cpp holds one kind's rules and
// hands them to table.cpp through the function below; a null pointer means that there is nothing to do.
#pragma once

#include "services/kube/kinds/kind.hpp"

namespace services::kube::kinds {

struct Rules {
    void (*apply_defaults)(json::object& object) = nullptr;
    void (*prepare_create)(json::object& object) = nullptr;
    void (*prepare_update)(json::object& object, const json::object& before) = nullptr;
    Causes (*validate)(const json::object& object) = nullptr;
    Causes (*validate_update)(const json::object& object, const json::object& before) = nullptr;
    Causes (*validate_status)(const json::object& object, const json::object& before) = nullptr;
    std::vector<std::string> (*warnings)(const json::object& object) = nullptr;
    void (*prepare_status)(json::object& object, const json::object& before) = nullptr;
    std::vector<std::string> (*update_warnings)(const json::object& object, const json::object& before) = nullptr;
    bool (*is_heartbeat)(const json::object& object, const json::object& before) = nullptr;
};

const Rules& pod_rules();
const Rules& service_rules();
const Rules& deployment_rules();
const Rules& replica_set_rules();

const Rules& namespace_rules();
const Rules& node_rules();
const Rules& config_map_rules();
const Rules& secret_rules();
const Rules& service_account_rules();
const Rules& event_rules();      // v1
const Rules& new_event_rules();  // events.k8s.io/v1
const Rules& endpoints_rules();
const Rules& endpoint_slice_rules();
const Rules& lease_rules();

}  // namespace services::kube::kinds
