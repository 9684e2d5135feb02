#include "services/kubelet/probes/prober.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch_test_macros.hpp>

#include "hal/base/error.hpp"
#include "tests/services/http/harness.hpp"

using namespace services::kubelet::probes;
using namespace harness;

namespace {

json::object parsed(const std::string& text) { return json::parse(text).as_object(); }

// What a prober is told and tells; commands end with the codes of a list, the last one for ever.
struct Box {
    Loop loop;
    hal::SystemClock clock;
    std::vector<int> codes;
    std::size_t probes = 0;
    std::vector<std::string> said, events;
    hal::async::Event told{loop.context.get_executor()};
    Prober prober{loop.context.get_executor(), clock, calls()};

    ProberCalls calls() {
        ProberCalls made;
        made.execute = [this](std::string, std::string, std::vector<std::string> command, std::chrono::steady_clock::duration) {
            return execute(command.front());
        };
        made.report = [this](const std::string& uid, const std::string& container, Result result, std::string message, std::optional<std::chrono::seconds> grace) {
            static constexpr const char* names[] = {"ready", "not ready", "started", "failed"};
            said.push_back(uid + "/" + container + " " + names[static_cast<int>(result)] + (message.empty() ? "" : ": " + message) +
                           (grace ? " in " + std::to_string(grace->count()) : ""));
            told.set();
        };
        made.event = [this](const json::object&, std::string_view, std::string_view reason, std::string message, std::string path) {
            events.push_back(std::string(reason) + " " + path + " " + message);
        };
        return made;
    }
    Task<Execution> execute(std::string) {
        const auto code = codes[std::min(probes, codes.size() - 1)];
        ++probes;
        co_return Execution{code, "says " + std::to_string(code), false};
    }
    ProbedContainer container(const std::string& probes_text) {
        auto spec = parsed(R"({"name":"c",)" + probes_text + "}");
        return {{{"metadata", {{"uid", "u"}}}, {"spec", {{"containers", json::array{spec}}}}}, spec, "127.0.0.1", clock.wall(), false};
    }
    // Runs until `count` results were told.
    void until(std::size_t count) {
        loop.run([](Box& box, std::size_t wanted) -> Task<> {
            while (box.said.size() < wanted) {
                box.told.clear();
                co_await box.told.wait();
            }
            co_await box.prober.stop_all();
        }(*this, count));
    }
};

}  // namespace

TEST_CASE("a result counts when its threshold is reached in a row") {
    Thresholds readiness(parsed(R"({"failureThreshold":3,"successThreshold":2})"));
    CHECK_FALSE(readiness.add(true));
    CHECK(readiness.add(true) == true);
    CHECK_FALSE(readiness.add(false));
    CHECK_FALSE(readiness.add(false));
    CHECK_FALSE(readiness.add(true));
    CHECK_FALSE(readiness.add(false));
    CHECK_FALSE(readiness.add(false));
    CHECK(readiness.add(false) == false);
    CHECK(readiness.add(false) == false);
    Thresholds defaults(json::object{});
    CHECK(defaults.add(true) == true);
}

TEST_CASE("the first probe comes when the container has its initial delay behind it") {
    const auto probe = parsed(R"({"initialDelaySeconds":10})");
    CHECK(first_delay(probe, 0s) == 10s);
    CHECK(first_delay(probe, 4s) == 6s);
    CHECK(first_delay(probe, 10s) == 0s);
    CHECK(first_delay(probe, 1h) == 0s);
    CHECK(first_delay(probe, -1h) == 10s);
    CHECK(first_delay({}, 0s) == 0s);
}

TEST_CASE("readiness is told when it changes") {
    Box box;
    box.codes = {1, 0, 0, 1};
    box.prober.start(box.container(R"("readinessProbe":{"exec":{"command":["x"]},"periodSeconds":1,"failureThreshold":1})"));
    box.until(3);
    CHECK(box.said == std::vector<std::string>{"u/c not ready", "u/c ready", "u/c not ready"});
    CHECK(box.events.front() == "Unhealthy spec.containers{c} Readiness probe failed: says 1");
}

TEST_CASE("a failed liveness probe asks for a restart, with its own grace period, once") {
    Box box;
    box.codes = {0, 1};
    box.prober.start(box.container(R"("livenessProbe":{"exec":{"command":["x"]},"periodSeconds":1,"failureThreshold":2,"terminationGracePeriodSeconds":7})"));
    box.until(1);
    CHECK(box.said == std::vector<std::string>{"u/c failed: Container c failed liveness probe, will be restarted in 7"});
    CHECK(box.probes == 3);
}

TEST_CASE("liveness and readiness wait for the startup probe") {
    Box box;
    box.codes = {1, 0};
    box.prober.start(box.container(R"("startupProbe":{"exec":{"command":["s"]},"periodSeconds":1},"readinessProbe":{"exec":{"command":["r"]},"periodSeconds":1})"));
    box.until(2);
    CHECK(box.said == std::vector<std::string>{"u/c started", "u/c ready"});
    CHECK(box.events.size() == 1);
    CHECK(box.events.front().ends_with("Startup probe failed: says 1"));
}

TEST_CASE("a stopped container is probed no more") {
    Box box;
    box.codes = {0};
    box.prober.start(box.container(R"("readinessProbe":{"exec":{"command":["x"]},"periodSeconds":3600})"));
    box.prober.stop("u", "c");
    box.prober.stop("u", "none");
    box.loop.run(box.prober.stop_all());
    CHECK(box.said.empty());
}
