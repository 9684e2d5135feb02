#include "services/uplink/transfers.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <unistd.h>

#include "hal/base/error.hpp"
#include "services/uplink/transfer.hpp"

namespace services::uplink {

using Descriptor = boost::asio::posix::stream_descriptor;

struct Transfers::Watch {
    Descriptor descriptor;
    int what = CURL_POLL_NONE;
    bool is_reading = false, is_writing = false;
    Watch(const hal::async::Executor& executor, curl_socket_t socket) : descriptor(executor, socket) {}
};

Transfers::Transfers(hal::async::Executor executor, const Curl& curl, Relays& relays, Class which)
    : executor_(executor), curl_(curl), relays_(relays), which_(which), multi_(curl.multi_init()), timer_(executor), poke_(executor) {
    if (!multi_) throw hal::Error(hal::Code::exhausted, "libcurl: no memory");
    curl_.multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Transfers::on_socket);
    curl_.multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_.multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Transfers::on_timer);
    curl_.multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    curl_.multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS, connections_max);
    curl_.multi_setopt(multi_, CURLMOPT_MAXCONNECTS, idle_connections_max);
    curl_.multi_setopt(multi_, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
}

Transfers::~Transfers() { curl_.multi_cleanup(multi_); }

void Transfers::add(CURL* easy) {
    curl_.easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, &Transfers::on_close);
    curl_.easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, this);
    if (curl_.multi_add_handle(multi_, easy) != CURLM_OK) throw hal::Error(hal::Code::exhausted, "libcurl takes no further request");
}

void Transfers::remove(CURL* easy) { curl_.multi_remove_handle(multi_, easy); }

void Transfers::poke() {
    // Not by libcurl's own timer: it would not be told of again what that waits for.
    poke_.expires_after({});
    poke_.async_wait([this](const boost::system::error_code& failure) {
        if (!failure) act(CURL_SOCKET_TIMEOUT, 0);
    });
}

void Transfers::act(curl_socket_t socket, int events) {
    int running = 0;
    curl_.multi_socket_action(multi_, socket, events, &running);
    int left = 0;
    while (const auto* message = curl_.multi_info_read(multi_, &left)) {
        if (message->msg != CURLMSG_DONE) continue;
        const auto result = message->data.result;
        char* owner = nullptr;
        curl_.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
        reinterpret_cast<Transfer*>(owner)->finished(result);
    }
}

void Transfers::forget(curl_socket_t socket) {
    const auto it = watches_.find(socket);
    if (it == watches_.end()) return;
    it->second->what = CURL_POLL_NONE;
    it->second->descriptor.release();  // libcurl's to close
    watches_.erase(it);
}

void Transfers::wait(const std::shared_ptr<Watch>& watch, bool is_write) {
    auto& is_waiting = is_write ? watch->is_writing : watch->is_reading;
    const int wanted = is_write ? CURL_POLL_OUT : CURL_POLL_IN;
    if (is_waiting || (watch->what & wanted) == 0) return;
    is_waiting = true;
    watch->descriptor.async_wait(is_write ? Descriptor::wait_write : Descriptor::wait_read,
                                 [this, watch, is_write, wanted](const boost::system::error_code& failure) {
                                     (is_write ? watch->is_writing : watch->is_reading) = false;
                                     // One that was forgotten is not looked at: this may be gone too.
                                     if (failure || (watch->what & wanted) == 0) return;
                                     act(watch->descriptor.native_handle(), is_write ? CURL_CSELECT_OUT : CURL_CSELECT_IN);
                                     if (watch->what != CURL_POLL_NONE) wait(watch, is_write);
                                 });
}

int Transfers::on_socket(CURL*, curl_socket_t socket, int what, void* self, void*) {
    auto& transfers = *static_cast<Transfers*>(self);
    if (what == CURL_POLL_REMOVE) {
        transfers.forget(socket);
        return 0;
    }
    auto& watch = transfers.watches_[socket];
    if (!watch) watch = std::make_shared<Watch>(transfers.executor_, socket);
    watch->what = what;
    const auto held = watch;
    transfers.wait(held, false);
    transfers.wait(held, true);
    return 0;
}

int Transfers::on_timer(CURLM*, long timeout_ms, void* self) {
    auto& transfers = *static_cast<Transfers*>(self);
    if (timeout_ms < 0) {
        transfers.timer_.cancel();
        return 0;
    }
    transfers.timer_.expires_after(std::chrono::milliseconds(timeout_ms));
    transfers.timer_.async_wait([&transfers](const boost::system::error_code& failure) {
        if (!failure) transfers.act(CURL_SOCKET_TIMEOUT, 0);
    });
    return 0;
}

int Transfers::on_close(void* self, curl_socket_t socket) {
    static_cast<Transfers*>(self)->forget(socket);
    return ::close(socket);
}

}  // namespace services::uplink
