// The resources that garbage collection and the end of a namespace go over: every kind served that can be listed, watched
// and deleted, each once, whatever versions and groups show it.
#pragma once

#include "services/kube/controllers/controller.hpp"

namespace services::kube::controllers {

std::vector<Served> served_kinds();
std::vector<Served> namespaced(std::vector<Served> served);

}  // namespace services::kube::controllers
