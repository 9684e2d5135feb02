#include "services/uplink/relay.hpp"

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <array>
#include <span>

#include "hal/base/log.hpp"

namespace services::uplink {

using hal::async::Task;
using hal::net::StreamPtr;

namespace {

constexpr std::size_t up_bytes = 4 * 1024, down_bytes = 16 * 1024;
// What libcurl may write ahead of its turn.
constexpr std::size_t pair_bytes = 8 * 1024;

}  // namespace

struct Relays::Ends {
    Relays& owner;
    StreamPtr near, far;
    Class which;
    bool is_tunnel;  // each direction ends by itself; else both end together
    std::shared_ptr<Connection> connection;  // shared with the transfer that uses it
    hal::async::Event up_ended;
    std::list<Ends*>::iterator place;

    Ends(Relays& relays, StreamPtr a, StreamPtr b, Class c, bool tunnel, std::shared_ptr<Connection> state)
        : owner(relays), near(std::move(a)), far(std::move(b)), which(c), is_tunnel(tunnel), connection(std::move(state)), up_ended(relays.executor_) {
        place = owner.open_.insert(owner.open_.end(), this);
    }
    ~Ends() {
        close();
        owner.open_.erase(place);
    }
    Ends(const Ends&) = delete;
    Ends& operator=(const Ends&) = delete;
    void close() noexcept {
        if (near) near->close();
        if (far) far->close();
    }
};

int Relays::open(hal::net::Endpoint far, Class which, std::shared_ptr<Connection> connection) {
    auto pair = hal::net::socket_pair(executor_, pair_bytes);
    const int theirs = pair.theirs;
    group_.spawn("connection to " + far.to_string(), dial(std::move(pair.ours), std::move(far), which, std::move(connection)));
    return theirs;
}

Task<> Relays::dial(StreamPtr near, hal::net::Endpoint far, Class which, std::shared_ptr<Connection> connection) {
    const auto ends = std::make_shared<Ends>(*this, std::move(near), nullptr, which, false, connection);  // shared by both directions
    try {
        ends->far = co_await hal::net::dial_paced(std::move(far), dial_time_max, far_pace);
    } catch (const hal::Error& failure) {
        if (!connection->failure) connection->failure = failure;
        co_return;
    }
    if (connection->failure) co_return;  // cut meanwhile
    connection->is_up = true;
    co_await carry_both(ends, "", "");
}

Task<> Relays::carry(Side near, Side far, Class which, std::shared_ptr<Connection> connection) {
    connection->is_up = true;
    auto ends = std::make_shared<Ends>(*this, std::move(near.stream), std::move(far.stream), which, true, connection);
    co_await carry_both(std::move(ends), std::move(near.said), std::move(far.said));
}

Task<> Relays::carry_both(std::shared_ptr<Ends> ends, std::string near_said, std::string far_said) {
    hal::async::TaskGroup group(executor_, "uplink", 1);
    group.spawn("up", up(ends, std::move(near_said)));
    bool is_whole = true;
    try {
        co_await down(ends, std::move(far_said));
        if (ends->is_tunnel) co_await ends->up_ended.wait();
    } catch (const hal::Error&) {
        is_whole = false;
    }
    co_await hal::async::asio::this_coro::reset_cancellation_state();
    ends->close();
    group.cancel();
    co_await group.join();
    if (!is_whole) hal::log::debug("uplink", "a connection to {} broke", ends->connection->host);
}

Task<> Relays::up(std::shared_ptr<Ends> ends, std::string said) {
    const struct Ended {
        Ends& ends;
        ~Ended() {
            ends.up_ended.set();
            if (!ends.is_tunnel) ends.close();
        }
    } ended{*ends};
    std::vector<std::byte> buffer(std::max(up_bytes, said.size()));
    std::ranges::copy(std::as_bytes(std::span(said)), buffer.begin());
    auto have = said.size();
    try {
        for (;;) {
            if (have == 0) have = co_await ends->near->read_some(std::span(buffer).first(up_bytes));
            if (have == 0) break;
            for (std::size_t sent = 0; sent < have;) {
                const auto turn = co_await shaper_.take(ends->which, have - sent);
                co_await ends->far->write(std::span(buffer).subspan(sent, turn));
                sent += turn;
            }
            have = 0;
        }
        if (ends->is_tunnel) co_await ends->far->finish_writing();
    } catch (const hal::Error&) {
        ends->close();  // the other direction says what there is to say
    }
}

Task<> Relays::down(std::shared_ptr<Ends> ends, std::string said) {
    shaper_.count_received(ends->which, said.size());
    co_await ends->near->write(std::as_bytes(std::span(said)));
    std::vector<std::byte> buffer(down_bytes);
    for (;;) {
        const auto have = co_await ends->far->read_some(buffer);
        if (have == 0) break;
        shaper_.count_received(ends->which, have);
        co_await ends->near->write(std::span(buffer).first(have));
    }
    if (ends->is_tunnel) co_await ends->near->finish_writing();
}

void Relays::cut(const std::function<bool(const std::string&)>& is_gone) {
    for (auto* ends : open_) {
        if (!is_gone(ends->connection->host)) continue;
        ends->connection->failure = hal::Error(hal::Code::unavailable, "the line is down");
        ends->close();
    }
}

Task<> Relays::stop() {
    for (auto* ends : open_) ends->close();
    group_.cancel();
    co_await group_.join();
}

}  // namespace services::uplink
