#include "services/kubeclient/informer.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch_test_macros.hpp>

#include <deque>

#include "services/kubeclient/work_queue.hpp"

using namespace services::kubeclient;
namespace http = services::http;

namespace {

// Pieces of a body that a test hands out; the stream stays open until "".
class Pieces : public http::BodyReader {
public:
    Pieces(std::deque<std::string> pieces, hal::async::Event& end) : pieces_(std::move(pieces)), end_(end) {}
    Task<std::string> read() override {
        if (pieces_.empty()) {
            co_await end_.wait();
            co_return "";
        }
        auto piece = std::move(pieces_.front());
        pieces_.pop_front();
        co_return piece;
    }

private:
    std::deque<std::string> pieces_;
    hal::async::Event& end_;
};

std::string pod(std::string name, int version) {
    return R"({"metadata":{"name":")" + name + R"(","namespace":"x","uid":"u-)" + name + R"(","resourceVersion":")" +
           std::to_string(version) + R"(","managedFields":[{}]},"spec":{"nodeName":"n"}})";
}

struct Server {
    hal::async::Event end;
    int lists = 0, watches = 0;
    explicit Server(hal::async::Executor executor) : end(std::move(executor)) {}
    Task<http::Response> answer(http::Request request) {
        http::Response response;
        const auto* watch = request.query_value("watch");
        if (watch == nullptr) {
            ++lists;
            response.body = R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"10"},"items":[)" +
                            pod("a", 3) + (lists == 1 ? "," + pod("b", 4) : "") + "]}";
            co_return response;
        }
        ++watches;
        if (watches == 1) {
            // Cut in the middle of a line, as a network does.
            std::string line = R"({"type":"ADDED","object":)" + pod("c", 11) + "}\n";
            std::deque<std::string> pieces{line.substr(0, 20), line.substr(20)};
            pieces.push_back(R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}})" "\n");
            response.stream = std::make_unique<Pieces>(std::move(pieces), end);
        } else {
            response.stream = std::make_unique<Pieces>(std::deque<std::string>{}, end);
        }
        co_return response;
    }
};

}  // namespace

TEST_CASE("an informer lists, follows a watch cut anywhere, and lists again after 410") {
    boost::asio::io_context loop(1);
    Server server(loop.get_executor());
    Client client([&server](http::Request request) { return server.answer(std::move(request)); }, {});
    Informer informer(loop.get_executor(), client, resources::pods);
    informer.add_index("node", index_node_name);
    std::vector<std::string> seen;
    hal::async::Event settled(loop.get_executor());
    informer.add_handlers({.added = [&](const ObjectPtr& o) { seen.push_back("+" + key_of(*o)); },
                           .updated = [&](const ObjectPtr&, const ObjectPtr& o) { seen.push_back("~" + key_of(*o)); },
                           .deleted = [&](const ObjectPtr& o) {
                               seen.push_back("-" + key_of(*o));
                               if (seen.size() == 5) settled.set();
                           }});
    hal::async::TaskGroup group(loop.get_executor(), "test");
    group.spawn("informer", informer.run());
    struct Script {
        static Task<> run(hal::async::Event& settled, hal::async::TaskGroup& group) {
            co_await settled.wait();
            group.cancel();
            co_await group.join();
        }
    };
    std::exception_ptr failure;
    boost::asio::co_spawn(loop, Script::run(settled, group), [&](std::exception_ptr e) { failure = e; });
    loop.run();
    CHECK(!failure);
    CHECK(seen == std::vector<std::string>{"+x/a", "+x/b", "+x/c", "-x/b", "-x/c"});
    CHECK(informer.size() == 1);
    CHECK(informer.by_index("node", "n").size() == 1);
    CHECK(informer.find_key("x/a") != nullptr);
    CHECK_FALSE(informer.find("x", "a")->at("metadata").as_object().contains("managedFields"));
    CHECK(text(*informer.find("x", "a"), "kind") == "Pod");
}

TEST_CASE("a queue hands a key out once, again after done when it was added meanwhile, and backs off after failures") {
    boost::asio::io_context loop(1);
    WorkQueue queue(loop.get_executor(), "test");
    queue.add("a");
    queue.add("a");
    queue.add("b");
    CHECK(queue.size() == 2);
    struct Script {
        static Task<> run(WorkQueue& queue) {
            CHECK(*co_await queue.next() == "a");
            queue.add("a");
            CHECK(*co_await queue.next() == "b");
            CHECK(queue.size() == 0);
            queue.done("a");
            CHECK(queue.size() == 1);
            CHECK(*co_await queue.next() == "a");
            queue.done("a");
            queue.done("b");
            queue.add_rate_limited("c");
            CHECK(queue.failures("c") == 1);
            CHECK(*co_await queue.next() == "c");
            queue.done("c");
            queue.shut_down();
            CHECK_FALSE((co_await queue.next()).has_value());
        }
    };
    std::exception_ptr failure;
    boost::asio::co_spawn(loop, Script::run(queue), [&](std::exception_ptr e) { failure = e; });
    loop.run();
    CHECK(!failure);
}

TEST_CASE("an informer caches what its transform leaves of an object") {
    boost::asio::io_context loop(1);
    Server server(loop.get_executor());
    Client client([&server](http::Request request) { return server.answer(std::move(request)); }, {});
    Informer::Options options;
    options.transform = [](json::object& object) { object.erase("spec"); };
    Informer informer(loop.get_executor(), client, resources::pods, std::move(options));
    hal::async::Event settled(loop.get_executor());
    informer.add_handlers({.added = [&](const ObjectPtr&) { settled.set(); }, .updated = {}, .deleted = {}});
    hal::async::TaskGroup group(loop.get_executor(), "test");
    group.spawn("informer", informer.run());
    struct Script {
        static Task<> run(hal::async::Event& settled, hal::async::TaskGroup& group) {
            co_await settled.wait();
            group.cancel();
            co_await group.join();
        }
    };
    std::exception_ptr failure;
    boost::asio::co_spawn(loop, Script::run(settled, group), [&](std::exception_ptr e) { failure = e; });
    loop.run();
    CHECK(!failure);
    REQUIRE(informer.find("x", "a") != nullptr);
    CHECK_FALSE(informer.find("x", "a")->contains("spec"));
}
