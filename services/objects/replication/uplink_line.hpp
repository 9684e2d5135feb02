// The Line of the product: through the uplink process, which knows the way, the office's proxy and the byte budget. Our
// requests are signed already and pass it untouched.
#pragma once

#include <string>

#include "services/objects/replication/line.hpp"
#include "services/uplink/client/client.hpp"

namespace services::objects::replication {

class UplinkLine : public Line {
public:
    // `uplink` must outlive this, and be followed (Uplink::run). `endpoint`: Settings::endpoint.
    UplinkLine(uplink::client::Uplink& uplink, std::string endpoint) : uplink_(uplink), endpoint_(std::move(endpoint)) {}
    Task<http::Response> send(http::Request request, std::uint64_t body_bytes) override;
    Task<> open() override;
    Task<> report(store::Backlog backlog) override;

private:
    uplink::client::Uplink& uplink_;
    std::string endpoint_;
};

}  // namespace services::objects::replication
