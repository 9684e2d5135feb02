#include "services/kubeclient/connection.hpp"

namespace services::kubeclient {

Connection::Connection(const config::Service& service) {
    auto address = service.api_server;
    http::ClientOptions options;
    if (address.starts_with("https://")) {
        address.erase(0, 8);
        hal::net::TlsClientOptions tls;
        tls.ca_pem = service.credential("ca.crt");
        tls.certificate_pem = service.credential("client.crt");
        tls.key_pem = service.credential("client.key");
        options.tls = hal::net::TlsClientContext::make(tls);
    } else if (address.starts_with("http://")) {
        address.erase(0, 7);
    }
    while (address.ends_with('/')) address.pop_back();
    options.origin = hal::net::Endpoint::parse(address);
    options.server_name = options.origin.address;
    http_ = std::make_unique<http::Client>(service.executor, std::move(options));
}

Client Connection::client() { return {http_->handler(), {}}; }

}  // namespace services::kubeclient
