#include "services/uplink/client/client.hpp"

#include <boost/json/parse.hpp>

#include <algorithm>

#include "hal/base/log.hpp"

namespace services::uplink::client {

using hal::Code;
using hal::Error;
using hal::async::Task;

namespace {

// The uplink is a process of this box: it is away for as long as its start takes.
constexpr std::chrono::milliseconds again_after{500};
constexpr std::size_t refusal_bytes_max = 8 * 1024;
constexpr std::size_t connections_max = 128;

http::ClientOptions options_for(const std::filesystem::path& run_folder) {
    http::ClientOptions options;
    options.origin = {(run_folder / socket_name).string(), 0, true};
    options.connections_max = connections_max;
    options.answer_time_max = {};  // the uplink has limits of its own; a body may wait long for its turn
    return options;
}

// "https://host:9000/path" -> "host:9000".
std::string authority_of(const std::string& target) {
    const auto start = target.find("://");
    if (start == target.npos) throw Error(Code::invalid, "'" + target + "' is no whole address");
    return target.substr(start + 3, target.find_first_of("/?", start + 3) - start - 3);
}

// Throws what the uplink answers by itself; returns when the answer is the destination's.
Task<> check(http::Response& response) {
    const auto* name = response.headers.find(error_field);
    if (!name) co_return;
    const auto* refusal = refusal_of(*name);
    std::string text = response.stream ? co_await response.stream->read_all(refusal_bytes_max) : response.body;
    while (text.ends_with('\n')) text.pop_back();
    throw Error(refusal ? refusal->code : Code::unavailable, text.empty() ? "the uplink: " + *name : text);
}

}  // namespace

Uplink::Uplink(hal::async::Executor executor, const std::filesystem::path& run_folder) : client_(executor, options_for(run_folder)), changed_(executor) {}
Uplink::~Uplink() = default;

Task<http::Response> Uplink::send(Class which, http::Request request) {
    if (!request.headers.find("Host")) request.headers.set("Host", authority_of(request.target));
    request.headers.set(std::string(class_field), std::string(name_of(which)));
    auto response = co_await client_.send(std::move(request));
    co_await check(response);
    co_return response;
}

Task<Uplink::Tunnel> Uplink::tunnel(Class which, std::string host_port) {
    http::Request request;
    request.method = "CONNECT";
    request.target = host_port;
    request.headers.set("Host", host_port);
    request.headers.set(std::string(class_field), std::string(name_of(which)));
    auto upgraded = co_await client_.upgrade(std::move(request));
    if (!upgraded.stream) {
        co_await check(upgraded.response);
        throw Error(Code::unavailable, host_port + ": the uplink answers " + std::to_string(upgraded.response.status));
    }
    co_return Tunnel{std::move(upgraded.stream), std::move(upgraded.early)};
}

Task<std::optional<std::chrono::seconds>> Uplink::report(Backlog backlog) {
    http::Request request;
    request.method = "PUT";
    request.target = std::string(backlogs_path);
    request.body = to_json(backlog);
    auto response = co_await client_.send(std::move(request));
    const auto text = response.stream ? co_await response.stream->read_all(refusal_bytes_max) : response.body;
    if (response.status != 200) throw Error(response.status == 404 ? Code::not_found : Code::invalid, "the uplink takes no backlog of " + backlog.upstream + ": " + text);
    boost::system::error_code failure;
    const auto answer = boost::json::parse(text, failure);
    const auto* seconds = !failure && answer.is_object() ? answer.get_object().if_contains("seconds") : nullptr;
    if (!seconds || !seconds->is_int64()) co_return std::nullopt;
    co_return std::chrono::seconds(seconds->get_int64());
}

void Uplink::hear(std::vector<DestinationState> states) {
    states_ = std::move(states);
    heard_ = std::chrono::steady_clock::now();
    changed_.set();
    changed_.clear();  // who waited has been woken
}

Task<> Uplink::follow() {
    http::Request request;
    request.method = "GET";
    request.target = std::string(events_path);
    auto response = co_await client_.send(std::move(request));
    if (response.status != 200 || !response.stream) throw Error(Code::unavailable, "the uplink tells no events: status " + std::to_string(response.status));
    std::string text;
    for (;;) {
        auto piece = co_await response.stream->read();
        if (piece.empty()) co_return;
        text += piece;
        for (auto end = text.find('\n'); end != text.npos; end = text.find('\n')) {
            if (auto states = states_of(std::string_view(text).substr(0, end))) hear(std::move(*states));
            text.erase(0, end + 1);
        }
        if (text.size() > event_bytes_max) throw Error(Code::corrupt, "the uplink's events: a line without end");
    }
}

Task<> Uplink::run() {
    for (;;) {
        try {
            co_await follow();
        } catch (const Error& failure) {
            if (failure.code() == Code::cancelled) throw;
            hal::log::debug("uplink", "{}", failure.what());
        }
        hear({});  // until it is heard again there is no way
        co_await hal::async::sleep_for(again_after);
    }
}

std::optional<DestinationState> Uplink::state(std::string_view upstream) const {
    const auto it = std::ranges::find(states_, upstream, &DestinationState::name);
    if (it == states_.end()) return std::nullopt;
    return *it;
}

Task<> Uplink::wait_ready(std::string upstream) {
    for (;;) {
        const auto now = state(upstream);
        if (!now || !now->is_reachable) {
            co_await changed_.wait();
            continue;
        }
        const auto left = heard_ + now->retry - std::chrono::steady_clock::now();
        if (left <= left.zero()) co_return;
        co_await changed_.wait_for(left);
    }
}

}  // namespace services::uplink::client
