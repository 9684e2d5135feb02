#include "services/discovery/forwarder.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/cancel_after.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <sstream>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"

namespace services::discovery {

namespace asio = boost::asio;
namespace dns = codec::dns;
using asio::ip::udp;
using hal::async::Task;
using Steady = std::chrono::steady_clock;

namespace {

constexpr std::uint16_t edns_bytes = 1232;  // fits every path without fragments (DNS flag day 2020)

dns::Message failure() {
    dns::Message message;
    message.rcode = dns::Rcode::server_failure;
    return message;
}

bool is_answer_to(const dns::Message& answer, const dns::Message& query) {
    return answer.is_response && answer.id == query.id && answer.questions.size() == 1 &&
           answer.questions[0].type == query.questions[0].type &&
           dns::lowered(answer.questions[0].name) == dns::lowered(query.questions[0].name);
}

Task<std::optional<dns::Message>> ask_udp(udp::endpoint server, dns::Message query) {
    udp::socket socket(co_await asio::this_coro::executor);  // a port of its own for each question (RFC 5452)
    boost::system::error_code failed;
    socket.open(server.protocol(), failed);
    if (!failed) socket.connect(server, failed);  // no route: known at once
    if (failed) co_return std::nullopt;
    const auto bytes = dns::encode(query);
    co_await socket.async_send(asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, failed));
    const auto until = Steady::now() + server_time_max;
    std::array<char, 4096> buffer;
    while (!failed && Steady::now() < until) {
        const auto got = co_await socket.async_receive(
            asio::buffer(buffer), asio::cancel_after(until - Steady::now(), asio::redirect_error(asio::use_awaitable, failed)));
        if (failed) break;
        auto answer = dns::decode({buffer.data(), got});
        if (answer && is_answer_to(*answer, query)) co_return answer;  // anything else is not for us, or forged
    }
    const auto cancelled = co_await asio::this_coro::cancellation_state;
    if (cancelled.cancelled() != asio::cancellation_type::none) throw hal::Error(hal::Code::cancelled, "cancelled");
    co_return std::nullopt;
}

Task<std::optional<dns::Message>> ask_tcp(hal::net::Endpoint server, dns::Message query) {
    try {
        auto stream = co_await hal::net::dial(server, server_time_max);
        const auto bytes = dns::encode(query);
        std::string framed{static_cast<char>(bytes.size() >> 8), static_cast<char>(bytes.size() & 0xFF)};
        framed += bytes;
        co_await stream->write(std::as_bytes(std::span(framed)));
        std::string got;
        std::array<std::byte, 4096> buffer;
        for (;;) {
            const auto count = co_await stream->read_some(buffer);
            if (count == 0) co_return std::nullopt;
            got.append(reinterpret_cast<const char*>(buffer.data()), count);
            if (got.size() < 2) continue;
            const std::size_t length = static_cast<std::size_t>(static_cast<unsigned char>(got[0])) << 8 | static_cast<unsigned char>(got[1]);
            if (got.size() < 2 + length) continue;
            auto answer = dns::decode(std::string_view(got).substr(2, length));
            co_return answer && is_answer_to(*answer, query) ? answer : std::nullopt;
        }
    } catch (const hal::Error&) {
        co_return std::nullopt;
    }
}

}  // namespace

std::vector<std::string> nameservers_of(const std::string& resolv_conf) {
    std::vector<std::string> result;
    std::istringstream lines(resolv_conf);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string keyword, address;
        if (words >> keyword >> address && keyword == "nameserver" && result.size() < nameservers_max &&
            !dns::address_rdata(address.substr(0, address.find('%'))).empty())
            result.push_back(address);
    }
    return result;
}

struct Forwarder::State {
    struct Flight {
        hal::async::Event landed;
        std::optional<dns::Message> answer;
        explicit Flight(hal::async::Executor executor) : landed(std::move(executor)) {}
    };
    struct Cached {
        dns::Message answer;
        Steady::time_point stored, expires;
    };
    using Key = std::pair<std::string, std::uint16_t>;

    hal::async::Executor executor;
    std::filesystem::path resolv_conf;
    std::vector<hal::net::Endpoint> own;
    std::uint16_t port;
    std::filesystem::file_time_type read_time{};
    std::vector<std::string> servers;
    std::map<Key, std::shared_ptr<Flight>> flights;  // shared by all who asked the same
    std::map<Key, Cached> cache;

    void read_servers() {
        std::error_code absent;
        const auto time = std::filesystem::last_write_time(resolv_conf, absent);
        if (absent || time == read_time) return;
        read_time = time;
        std::ifstream file(resolv_conf);
        servers = nameservers_of(std::string(std::istreambuf_iterator<char>(file), {}));
        std::erase_if(servers, [&](const std::string& address) {
            return std::ranges::any_of(own, [&](const auto& mine) { return mine.address == address && mine.port == port; });
        });
    }

    std::optional<dns::Message> cached(const Key& key) {
        const auto it = cache.find(key);
        if (it == cache.end()) return std::nullopt;
        const auto now = Steady::now();
        if (it->second.expires <= now) {
            cache.erase(it);
            return std::nullopt;
        }
        auto answer = it->second.answer;
        const auto age = static_cast<std::uint32_t>(
            std::chrono::duration_cast<std::chrono::seconds>(now - it->second.stored).count());
        for (auto* section : {&answer.answers, &answer.authorities, &answer.additionals})
            for (auto& record : *section) record.ttl -= std::min(record.ttl, age);
        return answer;
    }

    // For the shortest time of what it holds (RFC 2308 for names that are not there), at most cache_time_max.
    void store(const Key& key, const dns::Message& answer) {
        if (answer.rcode != dns::Rcode::no_error && answer.rcode != dns::Rcode::name_error) return;
        std::uint32_t seconds = static_cast<std::uint32_t>(cache_time_max.count());
        const auto& section = answer.answers.empty() ? answer.authorities : answer.answers;
        if (section.empty()) return;
        for (const auto& record : section) seconds = std::min(seconds, record.ttl);
        if (seconds == 0) return;
        if (cache.size() >= cache_entries_max)
            cache.erase(std::ranges::min_element(cache, {}, [](const auto& one) { return one.second.expires; }));
        const auto now = Steady::now();
        cache[key] = {answer, now, now + std::chrono::seconds(seconds)};
    }

    Task<dns::Message> ask_servers(dns::Question question) {
        read_servers();
        dns::Message query;
        query.recursion_desired = true;
        query.questions.push_back(std::move(question));
        query.has_edns = true;
        query.edns_udp_bytes = edns_bytes;
        for (const auto& address : std::vector<std::string>(servers)) {
            const auto random = hal::random_bytes(2);
            query.id = static_cast<std::uint16_t>(static_cast<unsigned char>(random[0]) << 8 | static_cast<unsigned char>(random[1]));
            boost::system::error_code wrong;
            const auto parsed = asio::ip::make_address(address, wrong);
            if (wrong) continue;
            auto answer = co_await ask_udp(udp::endpoint(parsed, port), query);
            if (answer && answer->is_truncated)
                answer = co_await asio::co_spawn(executor, ask_tcp({address, port}, query), asio::use_awaitable);
            if (answer && answer->rcode != dns::Rcode::server_failure && answer->rcode != dns::Rcode::refused)
                co_return std::move(*answer);
        }
        co_return failure();
    }
};

Forwarder::Forwarder(hal::async::Executor executor, std::filesystem::path resolv_conf, std::vector<hal::net::Endpoint> own,
                     std::uint16_t port)
    : state_(std::make_unique<State>(State{executor, std::move(resolv_conf), std::move(own), port, {}, {}, {}, {}})) {}
Forwarder::~Forwarder() = default;

Task<dns::Message> Forwarder::ask(dns::Question question) {
    auto& s = *state_;
    const State::Key key{dns::lowered(question.name), question.type};
    if (auto answer = s.cached(key)) co_return std::move(*answer);
    if (const auto it = s.flights.find(key); it != s.flights.end()) {
        const auto flight = it->second;
        co_await flight->landed.wait_for(server_time_max * static_cast<int>(nameservers_max));
        co_return flight->answer.value_or(failure());
    }
    if (s.flights.size() >= asking_max) co_return failure();
    const auto flight = std::make_shared<State::Flight>(s.executor);
    s.flights.emplace(key, flight);
    std::exception_ptr stopped;
    try {
        flight->answer = co_await s.ask_servers(std::move(question));
        s.store(key, *flight->answer);
    } catch (...) {
        stopped = std::current_exception();
    }
    s.flights.erase(key);
    flight->landed.set();
    if (stopped) std::rethrow_exception(stopped);
    co_return *flight->answer;
}

}  // namespace services::discovery
