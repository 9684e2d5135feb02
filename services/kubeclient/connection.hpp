// A service's way to the API server that it was given: pooled connections with its own client certificate.
#pragma once

#include <memory>

#include "services/config/service.hpp"
#include "services/http/client.hpp"
#include "services/kubeclient/client.hpp"

namespace services::kubeclient {

// Owns the connections; outlives every Client made of it.
class Connection {
public:
    // By service.api_server ("https://127.0.0.1:6443") and the credentials ca.crt, client.crt, client.key.
    explicit Connection(const config::Service& service);
    [[nodiscard]] Client client();

private:
    std::unique_ptr<http::Client> http_;
};

}  // namespace services::kubeclient
