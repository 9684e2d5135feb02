#include "services/kubelet/volumes/content.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch_test_macros.hpp>

#include "hal/base/error.hpp"

using namespace services::kubelet::volumes;

namespace {

json::object parsed(const std::string& text) { return json::parse(text).as_object(); }

struct World {
    json::object pod = parsed(R"({"metadata":{"name":"p","namespace":"n","uid":"u","labels":{"b":"2","a":"x\"y"}},
        "spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":"1500m"},"requests":{"memory":"65Mi"}}}]}})");
    Objects objects{{"configmap/m", parsed(R"({"data":{"k":"v","l":"w"},"binaryData":{"b":"AAE="}})")},
                    {"secret/s", parsed(R"({"data":{"p":"c2VjcmV0"}})")}};

    Content content(const std::string& volume) {
        ContentSources sources{pod, {}, {}, 4000, 1 << 30};
        sources.find = [this](std::string_view key) -> const json::object* {
            const auto at = objects.find(key);
            return at == objects.end() ? nullptr : &at->second;
        };
        sources.token = [](const json::object&) { return std::string("TOKEN"); };
        return content_of(parsed(volume), sources);
    }
    std::string failure(const std::string& volume) {
        try {
            content(volume);
        } catch (const hal::Error& error) {
            return error.what();
        }
        return "none";
    }
};

}  // namespace

TEST_CASE("a configMap volume has all keys, or the items with their modes") {
    World world;
    const auto all = world.content(R"({"name":"x","configMap":{"name":"m","defaultMode":420}})");
    CHECK(all.size() == 3);
    CHECK(all.at("k").bytes == "v");
    CHECK(all.at("b").bytes == std::string("\0\1", 2));
    CHECK(all.at("k").mode == 0644);
    const auto items = world.content(R"({"name":"x","configMap":{"name":"m","defaultMode":256,"items":[{"key":"k","path":"d/f","mode":511},{"key":"l","path":"l"}]}})");
    CHECK(items.size() == 2);
    CHECK(items.at("d/f").mode == 0777);
    CHECK(items.at("l").mode == 0400);
}

TEST_CASE("what is missing is said as the kubelet says it, unless it is optional") {
    World world;
    CHECK(world.failure(R"({"name":"x","configMap":{"name":"y"}})") == R"(configmap "y" not found)");
    CHECK(world.failure(R"({"name":"x","secret":{"secretName":"y"}})") == R"(secret "y" not found)");
    CHECK(world.failure(R"({"name":"x","configMap":{"name":"m","items":[{"key":"z","path":"z"}]}})") == "configmap references non-existent config key: z");
    CHECK(world.failure(R"({"name":"x","secret":{"secretName":"s","items":[{"key":"z","path":"z"}]}})") == "references non-existent secret key: z");
    CHECK(world.content(R"({"name":"x","configMap":{"name":"y","optional":true}})").empty());
    CHECK(world.content(R"({"name":"x","configMap":{"name":"m","optional":true,"items":[{"key":"z","path":"z"},{"key":"k","path":"k"}]}})").size() == 1);
}

TEST_CASE("downwardAPI files hold fields and resources, rounded up") {
    World world;
    const auto files = world.content(R"({"name":"x","downwardAPI":{"items":[
        {"path":"labels","fieldRef":{"fieldPath":"metadata.labels"}},{"path":"one","fieldRef":{"fieldPath":"metadata.labels['b']"}},
        {"path":"uid","fieldRef":{"fieldPath":"metadata.uid"}},
        {"path":"cpu","resourceFieldRef":{"containerName":"c","resource":"limits.cpu"}},
        {"path":"milli","resourceFieldRef":{"containerName":"c","resource":"limits.cpu","divisor":"1m"}},
        {"path":"mem","resourceFieldRef":{"containerName":"c","resource":"requests.memory","divisor":"64Mi"}},
        {"path":"node","resourceFieldRef":{"containerName":"c","resource":"limits.memory","divisor":"0"}}]}})");
    CHECK(files.at("labels").bytes == "a=\"x\\\"y\"\nb=\"2\"");
    CHECK(files.at("one").bytes == "2");
    CHECK(files.at("uid").bytes == "u");
    CHECK(files.at("cpu").bytes == "2");
    CHECK(files.at("milli").bytes == "1500");
    CHECK(files.at("mem").bytes == "2");
    CHECK(files.at("node").bytes == "1073741824");
    CHECK(world.failure(R"({"name":"x","downwardAPI":{"items":[{"path":"a","fieldRef":{"fieldPath":"spec.nodeName"}}]}})") == "unsupported fieldPath: spec.nodeName");
}

TEST_CASE("a projected volume joins its sources and names all that fail") {
    World world;
    const auto files = world.content(R"({"name":"x","projected":{"defaultMode":420,"sources":[{"configMap":{"name":"m","items":[{"key":"k","path":"k"}]}},
        {"secret":{"name":"s"}},{"serviceAccountToken":{"path":"token"}},{"downwardAPI":{"items":[{"path":"ns","fieldRef":{"fieldPath":"metadata.namespace"}}]}}]}})");
    CHECK(files.size() == 4);
    CHECK(files.at("p").bytes == "secret");
    CHECK(files.at("token").bytes == "TOKEN");
    CHECK(files.at("ns").bytes == "n");
    CHECK(world.failure(R"({"name":"x","projected":{"sources":[{"configMap":{"name":"a"}},{"secret":{"name":"b"}}]}})") ==
          R"([configmap "a" not found, secret "b" not found])");
    CHECK(world.failure(R"({"name":"x","projected":{"sources":[{"configMap":{"name":"a"}}]}})") == R"(configmap "a" not found)");
}
