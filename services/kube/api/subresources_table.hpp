// The handlers behind subresources.hpp, one declaration per row of its table. Private to subresources*.cpp and proxy*.cpp.
#pragma once

#include <functional>
#include <string>

#include "services/kube/api/api.hpp"

namespace services::kube::api {

Task<http::Response> scale(Api& api, ResourceRequest& request);
Task<http::Response> bind_pod(Api& api, ResourceRequest& request);
Task<http::Response> evict_pod(Api& api, ResourceRequest& request);
Task<http::Response> request_token(Api& api, ResourceRequest& request);
Task<http::Response> finalize_namespace(Api& api, ResourceRequest& request);

Task<http::Response> pod_log(Api& api, ResourceRequest& request);
Task<http::Response> pod_exec(Api& api, ResourceRequest& request);
Task<http::Response> pod_attach(Api& api, ResourceRequest& request);
Task<http::Response> pod_port_forward(Api& api, ResourceRequest& request);
Task<http::Response> node_proxy(Api& api, ResourceRequest& request);
Task<http::Response> pod_proxy(Api& api, ResourceRequest& request);
Task<http::Response> service_proxy(Api& api, ResourceRequest& request);

Task<http::Response> create_binding(Api& api, ResourceRequest& request);
Task<http::Response> review_token(Api& api, ResourceRequest& request);
Task<http::Response> review_self(Api& api, ResourceRequest& request);
Task<http::Response> review_own_access(Api& api, ResourceRequest& request);
Task<http::Response> review_access(Api& api, ResourceRequest& request);
Task<http::Response> review_local_access(Api& api, ResourceRequest& request);
Task<http::Response> review_own_rules(Api& api, ResourceRequest& request);

Task<http::Response> serve_key_set(Api& api, ResourceRequest& request);
Task<http::Response> serve_openid_configuration(Api& api, ResourceRequest& request);

// A kind that is surely in the table: pods, nodes, ...
const kinds::Kind& core_kind(std::string_view plural);

// Lets `change` alter the stored object and writes it without the kind's update rules, again when another writer was
// faster, at most `attempts_max` times. What a Binding does: a pod's node may not be set by an update.
Task<json::object> change_stored(Api& api, const ResourceRequest& request, const kinds::Kind& kind, std::string name_space,
                                 std::string name, std::function<void(json::object&)> change);

// The query's dry run and field manager, checked. `options`: "CreateOptions", as errors name them.
void take_options(ResourceRequest& request, std::string_view options);
// The body of a POST, after its options.
json::object decode_created(ResourceRequest& request, const schema::GroupVersionKind& gvk);

// A Status without details: what bindings and evictions answer.
http::Response created_status();

}  // namespace services::kube::api
