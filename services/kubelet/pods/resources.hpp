// What a pod's requests and limits mean to the kernel: quality of service class, cgroup limits, the order in which the
// kernel kills. Pure functions.
#pragma once

#include <boost/json/object.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hal/process/cgroup.hpp"
#include "services/codec/quantity.hpp"

namespace services::kubelet::pods {

namespace json = boost::json;

// resources.<list>[name] of a container; requests that are not given equal the limit.
std::optional<codec::Quantity> resource_of(const json::object& container, std::string_view list, std::string_view name);

// "Guaranteed", "Burstable", "BestEffort".
std::string qos_class(const json::object& pod);
// The pod's cgroup below PARENT: "/pods/burstable/podUID" ("/pods/podUID" when guaranteed).
std::string pod_cgroup(const std::string& parent, const json::object& pod);

hal::process::CgroupLimits container_limits(const json::object& container);
// Memory and CPU quota only when every container has one.
hal::process::CgroupLimits pod_limits(const json::object& pod);
int oom_score_adjustment(const json::object& pod, const json::object& container, std::int64_t memory_capacity);

}  // namespace services::kubelet::pods
