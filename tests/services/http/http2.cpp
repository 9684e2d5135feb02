#include <catch2/catch_test_macros.hpp>

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <functional>
#include <map>

#include "hal/base/error.hpp"
#include "tests/services/http/harness.hpp"

using namespace harness;
using namespace services::http;

namespace {

// A client by nghttp2's own client side. Gives no credit for what it receives unless `reads` says so.
class Http2Client {
public:
    struct Seen {
        std::string status, body;
        bool is_closed = false;
        std::uint32_t error = 0;
    };

    explicit Http2Client(hal::net::StreamPtr stream, bool reads = true) : stream_(std::move(stream)) {
        nghttp2_session_callbacks* callbacks = nullptr;
        nghttp2_session_callbacks_new(&callbacks);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                                                                       const std::uint8_t* value, std::size_t size, std::uint8_t, void* self) {
            if (std::string_view(reinterpret_cast<const char*>(name), name_size) == ":status")
                static_cast<Http2Client*>(self)->seen[frame->hd.stream_id].status += std::string(reinterpret_cast<const char*>(value), size);
            return 0;
        });
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, [](nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes, std::size_t size, void* self) {
            static_cast<Http2Client*>(self)->seen[id].body.append(reinterpret_cast<const char*>(bytes), size);
            return 0;
        });
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, [](nghttp2_session*, std::int32_t id, std::uint32_t error, void* self) {
            static_cast<Http2Client*>(self)->seen[id].is_closed = true;
            static_cast<Http2Client*>(self)->seen[id].error = error;
            return 0;
        });
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
            if (frame->hd.type == NGHTTP2_GOAWAY) static_cast<Http2Client*>(self)->goaways.push_back(frame->goaway.error_code);
            return 0;
        });
        nghttp2_option* option = nullptr;
        nghttp2_option_new(&option);
        nghttp2_option_set_no_auto_window_update(option, reads ? 0 : 1);
        nghttp2_session_client_new2(&session, callbacks, this, option);
        nghttp2_option_del(option);
        nghttp2_session_callbacks_del(callbacks);
        nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, nullptr, 0);
        // The connection never stands in the way: what is tested is the streams' own credit.
        nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, 1 << 30);
    }
    ~Http2Client() { nghttp2_session_del(session); }
    Http2Client(const Http2Client&) = delete;
    Http2Client& operator=(const Http2Client&) = delete;

    std::int32_t ask(std::string path, std::size_t body_bytes = 0, bool expects_continue = false) {
        std::vector<nghttp2_nv> head;
        const auto add = [&](std::string_view name, std::string_view value) {
            head.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())), reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())),
                            name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
        };
        add(":method", body_bytes > 0 ? "POST" : "GET");
        add(":scheme", "http");
        add(":authority", "localhost");
        add(":path", path);
        if (expects_continue) add("expect", "100-continue");
        nghttp2_data_provider2 provider{};
        if (body_bytes > 0) left_ = body_bytes;
        provider.source.ptr = this;
        provider.read_callback = [](nghttp2_session*, std::int32_t, std::uint8_t* into, std::size_t size, std::uint32_t* flags, nghttp2_data_source* source, void*) {
            auto& self = *static_cast<Http2Client*>(source->ptr);
            if (self.holds_body) return static_cast<nghttp2_ssize>(NGHTTP2_ERR_DEFERRED);
            const auto count = std::min(size, self.left_);
            std::fill_n(into, count, std::uint8_t{'b'});
            self.left_ -= count;
            self.sent += count;
            if (self.left_ == 0) *flags |= NGHTTP2_DATA_FLAG_EOF;
            return static_cast<nghttp2_ssize>(count);
        };
        return nghttp2_submit_request2(session, nullptr, head.data(), head.size(), body_bytes > 0 ? &provider : nullptr, nullptr);
    }

    Task<> send_all() {
        std::string out;
        const std::uint8_t* bytes = nullptr;
        while (const auto count = nghttp2_session_mem_send2(session, &bytes)) out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(count));
        if (!out.empty()) co_await send(*stream_, std::move(out));
    }

    // Sends and receives until `done`, or the server closes (false).
    Task<bool> until(std::function<bool()> done) {
        std::vector<std::byte> piece(64 * 1024);
        for (;;) {
            co_await send_all();
            if (done()) co_return true;
            const auto count = co_await stream_->read_some(piece);
            if (count == 0) co_return done();
            if (nghttp2_session_mem_recv2(session, reinterpret_cast<const std::uint8_t*>(piece.data()), count) < 0) co_return false;
        }
    }

    hal::net::Stream& stream() { return *stream_; }
    nghttp2_session* session = nullptr;
    std::map<std::int32_t, Seen> seen;
    std::vector<std::uint32_t> goaways;
    std::size_t sent = 0;
    bool holds_body = false;

private:
    hal::net::StreamPtr stream_;
    std::size_t left_ = 0;
};

// What the handlers of a test share.
struct World {
    Loop loop;
    hal::async::Event gate{loop.context.get_executor()};
    std::size_t pieces = 0, running = 0, running_max = 0;
};

// "first", then the gate, then "last".
class Watch : public BodyReader {
public:
    explicit Watch(World& world) : world_(world) {}
    Task<std::string> read() override {
        ++step_;
        if (step_ == 2) co_await world_.gate.wait();
        co_return step_ == 1 ? "first" : step_ == 2 ? "last" : "";
    }

private:
    World& world_;
    int step_ = 0;
};

class Endless : public BodyReader {
public:
    explicit Endless(World& world) : world_(world) {}
    Task<std::string> read() override {
        ++world_.pieces;
        co_return std::string(16 * 1024, 'e');
    }

private:
    World& world_;
};

Task<Response> handle(World& world, Request request) {
    struct Running {
        World& world;
        explicit Running(World& w) : world(w) { world.running_max = std::max(world.running_max, ++world.running); }
        ~Running() { --world.running; }
    } running(world);
    auto response = text_response(200, "");
    if (request.path == "/watch") response.stream = std::make_unique<Watch>(world);
    else if (request.path == "/endless") response.stream = std::make_unique<Endless>(world);
    else if (request.path == "/refuse") response.status = 403;
    else if (request.path == "/upgrade") response.status = 101;
    else response.body = "short";
    if (request.path == "/wait") co_await world.gate.wait();
    if (request.path == "/late") {
        co_await world.gate.wait();
        response.body = std::to_string((co_await request.stream->read_all(16 << 20)).size());
    }
    if (request.path == "/read") response.body = std::to_string((co_await request.stream->read_all(16 << 20)).size());
    co_return response;
}

void run(World& world, Limits limits, Task<> (*test)(World&, Server&)) {
    Server server(world.loop.context.get_executor(), [&world](Request request) { return handle(world, std::move(request)); }, limits);
    server.listen(loopback(world.loop));
    world.loop.run(test(world, server));
}

Task<hal::net::StreamPtr> dial(Server& server) { return hal::net::dial(server.endpoints().front()); }

}  // namespace

TEST_CASE("five hundred streams run on one connection, one more when one has ended") {
    World world;
    run(world, {}, [](World& shared, Server& server) -> Task<> {
        Http2Client client(co_await dial(server));
        for (int i = 0; i < 501; ++i) client.ask("/watch");
        const auto has = [&client](std::string_view body) { return std::ranges::count_if(client.seen, [body](const auto& one) { return one.second.body == body; }); };
        CHECK(co_await client.until([&] { return has("first") == 500; }));
        CHECK(client.seen.size() == 500);
        shared.gate.set();
        CHECK(co_await client.until([&] { return has("firstlast") == 501 && std::ranges::all_of(client.seen, [](const auto& one) { return one.second.is_closed; }); }));
        CHECK(client.goaways.empty());
        co_await server.drain(1s);
    });
}

TEST_CASE("a stream whose client takes nothing holds a piece and stops no other") {
    World world;
    run(world, {}, [](World& shared, Server& server) -> Task<> {
        Http2Client client(co_await dial(server), false);
        const auto slow = client.ask("/endless");
        CHECK(co_await client.until([&] { return client.seen[slow].body.size() == 65'535; }));
        for (int i = 0; i < 100; ++i) {
            const auto other = client.ask("/short");
            CHECK(co_await client.until([&] { return client.seen[other].is_closed; }));
            CHECK(client.seen[other].body == "short");
        }
        // 65,535 bytes are three pieces and a part of the fourth.
        CHECK(shared.pieces <= 5);
        co_await server.drain(0s);
    });
}

TEST_CASE("a body that its handler does not read yet takes one window and stops no other") {
    World world;
    run(world, {}, [](World& shared, Server& server) -> Task<> {
        Http2Client client(co_await dial(server));
        constexpr std::size_t body_bytes = 5'000'000;
        const auto late = client.ask("/late", body_bytes);
        for (int i = 0; i < 20; ++i) {
            const auto other = client.ask("/short");
            CHECK(co_await client.until([&] { return client.seen[other].is_closed; }));
        }
        CHECK(client.sent <= 128 * 1024);
        shared.gate.set();
        CHECK(co_await client.until([&] { return client.seen[late].is_closed; }));
        CHECK(client.seen[late].body == std::to_string(body_bytes));
        co_await server.drain(1s);
    });
}

TEST_CASE("while the server holds too much unread, a connection's own window is all there is") {
    World world;
    run(world, {.unread_bytes_max = 0}, [](World& shared, Server& server) -> Task<> {
        Http2Client client(co_await dial(server));
        const auto late = client.ask("/late", 1'000'000);
        const auto other = client.ask("/short");
        CHECK(co_await client.until([&] { return client.seen[other].is_closed; }));
        CHECK(client.sent <= 128 * 1024);
        shared.gate.set();
        CHECK(co_await client.until([&] { return client.seen[late].is_closed; }));
        CHECK(client.seen[late].body == "1000000");
        co_await server.drain(1s);
    });
}

TEST_CASE("streams that are reset as fast as they are opened end in a calm word, and never run without bound") {
    World world;
    run(world, {.streams_max = 50, .control_frames_max = 200}, [](World& shared, Server& server) -> Task<> {
        Http2Client client(co_await dial(server));
        co_await client.until([&] { return nghttp2_session_get_remote_settings(client.session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) == 50; });
        bool is_cut = false;
        for (int i = 0; i < 1000 && !is_cut; ++i) {
            const auto id = client.ask("/wait");
            try {
                co_await client.send_all();
                nghttp2_submit_rst_stream(client.session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
                co_await client.send_all();
            } catch (const hal::Error&) {
                is_cut = true;
            }
        }
        co_await client.until([&] { return !client.goaways.empty(); });
        REQUIRE_FALSE(client.goaways.empty());
        CHECK(client.goaways.front() == NGHTTP2_ENHANCE_YOUR_CALM);
        CHECK(shared.running_max <= 50);
        co_await server.drain(0s);
        CHECK(shared.running == 0);
    });
}

TEST_CASE("pings are answered until they are a flood") {
    World world;
    run(world, {.control_frames_max = 100, .control_frames_per_second = 1}, [](World&, Server& server) -> Task<> {
        Http2Client client(co_await dial(server));
        // One of the hundred went for the client's settings.
        for (int i = 0; i < 99; ++i) nghttp2_submit_ping(client.session, NGHTTP2_FLAG_NONE, nullptr);
        const auto id = client.ask("/short");
        CHECK(co_await client.until([&] { return client.seen[id].is_closed; }));
        CHECK(client.goaways.empty());
        for (int i = 0; i < 10; ++i) nghttp2_submit_ping(client.session, NGHTTP2_FLAG_NONE, nullptr);
        CHECK(co_await client.until([&] { return !client.goaways.empty(); }));
        CHECK(client.goaways.at(0) == NGHTTP2_ENHANCE_YOUR_CALM);
        co_await server.drain(0s);
    });
}

TEST_CASE("a drain lets streams end that run, and takes no more") {
    World world;
    run(world, {}, [](World& shared, Server& server) -> Task<> {
        Http2Client client(co_await dial(server));
        const auto id = client.ask("/watch");
        CHECK(co_await client.until([&] { return client.seen[id].body == "first"; }));
        hal::async::TaskGroup group(co_await boost::asio::this_coro::executor, "test");
        group.spawn("drain", server.drain(5s));
        CHECK(co_await client.until([&] { return client.goaways.size() == 2; }));
        CHECK(client.goaways == std::vector<std::uint32_t>{NGHTTP2_NO_ERROR, NGHTTP2_NO_ERROR});
        shared.gate.set();
        CHECK(co_await client.until([&] { return client.seen[id].is_closed; }));
        CHECK(client.seen[id].body == "firstlast");
        // The server closes by itself.
        CHECK_FALSE(co_await client.until([] { return false; }));
        client.stream().close();
        co_await group.join();
    });
}

TEST_CASE("100 Continue is sent when the handler reads, and a refusal without it ends the body") {
    World world;
    run(world, {}, [](World&, Server& server) -> Task<> {
        Http2Client client(co_await dial(server));
        client.holds_body = true;
        const auto read = client.ask("/read", 300'000, true);
        CHECK(co_await client.until([&] { return client.seen[read].status == "100"; }));
        client.holds_body = false;
        nghttp2_session_resume_data(client.session, read);
        CHECK(co_await client.until([&] { return client.seen[read].is_closed; }));
        CHECK(client.seen[read].status == "100200");
        CHECK(client.seen[read].body == "300000");
        const auto refused = client.ask("/refuse", 5'000'000, true);
        CHECK(co_await client.until([&] { return client.seen[refused].is_closed; }));
        CHECK(client.seen[refused].status == "403");
        CHECK(client.seen[refused].error == NGHTTP2_NO_ERROR);
        const auto upgrade = client.ask("/upgrade");
        CHECK(co_await client.until([&] { return client.seen[upgrade].is_closed; }));
        CHECK(client.seen[upgrade].error == NGHTTP2_HTTP_1_1_REQUIRED);
        const auto other = client.ask("/short");
        CHECK(co_await client.until([&] { return client.seen[other].is_closed; }));
        CHECK(client.seen[other].status == "200");
        co_await server.drain(1s);
    });
}

TEST_CASE("a connection without streams ends after its time, with a word") {
    World world;
    run(world, {.idle_time_max = std::chrono::seconds(1)}, [](World&, Server& server) -> Task<> {
        Http2Client client(co_await dial(server));
        const auto id = client.ask("/short");
        CHECK(co_await client.until([&] { return client.seen[id].is_closed; }));
        CHECK(co_await client.until([&] { return !client.goaways.empty(); }));
        CHECK(client.goaways.at(0) == NGHTTP2_NO_ERROR);
        co_await server.drain(0s);
    });
}
