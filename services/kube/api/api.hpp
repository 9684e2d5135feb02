// The API server's inner shape: what a request is given (Api), what it asks (ResourceRequest), and what handlers look
// like. Shared by all files of this folder; whoever adds a subresource programs against this page, status.hpp and
// objects.hpp.
//
// A handler is a plain function that is awaited at once: its references outlive it. It throws StatusError.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <boost/json/object.hpp>

#include <map>
#include <string>
#include <vector>

#include "hal/async/pool.hpp"
#include "hal/async/task.hpp"
#include "hal/base/clock.hpp"
#include "services/http/message.hpp"
#include "services/kube/auth/user.hpp"
#include "services/kube/kinds/kind.hpp"
#include "services/kube/store/store.hpp"

namespace services::kube::auth {
class Authenticator;
class Authorizer;
class Tokens;
}  // namespace services::kube::auth

namespace services::kube::api {

namespace json = boost::json;
namespace json = boost::json;
using hal::async::Task;

class Addresses;  // addresses.hpp: cluster addresses and node ports

// One per process; outlives every request. No object is cached here.
struct Api {
    hal::async::Executor executor;
    store::Store& store;
    const hal::Clock& clock;
    hal::async::Pool& pool;
    const auth::Authenticator& authenticator;
    const auth::Authorizer& authorizer;
    const auth::Tokens& tokens;
    Addresses& addresses;
    // config::Service::credentials: ca.crt, service-account.key, kubelet-client.crt, kubelet-client.key.
    const std::map<std::string, std::string>& credentials;
    std::string site;
};

struct ResourceRequest {
    const kinds::Kind* kind = nullptr;
    std::string name_space;   // "" for cluster-scoped kinds and for all namespaces
    std::string name;         // "" for collections
    std::string subresource;  // "status", "log", ...
    std::string subpath;      // behind a subresource, for proxies: "/metrics/x"; still percent-encoded
    std::string verb;         // get, list, watch, create, update, patch, delete, deletecollection
    auth::User user;
    http::Request http;       // the body is read into http.body, except for subresources that stream (is_streamed)
    bool is_dry_run = false;  // dryRun=All, checked
    std::string field_manager;             // query fieldManager, checked
    std::vector<std::string> warnings;     // become `Warning: 299` headers
    [[nodiscard]] std::string query(std::string_view key) const {
        const auto* value = http.query_value(key);
        return value ? *value : std::string();
    }
};

using Handler = Task<http::Response> (*)(Api& api, ResourceRequest& request);

}  // namespace services::kube::api
