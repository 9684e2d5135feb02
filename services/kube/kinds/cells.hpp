// The cells of Table rows, one function per kind, one cell per column of columns.hpp. Private to table.cpp.
//
// Cells show what the real server's printers show: ages, `<none>`, `<unknown>`, numbers that stay numbers even in columns
// of strings.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <string>
#include <string_view>

#include "hal/base/clock.hpp"

namespace services::kube::kinds {

namespace json = boost::json;

json::array config_map_cells(const json::object& object, hal::WallTime now);
json::array deployment_cells(const json::object& object, hal::WallTime now);
json::array endpoint_slice_cells(const json::object& object, hal::WallTime now);
json::array endpoints_cells(const json::object& object, hal::WallTime now);
json::array event_cells(const json::object& object, hal::WallTime now);      // v1
json::array new_event_cells(const json::object& object, hal::WallTime now);  // events.k8s.io/v1
json::array lease_cells(const json::object& object, hal::WallTime now);
json::array namespace_cells(const json::object& object, hal::WallTime now);
json::array node_cells(const json::object& object, hal::WallTime now);
json::array pod_cells(const json::object& object, hal::WallTime now);
json::array replica_set_cells(const json::object& object, hal::WallTime now);
json::array secret_cells(const json::object& object, hal::WallTime now);
json::array service_account_cells(const json::object& object, hal::WallTime now);
json::array service_cells(const json::object& object, hal::WallTime now);

// The time since `time` (RFC 3339), "<unknown>" when it is empty.
std::string age_since(std::string_view time, hal::WallTime now);
std::string age_of(const json::object& object, hal::WallTime now);  // since metadata.creationTimestamp

}  // namespace services::kube::kinds
