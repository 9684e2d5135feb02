// Bytes that several coroutines send over one Stream, whose write() is for one at a time. Who has something to send
// appends to pending() and awaits flush(): bytes leave in the order they were appended, whoever sends them.
//
// Owns no stream. After a write that failed or was cancelled part of it may be out, so everything after is refused.
#pragma once

#include <span>
#include <string>
#include <utility>

#include "hal/async/task.hpp"
#include "hal/base/error.hpp"
#include "hal/net/stream.hpp"

namespace hal::net {

class Outbox {
public:
    explicit Outbox(async::Executor executor) : flushed_(std::move(executor)) {}
    std::string& pending() { return pending_; }

    // Returns when nothing is pending and nothing is being written.
    Task<> flush(Stream& stream) {
        while (!pending_.empty() || is_flushing_) {
            if (is_flushing_) {
                co_await flushed_.wait();
                continue;
            }
            if (is_broken_) throw Error(Code::unavailable, "write to " + stream.remote().to_string() + ": an earlier one failed");
            is_flushing_ = true;
            is_broken_ = true;
            flushed_.clear();
            // However the write ends, the others are not left waiting.
            const struct Done {
                Outbox& outbox;
                ~Done() {
                    outbox.is_flushing_ = false;
                    outbox.flushed_.set();
                }
            } done{*this};
            sending_.clear();
            std::swap(sending_, pending_);
            co_await stream.write(std::as_bytes(std::span(sending_)));
            is_broken_ = false;
        }
    }

private:
    std::string pending_;
    std::string sending_;
    bool is_flushing_ = false;
    bool is_broken_ = false;
    async::Event flushed_;
};

}  // namespace hal::net
