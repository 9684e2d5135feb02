// One request to a destination and its answer, by libcurl. Streams both ways: at most `buffer_bytes` of each body are held.
// Destroyed, it is abandoned. The owner outlives no Transfers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "services/http/message.hpp"
#include "services/uplink/settings.hpp"
#include "services/uplink/transfers.hpp"

namespace services::uplink {

struct Outgoing {
    std::string method;
    config::Url url;
    std::vector<std::pair<std::string, std::string>> fields;  // Host among them
    bool has_body = false;
    std::optional<std::uint64_t> body_bytes;  // none: not known (chunked)
    const Destination* destination = nullptr;
    const OfficeProxy* proxy = nullptr;  // null: directly
};

struct Answer {
    unsigned status = 0;
    std::vector<std::pair<std::string, std::string>> fields;  // without those of the connection
};

class Transfer {
public:
    static constexpr std::size_t buffer_bytes = 64 * 1024;

    Transfer(Transfers& transfers, Outgoing outgoing);
    ~Transfer();
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;

    // Sends a piece of the body; returns when there is room for the next or the body is not wanted any more. Throws
    // Error{timed_out} when nothing was taken for `stall_time_max`.
    hal::async::Task<> offer(std::string piece);
    void end_body();
    // The body is not wanted any more: refused, or failed.
    [[nodiscard]] bool is_settled() const { return is_finished_ || (is_headed_ && answer_.status >= 400); }
    // The answer's head. Throws Failure.
    hal::async::Task<Answer> head();
    // The next piece of the answer's body, "" at its end. Throws Failure.
    hal::async::Task<std::string> read();

    struct Failure : hal::Error {
        Failure(const client::Refusal& why, const std::string& message) : hal::Error(why.code, message), refusal(&why) {}
        const client::Refusal* refusal;
    };

private:
    friend class Transfers;
    void finished(CURLcode result);
    void resume();
    void set_options();
    void set_proxy();
    void set_tls();
    void set_fields();
    [[noreturn]] void fail() const;
    template <class Value>
    void set(CURLoption option, Value value);

    static std::size_t on_read(char* into, std::size_t size, std::size_t count, void* self);
    static std::size_t on_write(char* from, std::size_t size, std::size_t count, void* self);
    static std::size_t on_header(char* from, std::size_t size, std::size_t count, void* self);
    static curl_socket_t on_open(void* self, curlsocktype purpose, curl_sockaddr* address);
    static int on_opened(void* self, curl_socket_t socket, curlsocktype purpose);
    void take_header(std::string_view line);

    Transfers& transfers_;
    Outgoing outgoing_;
    using Easy = std::unique_ptr<CURL, decltype(&::curl_easy_cleanup)>;
    using List = std::unique_ptr<curl_slist, decltype(&::curl_slist_free_all)>;
    List fields_, connect_to_;
    Easy easy_;  // goes before what it was told to use
    std::array<char, CURL_ERROR_SIZE> error_{};
    std::shared_ptr<Connection> connection_;  // shared with the relay of the connection that was opened last
    hal::async::Event changed_;
    std::string upload_, download_;
    bool is_body_ended_ = false, is_read_paused_ = false, is_write_paused_ = false;
    bool is_headed_ = false, is_finished_ = false, is_added_ = false;
    Answer answer_;
    CURLcode result_ = CURLE_OK;
};

}  // namespace services::uplink
