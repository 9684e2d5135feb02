// One accepted connection: reads requests, calls the handler, sends answers, until either side has had enough. Internal
// to the server. Cancelled through `stop` (a client that went away, the end of a drain).
#pragma once

#include <boost/asio/cancellation_signal.hpp>

#include <memory>

#include "hal/net/tls.hpp"
#include "services/http/http2.hpp"
#include "services/http/message.hpp"
#include "services/http/pump.hpp"
#include "services/http/watchdog.hpp"

namespace services::http {

class Parser;
struct Head;

class Connection : public std::enable_shared_from_this<Connection> {
public:
    Connection(hal::async::Executor executor, Handler handler, Limits limits, std::shared_ptr<Http2Load> load);
    // Runs to the connection's end.
    Task<> serve(hal::net::StreamPtr plain, std::shared_ptr<const hal::net::TlsServerContext> tls);
    // The request that runs is the last one; an idle connection closes now.
    void finish_soon();
    boost::asio::cancellation_signal stop;

private:
    Task<bool> wants_http2();
    Task<bool> serve_request();
    Task<std::unique_ptr<Parser>> read_head(Head& head, bool& is_refused);
    Task<> refuse(unsigned status, std::string message);
    Task<bool> take_over(const Head& head, Response& response);
    Task<> send_answer(const Head& head, Response& response, bool keep_alive);
    Task<> write(std::string bytes);
    Task<> send_file(hal::net::FileRange range);
    Task<> linger();
    void client_ended(bool was_reset);
    Peer peer() const;

    hal::async::Executor executor_;
    Handler handler_;
    Limits limits_;
    std::shared_ptr<Pump> pump_;  // shared with a read under way
    std::unique_ptr<Watchdog> watchdog_;
    std::shared_ptr<Http2Load> load_;  // shared by the server's connections
    std::shared_ptr<Http2> http2_;     // shared with its streams; null over HTTP/1.1
    bool is_first_request_ = true;
    bool is_idle_ = false;
    bool is_finishing_ = false;
    bool is_streaming_answer_ = false;
    bool has_unread_body_ = false;
};

}  // namespace services::http
