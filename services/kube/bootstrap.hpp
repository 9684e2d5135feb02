// What every cluster has before anybody asks for it: the namespaces default, kube-system, kube-public and kube-node-lease, and
// the Service default/kubernetes with its endpoints. Made through the API, as user system:apiserver.
#pragma once

#include "hal/async/task.hpp"
#include "services/http/message.hpp"

namespace services::kube {

// What is there already is left as it is. Throws Error when the API refuses.
hal::async::Task<> make_cluster_objects(http::Handler api);

// `api` as a caller of this process: `user`, and `agent` for the managed fields of what it writes.
http::Handler as_user(http::Handler api, std::string user, std::vector<std::string> groups, std::string agent);

}  // namespace services::kube
