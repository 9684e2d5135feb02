// Resources as the scheduler counts them: cpu in thousandths, all others in whole units.
//
// Pure functions over Pod and Node objects. An amount that cannot be read counts as nothing: the API lets none in.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "services/kubeclient/object.hpp"

namespace services::kube::scheduler {

namespace json = boost::json;

using Amounts = std::map<std::string, std::int64_t, std::less<>>;

std::int64_t amount(const Amounts& amounts, std::string_view name);
void add(Amounts& to, const Amounts& amounts);
// status.allocatable, or capacity where it is missing.
Amounts allocatable(const json::object& node);
// What a pod holds while it runs, or needs while it starts, whichever is more: containers and restartable init containers
// together, or the largest init container beside those started before it; plus the runtime's overhead.
Amounts requests(const json::object& pod);
// The same where a container that asks for no cpu or memory counts as a small one (100m, 200 MB), so that scores spread
// such pods.
Amounts scoring_requests(const json::object& pod);

}  // namespace services::kube::scheduler
