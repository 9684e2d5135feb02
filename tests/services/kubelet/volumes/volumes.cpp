#include "services/kubelet/volumes/volumes.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch_test_macros.hpp>
#include <stdlib.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "hal/base/error.hpp"
#include "hal/process/namespaces.hpp"
#include "tests/services/http/harness.hpp"

using namespace services::kubelet::volumes;
using namespace harness;
namespace http = services::http;
namespace fs = std::filesystem;

namespace {

std::string read(const fs::path& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
}

// ConfigMaps, Secrets and tokens of one namespace, and watches of them.
class Api {
public:
    explicit Api(Loop& loop) : changed_(loop.context.get_executor()) {}
    void put(const std::string& key, json::object data) {
        objects[key] = {{"metadata", {{"name", key.substr(key.find('/') + 1)}, {"namespace", "n"}, {"resourceVersion", std::to_string(++revision)}}},
                        {"data", std::move(data)}};
        changed_.set();
    }
    Task<http::Response> answer(http::Request request) {
        if (is_away) throw hal::Error(hal::Code::unavailable, "dial 127.0.0.1:6443: Connection refused");
        if (request.method == "POST") {
            ++tokens;
            co_return http::json_response(201, json::serialize(json::object{
                {"spec", {{"expirationSeconds", 3600}}}, {"status", {{"token", "T" + std::to_string(tokens)}, {"expirationTimestamp", "2026-11-24T13:00:00Z"}}}}));
        }
        const std::string kind = request.path.find("/secrets") != std::string::npos ? "secret/" : "configmap/";
        const auto* selector = request.query_value("fieldSelector");
        const auto key = kind + (selector ? selector->substr(selector->find('=') + 1) : request.path.substr(request.path.rfind('/') + 1));
        const auto at = objects.find(key);
        if (!selector) {
            if (at == objects.end()) co_return http::json_response(404, R"({"kind":"Status","reason":"NotFound","message":"not found","code":404})");
            co_return http::json_response(200, json::serialize(at->second));
        }
        http::Response response;
        if (request.query_value("watch")) {
            response.stream = std::make_unique<Watch>(*this, key);
        } else {
            json::array items;
            if (at != objects.end()) items.push_back(at->second);
            response.body = json::serialize(json::object{{"metadata", {{"resourceVersion", std::to_string(revision)}}}, {"items", std::move(items)}});
        }
        co_return response;
    }
    std::map<std::string, json::object> objects;
    int revision = 1, tokens = 0;
    bool is_away = false;

private:
    struct Watch : http::BodyReader {
        Watch(Api& of, std::string what) : api(of), key(std::move(what)), seen(api.revision) {}
        Task<std::string> read() override {
            while (api.revision == seen) {
                api.changed_.clear();
                co_await api.changed_.wait();
            }
            seen = api.revision;
            co_return json::serialize(json::object{{"type", "MODIFIED"}, {"object", api.objects.at(key)}}) + "\n";
        }
        Api& api;
        std::string key;
        int seen;
    };
    hal::async::Event changed_;
};

fs::path made_folder() {
    std::string name = (fs::temp_directory_path() / "pods-XXXXXX").string();
    return ::mkdtemp(name.data());
}

struct World {
    Loop loop;
    hal::async::Pool pool{1};
    hal::ManualClock clock{hal::parse_rfc3339("2026-11-24T12:00:00Z")};
    fs::path folder = made_folder();
    Api api{loop};
    std::unique_ptr<Volumes> kept = make();
    Volumes& volumes() { return *kept; }
    hal::async::TaskGroup group{loop.context.get_executor(), "test"};

    World() = default;
    ~World() {
        loop.run([](World& world) -> Task<> {
            world.group.cancel();
            co_await world.group.join();
            co_await world.volumes().references().stop();
        }(*this));
        hal::process::unmount_below(folder);
        fs::remove_all(folder);
    }
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    std::unique_ptr<Volumes> make() {
        services::kubeclient::Client client([this](http::Request request) { return api.answer(std::move(request)); }, {});
        return std::make_unique<Volumes>(loop.context.get_executor(), pool, client, clock, VolumeOptions{.pods_folder = folder});
    }
    ObjectPtr pod(const std::string& volumes_text, const std::string& mounts = "[]") const {
        return std::make_shared<const json::object>(json::parse(R"({"metadata":{"name":"p","namespace":"n","uid":"u"},"spec":{"serviceAccountName":"sa","containers":[{"name":"c","volumeMounts":)" +
                                                                mounts + R"(}],"volumes":)" + volumes_text + "}}").as_object());
    }
    fs::path at(const std::string& kind, const std::string& name) const { return folder / "u/volumes" / ("kubernetes.io~" + kind) / name; }
};

constexpr auto token_volume = R"([{"name":"t","projected":{"sources":[{"serviceAccountToken":{"path":"token","expirationSeconds":3600}}]}}])";

}  // namespace

TEST_CASE("volumes are made, changed with their objects, mounted and taken down") {
    World world;
    world.api.put("configmap/m", {{"k", "one"}});
    world.api.put("secret/s", {{"p", "c2VjcmV0"}});
    world.loop.run([](World& w) -> Task<> {
        w.group.spawn("volumes", w.volumes().run());
        const auto pod = w.pod(R"([{"name":"e","emptyDir":{}},{"name":"r","emptyDir":{"medium":"Memory","sizeLimit":"1Mi"}},{"name":"m","configMap":{"name":"m"}},
            {"name":"s","secret":{"secretName":"s"}},{"name":"h","hostPath":{"path":"/etc","type":"Directory"}}])",
                               R"j([{"name":"e","mountPath":"/e"},{"name":"m","mountPath":"/m/k","subPath":"k"},{"name":"h","mountPath":"/h","readOnly":true,"mountPropagation":"HostToContainer"},
                                   {"name":"e","mountPath":"/x","subPathExpr":"$(X)"}])j");
        CHECK((co_await w.volumes().set_up(pod)).empty());
        CHECK(read(w.at("configmap", "m") / "k") == "one");
        CHECK(read(w.at("secret", "s") / "p") == "secret");
        CHECK(fs::is_directory(w.at("empty-dir", "r")));

        const auto mounts = co_await w.volumes().mounts_of(pod, "c", [](std::string_view text) { return text == "$(X)" ? std::string("made") : std::string(); });
        REQUIRE(mounts.size() == 4);
        CHECK(mounts[0].source == w.at("empty-dir", "e"));
        CHECK_FALSE(mounts[0].is_read_only);
        CHECK(read(mounts[1].source) == "one");
        CHECK(mounts[1].is_read_only);
        CHECK(mounts[2].source == "/etc");
        CHECK(mounts[2].propagation == "HostToContainer");
        CHECK(fs::is_directory(w.at("empty-dir", "e") / "made"));

        hal::async::Event told(w.loop.context.get_executor());
        w.volumes().on_change([&told](const std::string& uid) { uid == "u" ? told.set() : told.clear(); });
        told.clear();
        w.api.put("configmap/m", {{"k", "two"}});
        co_await told.wait();
        while (read(w.at("configmap", "m") / "k") != "two") co_await hal::async::sleep_for(1ms);
        CHECK(w.volumes().needed_by("u").contains("secret/s"));

        co_await w.volumes().tear_down("u");
        CHECK_FALSE(fs::exists(w.folder / "u/volumes"));
        CHECK_FALSE(fs::exists(w.folder / "u/volume-subpaths"));
        CHECK(fs::exists("/etc/passwd"));
        w.volumes().on_change({});
    }(world));
}

TEST_CASE("what keeps a volume from being there is told, and a retry makes it") {
    World world;
    world.loop.run([](World& w) -> Task<> {
        const auto pod = w.pod(R"([{"name":"x","configMap":{"name":"y"}},{"name":"n","nfs":{"server":"a","path":"/"}}])");
        const auto failures = co_await w.volumes().set_up(pod);
        REQUIRE(failures.size() == 2);
        CHECK(failures[0].message == R"(MountVolume.SetUp failed for volume "x" : configmap "y" not found)");
        CHECK(failures[1].message.find("nfs") != std::string::npos);
        w.api.put("configmap/y", {{"k", "v"}});
        for (;;) {
            if ((co_await w.volumes().set_up(pod)).size() == 1) break;
            co_await hal::async::sleep_for(1ms);
        }
        CHECK(read(w.at("configmap", "x") / "k") == "v");
        co_await w.volumes().tear_down("u");
    }(world));
}

TEST_CASE("a token is renewed at 80 % of its life, not before, and outlives an absent API server") {
    World world;
    world.loop.run([](World& w) -> Task<> {
        const auto pod = w.pod(token_volume);
        CHECK((co_await w.volumes().set_up(pod)).empty());
        CHECK(read(w.at("projected", "t") / "token") == "T1");
        w.clock.advance(2879s);
        co_await w.volumes().set_up(pod);
        CHECK(w.api.tokens == 1);
        w.clock.advance(1s);
        co_await w.volumes().set_up(pod);
        CHECK(read(w.at("projected", "t") / "token") == "T2");
        w.api.is_away = true;
        w.clock.advance(7200s);
        CHECK((co_await w.volumes().set_up(pod)).empty());
        CHECK(read(w.at("projected", "t") / "token") == "T2");
        co_await w.volumes().tear_down("u");
    }(world));
}

TEST_CASE("after a reboot without an API server the checkpoint's objects make the volumes") {
    World world;
    world.api.put("configmap/m", {{"k", "one"}});
    const auto pod = world.pod(R"([{"name":"m","configMap":{"name":"m"}},{"name":"t","projected":{"sources":[{"serviceAccountToken":{"path":"token"}}]}}])");
    Objects kept;
    world.loop.run([](World& w, ObjectPtr of, Objects& into) -> Task<> {
        co_await w.volumes().set_up(of);
        into = w.volumes().needed_by("u");
        co_await w.volumes().tear_down("u");
        co_await w.volumes().references().stop();
    }(world, pod, kept));
    CHECK(kept.size() == 2);
    world.api.is_away = true;
    world.kept = world.make();
    world.loop.run([](World& w, ObjectPtr of, Objects from) -> Task<> {
        CHECK((co_await w.volumes().set_up(of)).size() == 2);
        w.volumes().restore(of, from);
        CHECK((co_await w.volumes().set_up(of)).empty());
        CHECK(read(w.at("configmap", "m") / "k") == "one");
        CHECK(read(w.at("projected", "t") / "token") == "T1");
        co_await w.volumes().tear_down("u");
    }(world, pod, kept));
}

TEST_CASE("a pod whose objects the API server's new database never had goes on with the checkpoint's") {
    World world;
    world.loop.run([](World& w) -> Task<> {
        const auto pod = w.pod(R"([{"name":"m","configMap":{"name":"m"}}])");
        const Objects kept{{"configmap/m", {{"metadata", {{"name", "m"}, {"namespace", "n"}}}, {"data", {{"k", "old"}}}}}};
        w.volumes().restore(pod, kept);
        CHECK((co_await w.volumes().set_up(pod)).size() == 1);
        w.volumes().outlive(pod, kept);
        CHECK((co_await w.volumes().set_up(pod)).empty());
        CHECK(read(w.at("configmap", "m") / "k") == "old");
        // One that is there again is the truth.
        w.api.put("configmap/m", {{"k", "new"}});
        co_await w.volumes().tear_down("u");
        CHECK((co_await w.volumes().set_up(pod)).empty());
        CHECK(read(w.at("configmap", "m") / "k") == "new");
        co_await w.volumes().tear_down("u");
    }(world));
}

TEST_CASE("a clock that is set makes all tokens due") {
    World world;
    world.loop.run([](World& w) -> Task<> {
        const auto pod = w.pod(token_volume);
        CHECK((co_await w.volumes().set_up(pod)).empty());
        w.volumes().clock_set();
        CHECK((co_await w.volumes().set_up(pod)).empty());
        CHECK(read(w.at("projected", "t") / "token") == "T2");
        co_await w.volumes().tear_down("u");
    }(world));
}
