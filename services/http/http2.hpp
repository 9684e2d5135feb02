// One HTTP/2 connection of a server (RFC 9113), over nghttp2: the same Handler as HTTP/1.1, a coroutine a stream. Internal
// to the server; no nghttp2 type shows here.
//
// Bounded: see Limits ("HTTP/2 alone") and the constants in http2.cpp. A stream holds one window of unread body and one
// piece of its answer, so a slow one neither blocks the others nor grows. Floods end in GOAWAY ENHANCE_YOUR_CALM.
#pragma once

#include <memory>

#include "services/http/message.hpp"
#include "services/http/pump.hpp"
#include "services/http/watchdog.hpp"

namespace services::http {

// What a client sends first over HTTP/2 (RFC 9113 3.4).
inline constexpr std::string_view http2_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// What all connections of a server have together.
struct Http2Load {
    std::size_t streams = 0;
    std::size_t unread_bytes = 0;
};

class Http2 {
public:
    struct Parts {
        hal::async::Executor executor;
        Handler handler;
        Limits limits;
        Peer peer;
        std::shared_ptr<Pump> pump;        // shared with the connection and a read under way
        std::shared_ptr<Http2Load> load;   // shared by the server's connections
    };
    // Throws Error{exhausted} when there is no memory for it.
    static std::shared_ptr<Http2> make(Parts parts);  // shared with the streams' coroutines
    virtual ~Http2() = default;
    // Runs to the connection's end; `watchdog` closes the pump when a write takes too long. No stream runs afterwards.
    virtual Task<> serve(Watchdog& watchdog) = 0;
    // Tells the client to open no more streams (GOAWAY, twice: RFC 9113 6.8); those that run end as they would.
    virtual void finish_soon() = 0;
};

}  // namespace services::http
