// The way to the S3 service upstream: the uplink's client in the product, a service of this process in tests.
#pragma once

#include "services/http/message.hpp"
#include "services/objects/store/store.hpp"

namespace services::objects::replication {

using hal::async::Task;

class Line {
public:
    Line() = default;
    virtual ~Line() = default;
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;

    // Sends `request` (method, target, headers; its `stream` is the body, `body_bytes` long). Throws hal::Error when no answer
    // came: the way is cut, or the uplink holds back.
    virtual Task<http::Response> send(http::Request request, std::uint64_t body_bytes) = 0;
    // Returns when there is a way and nothing speaks against using it now.
    virtual Task<> open() = 0;
    // Says how much waits, for forecasts.
    virtual Task<> report(store::Backlog backlog) = 0;
};

}  // namespace services::objects::replication
