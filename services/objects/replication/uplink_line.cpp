#include "services/objects/replication/uplink_line.hpp"

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"

namespace services::objects::replication {
namespace {

constexpr auto upstream = "objects";  // the uplink's name for it

}  // namespace

Task<http::Response> UplinkLine::send(http::Request request, std::uint64_t body_bytes) {
    request.target = endpoint_ + request.target;
    if (request.stream) request.headers.set("Content-Length", std::to_string(body_bytes));
    co_return co_await uplink_.send(uplink::client::Class::backlog, std::move(request));
}

Task<> UplinkLine::open() { co_await uplink_.wait_ready(upstream); }

Task<> UplinkLine::report(store::Backlog backlog) {
    try {
        co_await uplink_.report({upstream, uplink::client::Class::backlog, backlog.entries, backlog.bytes, backlog.oldest.value_or(hal::WallTime{})});
    } catch (const hal::Error& error) {
        // Only the forecast is missing then; the backlog itself is in our metrics.
        if (error.code() == hal::Code::cancelled) throw;
        hal::log::debug("objects", "the uplink did not hear of the backlog: {}", error.what());
    }
}

}  // namespace services::objects::replication
