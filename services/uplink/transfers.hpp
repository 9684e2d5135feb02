// libcurl's multi interface on the loop: one per class, so that a connection carries bytes of one class alone. HTTP/1.1, by
// choice: one request at a time on a connection is what makes its bytes those of one class, and field names stay as written.
//
// libcurl never touches the network: each connection it opens is one end of a socket pair whose other end is a relay
// (relay.hpp), which dials and waits for its turn. Nothing here blocks, resolves or starts a thread. Bounded: `connections_max`
// to one destination, `idle_connections_max` kept.
#pragma once

#include <boost/asio/steady_timer.hpp>

#include <map>
#include <memory>

#include "hal/async/task.hpp"
#include "services/uplink/curl.hpp"
#include "services/uplink/relay.hpp"

namespace services::uplink {

class Transfer;

class Transfers {
public:
    static constexpr long connections_max = 8, idle_connections_max = 4;

    Transfers(hal::async::Executor executor, const Curl& curl, Relays& relays, Class which);
    ~Transfers();
    Transfers(const Transfers&) = delete;
    Transfers& operator=(const Transfers&) = delete;

    [[nodiscard]] const Curl& curl() const { return curl_; }
    [[nodiscard]] hal::async::Executor executor() const { return executor_; }
    Relays& relays() { return relays_; }
    [[nodiscard]] Class which() const { return which_; }
    void add(CURL* easy);
    void remove(CURL* easy);
    // After a pause was lifted: lets libcurl go on.
    void poke();

private:
    struct Watch;
    static int on_socket(CURL* easy, curl_socket_t socket, int what, void* self, void* unused);
    static int on_timer(CURLM* multi, long timeout_ms, void* self);
    static int on_close(void* self, curl_socket_t socket);
    void wait(const std::shared_ptr<Watch>& watch, bool is_write);
    void act(curl_socket_t socket, int events);
    void forget(curl_socket_t socket);

    friend class Transfer;
    hal::async::Executor executor_;
    const Curl& curl_;
    Relays& relays_;
    Class which_;
    CURLM* multi_;
    std::map<curl_socket_t, std::shared_ptr<Watch>> watches_;  // shared with the waits under way
    boost::asio::steady_timer timer_, poke_;
};

}  // namespace services::uplink
