#include "services/http/pump.hpp"

#include <boost/asio/co_spawn.hpp>

#include "hal/base/error.hpp"

namespace services::http {

using hal::async::Task;

namespace {

constexpr std::size_t read_bytes = 16 * 1024;

}  // namespace

Pump::Pump(hal::async::Executor executor, hal::net::StreamPtr stream)
    : executor_(executor), stream_(std::move(stream)), arrived_(executor) {}

void Pump::start() {
    if (is_reading_ || is_ended_ || !stream_ || buffer.size() >= buffer_bytes_max) return;
    is_reading_ = true;
    arrived_.clear();
    // read_once() catches what a stream may throw; what else there is would be our own bug, and ends the read.
    boost::asio::co_spawn(executor_, read_once(shared_from_this()),
                          [self = shared_from_this()](std::exception_ptr failure) {
                              self->is_reading_ = false;
                              if (failure) self->is_ended_ = true;
                              self->arrived_.set();
                          });
}

Task<> Pump::read_once(std::shared_ptr<Pump> self) {
    if (self->scratch_.empty()) self->scratch_.resize(read_bytes);
    std::size_t count = 0;
    bool was_reset = false;
    try {
        count = co_await self->stream_->read_some(self->scratch_);
    } catch (const hal::Error&) {
        was_reset = true;
    }
    self->buffer.append(reinterpret_cast<const char*>(self->scratch_.data()), count);
    if (count > 0) co_return;
    self->is_ended_ = true;
    if (self->when_ended_) self->when_ended_(was_reset);
}

Task<Pump::Outcome> Pump::more(std::chrono::steady_clock::duration limit) {
    const auto before = buffer.size();
    start();
    if (is_reading_ && !co_await arrived_.wait_for(limit)) co_return Outcome::timed_out;
    co_return buffer.size() > before ? Outcome::bytes : Outcome::end;
}

}  // namespace services::http
