#include "services/kubelet/streams/handshake.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <vector>

#include "hal/base/error.hpp"
#include "hal/net/outbox.hpp"

namespace services::kubelet::streams {

using hal::async::Task;

namespace {

constexpr std::string_view spdy_upgrade = "SPDY/3.1";

// Every value of a header that may come several times, each a list.
std::vector<std::string> values_of(const http::Request& request, std::string_view name) {
    std::vector<std::string> values;
    const auto same = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
    for (const auto& [field, list] : request.headers.all()) {
        if (!std::ranges::equal(field, name, same)) continue;
        for (std::size_t at = 0; at < list.size();) {
            const auto end = std::min(list.find(',', at), list.size());
            auto one = std::string_view(list).substr(at, end - at);
            while (one.starts_with(' ')) one.remove_prefix(1);
            while (one.ends_with(' ')) one.remove_suffix(1);
            if (!one.empty()) values.emplace_back(one);
            at = end + 1;
        }
    }
    return values;
}

template <class List>
std::string joined(const List& list) {
    std::string text;
    for (const auto& one : list) text += (text.empty() ? "" : " ") + std::string(one);
    return text;
}

// A connection's bytes as messages, whatever their bounds.
class RawSocket : public http::WebSocket {
public:
    RawSocket(hal::async::Executor executor, hal::net::StreamPtr stream, std::string early)
        : stream_(std::move(stream)), early_(std::move(early)), outbox_(std::move(executor)) {}
    Task<std::optional<http::WebSocketMessage>> read() override {
        if (!early_.empty()) co_return http::WebSocketMessage{false, std::exchange(early_, {})};
        std::array<std::byte, 16 * 1024> bytes;
        const auto count = co_await stream_->read_some(bytes);
        if (count == 0) co_return std::nullopt;
        co_return http::WebSocketMessage{false, std::string(reinterpret_cast<const char*>(bytes.data()), count)};
    }
    Task<> write(std::string bytes, bool) override {
        outbox_.pending() += bytes;
        co_await outbox_.flush(*stream_);
    }
    Task<> ping() override { co_return; }
    Task<> close(std::uint16_t, std::string) override { co_await stream_->finish_writing(); }
    [[nodiscard]] const std::string& protocol() const override { return protocol_; }

private:
    hal::net::StreamPtr stream_;
    std::string early_, protocol_ = std::string(spdy_upgrade);
    hal::net::Outbox outbox_;
};

}  // namespace

std::expected<Handshake, Refusal> handshake_of(const http::Request& request, std::initializer_list<std::string_view> web,
                                               std::initializer_list<std::string_view> spdy) {
    const bool is_spdy = std::ranges::contains(values_of(request, "Upgrade"), spdy_upgrade);
    if (!is_spdy && !request.headers.find("Sec-WebSocket-Key")) return std::unexpected(Refusal{400, "Upgrade request required"});
    const auto offered = values_of(request, is_spdy ? "X-Stream-Protocol-Version" : "Sec-WebSocket-Protocol");
    const auto& spoken = is_spdy ? spdy : web;
    for (const auto& one : offered)
        if (std::ranges::contains(spoken, std::string_view(one))) return Handshake{is_spdy, one};
    return std::unexpected(Refusal{403, std::format("unable to upgrade: unable to negotiate protocol: client supports [{}], server accepts [{}]",
                                                    joined(offered), joined(spoken))});
}

http::Response accepted(hal::async::Executor executor, const Handshake& handshake, std::function<Task<>(std::shared_ptr<http::WebSocket>)> serve) {
    http::Response response;
    if (!handshake.is_spdy) {
        response.websocket_protocol = handshake.protocol;
        response.websocket = [serve](std::unique_ptr<http::WebSocket> socket) { return serve(std::move(socket)); };
        return response;
    }
    response.status = 101;
    response.headers.set("Upgrade", std::string(spdy_upgrade));
    response.headers.set("X-Stream-Protocol-Version", handshake.protocol);
    response.upgrade = [serve, executor](hal::net::StreamPtr stream, std::string early) {
        return serve(std::make_shared<RawSocket>(executor, std::move(stream), std::move(early)));
    };
    return response;
}

}  // namespace services::kubelet::streams
