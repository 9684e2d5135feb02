// The sender over a real store, against a service upstream that answers as each test wants.
#include "services/objects/replication/replicator.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cstdlib>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "services/codec/s3/checksum.hpp"
#include "tests/folder.hpp"

using namespace services::objects;
using namespace services::objects::replication;
namespace http = services::http;
namespace s3 = services::codec::s3;
using namespace std::chrono_literals;

namespace {

// Headquarters: keeps what it is sent unless `refusal` says otherwise. Multipart is left to the test with a real service.
class Headquarters : public Line {
public:
    Task<http::Response> send(http::Request request, std::uint64_t) override {
        ++asked[request.method + " " + request.target];
        std::string body;
        if (request.stream) body = co_await request.stream->read_all(1 << 20);
        if (is_cut) throw hal::Error(hal::Code::unavailable, "the line is cut");
        if (auto [status, code] = refusal ? refusal(request) : std::pair(0U, ""); status != 0) {
            if (takes_once_more && request.method == "PUT") kept[request.target] = std::move(body);
            co_return http::text_response(status, request.method == "HEAD" ? "" : "<Error><Code>" + std::string(code) + "</Code></Error>");
        }
        const bool is_bucket = request.target.find('/', 1) == std::string::npos;
        auto response = http::text_response(200, "");
        if (request.method == "PUT" && !is_bucket) kept[request.target] = std::move(body);
        if (request.method == "DELETE") kept.erase(request.target);
        if (request.method == "HEAD") {
            const auto found = kept.find(request.target);
            if (found == kept.end()) co_return http::text_response(404, "");
            response.headers.set("ETag", "\"" + hal::hex(s3::digest_of(s3::Checksum::md5, found->second)) + "\"");
            response.headers.set("Content-Length", std::to_string(found->second.size()));
        }
        co_return response;
    }
    Task<> open() override { co_return; }
    Task<> report(store::Backlog backlog) override {
        told = backlog;
        co_return;
    }

    std::function<std::pair<unsigned, const char*>(const http::Request&)> refusal;
    bool is_cut = false;
    bool takes_once_more = false;  // what it refuses it has taken all the same: the answer was lost
    std::map<std::string, std::string> kept;
    std::map<std::string, int> asked;
    store::Backlog told;
};

Settings to_headquarters() {
    Settings settings;
    settings.endpoint = "http://hq";
    settings.host = "hq";
    settings.credentials.access_key = "branch";
    settings.credentials.secret = "secret";
    return settings;
}

Task<bool> is_evicted(store::Store& store, std::string key) {
    const auto opened = co_await store.open_object("documents", std::move(key));
    co_return !opened && opened.error() == store::Refusal::evicted;
}

struct Branch {
    Branch() {
        REQUIRE(run(storage->create_bucket("documents")));
        running.spawn("replicator", replicator.run());
    }
    ~Branch() {
        running.cancel();
        run(running.join());
        run(storage->close());
    }
    Branch(const Branch&) = delete;
    Branch& operator=(const Branch&) = delete;

    template <class T>
    T run(Task<T> task) {
        auto result = boost::asio::co_spawn(loop, std::move(task), boost::asio::use_future);
        while (result.wait_for(0s) != std::future_status::ready) {
            loop.restart();
            loop.run_one_for(20ms);
        }
        return result.get();
    }
    bool until(const std::function<bool()>& holds) {
        const auto end = std::chrono::steady_clock::now() + 20s;
        while (!holds() && std::chrono::steady_clock::now() < end) {
            loop.restart();
            loop.run_one_for(20ms);
        }
        return holds();
    }
    store::Object put(std::string key, std::string content) {
        auto body = storage->body({.bytes = content.size()});
        REQUIRE(body);
        run(body->write(content));
        store::PutRequest request;
        request.bucket = "documents";
        request.key = std::move(key);
        request.etag = hal::hex(s3::digest_of(s3::Checksum::md5, content));
        request.dispatches = {*settings.dispatch("documents")};
        auto stored = run(storage->put(std::move(request), std::move(*body)));
        REQUIRE(stored);
        return *stored;
    }
    store::Backlog backlog() { return run(storage->backlog(std::string(destination))); }

    Folder folder;
    boost::asio::io_context loop{1};
    hal::SystemClock clock;
    std::unique_ptr<store::Store> storage = run(store::Store::open(hal::disk::system_disk(), clock, folder.path, {.reserve_bytes = 0}));
    Headquarters there;
    Settings settings = to_headquarters();
    // Without randomness nothing is waited for.
    Replicator replicator{loop.get_executor(), *storage, there, settings, clock, [] { return 0.0; }};
    hal::async::TaskGroup running{loop.get_executor(), "test"};
};

}  // namespace

TEST_CASE("what is stored arrives, and the backlog is told until it is empty") {
    Branch branch;
    branch.put("a", "one");
    branch.put("folder/b", std::string(300'000, 'x'));
    CHECK(branch.until([&] { return branch.there.kept.size() == 2 && branch.there.told.entries == 0; }));
    CHECK(branch.there.kept["/documents/a"] == "one");
    CHECK(branch.there.kept["/documents/folder/b"] == std::string(300'000, 'x'));
    CHECK(branch.backlog().entries == 0);
}

TEST_CASE("a cut line loses nothing and doubles nothing") {
    Branch branch;
    branch.there.is_cut = true;
    branch.put("a", "one");
    branch.put("b", "two");
    CHECK(branch.until([&] { return branch.there.asked["HEAD /documents/a"] > 2; }));
    CHECK(branch.backlog().entries == 2);
    branch.there.is_cut = false;
    CHECK(branch.until([&] { return branch.backlog().entries == 0; }));
    CHECK(branch.there.kept == std::map<std::string, std::string>{{"/documents/a", "one"}, {"/documents/b", "two"}});
}

TEST_CASE("what arrived though its answer did not is not sent again") {
    Branch branch;
    branch.there.takes_once_more = true;
    branch.there.refusal = [](const http::Request& request) { return request.method == "PUT" ? std::pair(503U, "SlowDown") : std::pair(0U, ""); };
    branch.put("a", "one");
    CHECK(branch.until([&] { return branch.backlog().entries == 0; }));
    CHECK(branch.there.asked["PUT /documents/a"] == 1);
    CHECK(branch.there.asked["HEAD /documents/a"] == 1);
}

TEST_CASE("a bucket that is missing there is made") {
    Branch branch;
    branch.there.refusal = [&](const http::Request& request) {
        const bool is_missing = request.method == "PUT" && request.target != "/documents" && !branch.there.asked.contains("PUT /documents");
        return is_missing ? std::pair(404U, "NoSuchBucket") : std::pair(0U, "");
    };
    branch.put("a", "one");
    CHECK(branch.until([&] { return branch.there.kept.contains("/documents/a"); }));
    CHECK(branch.there.asked["PUT /documents"] == 1);
}

TEST_CASE("what is refused for good is a dead letter, holds up no other, and can be driven again") {
    Branch branch;
    branch.there.refusal = [](const http::Request& request) { return request.target == "/documents/bad" ? std::pair(400U, "KeyTooLongError") : std::pair(0U, ""); };
    branch.put("bad", "one");
    branch.put("good", "two");
    CHECK(branch.until([&] { return branch.backlog().dead == 1; }));
    CHECK(branch.there.asked["PUT /documents/bad"] == Queue::tries_max);
    CHECK(branch.there.kept.contains("/documents/good"));
    const auto letters = branch.run(branch.storage->dead_letters(std::string(destination), 0, 10));
    REQUIRE(letters.size() == 1);
    CHECK(letters[0].key == "bad");
    CHECK(letters[0].reason == "400 KeyTooLongError");
    branch.there.refusal = nullptr;
    CHECK(branch.run(branch.replicator.redrive()) == 1);
    CHECK(branch.until([&] { return branch.there.kept.contains("/documents/bad") && branch.backlog().dead == 0; }));
}

TEST_CASE("credentials that are refused for everything bury nothing") {
    Branch branch;
    branch.there.refusal = [](const http::Request&) { return std::pair(403U, "AccessDenied"); };
    branch.put("a", "one");
    CHECK(branch.until([&] { return branch.there.asked["PUT /documents/a"] > 2 * static_cast<int>(Queue::tries_max); }));
    CHECK(branch.backlog().dead == 0);
    branch.there.refusal = nullptr;
    CHECK(branch.until([&] { return branch.backlog().entries == 0; }));
}

TEST_CASE("bytes are dropped here only when nothing is pending for them, and what has none is not sent again") {
    Branch branch;
    branch.there.is_cut = true;
    const auto large = branch.put("large", std::string(300'000, 'x'));
    CHECK_FALSE(branch.run(branch.storage->evict("documents", "large", large.version)));
    branch.there.is_cut = false;
    REQUIRE(branch.until([&] { return branch.backlog().entries == 0; }));
    CHECK(branch.storage->statistics().part_files_bytes > 300'000);
    CHECK(branch.run(branch.storage->evict("documents", "large", large.version)));
    CHECK(branch.run(is_evicted(*branch.storage, "large")));
    CHECK(branch.run(branch.storage->stat("documents", "large"))->is_evicted);
    branch.run(branch.storage->flush_index());
    CHECK(branch.until([&] { return branch.storage->statistics().part_files_bytes == 0; }));
}
