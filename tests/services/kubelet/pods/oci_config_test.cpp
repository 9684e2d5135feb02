#include <boost/json/parse.hpp>
#include <catch2/catch_test_macros.hpp>
#include <signal.h>

#include <algorithm>

#include "hal/base/error.hpp"
#include "services/kubelet/pods/oci_config.hpp"
#include "tests/services/kubelet/pods/lab.hpp"

using namespace services::kubelet::pods;
namespace kc = services::kubeclient;
namespace images = services::kubelet::images;
namespace fs = std::filesystem;

namespace {

json::object object(const std::string& text) { return json::parse(text).as_object(); }

json::object config_of(const std::string& container, images::ImageConfig image = {}, const std::string& pod = R"({"metadata":{"uid":"u"},"spec":{}})") {
    const Powers powers;
    const auto pod_object = object(pod), container_object = object(container);
    return oci_config({.pod = pod_object, .container = container_object, .image = image, .rootfs = "/r", .network_namespace = "/n",
                       .process_namespace = {}, .cgroup = "/g", .limits = {}, .oom_score = 0, .host_name = "h", .variables = {{"A", "x"}}, .user = {}, .mounts = {},
                       .shared_memory = "/s", .powers = powers});
}

std::vector<std::string> words(const json::object& config, std::string_view path) {
    std::vector<std::string> all;
    for (const auto& one : kc::array_at(config, path)) all.emplace_back(kc::as_text(one));
    return all;
}

bool has(const json::object& config, std::string_view path, std::string_view word) { return std::ranges::contains(words(config, path), word); }

// A root with passwd and group, for users by name.
struct Root {
    fs::path path = fs::temp_directory_path() / ("oci-test-" + hal::hex(hal::random_bytes(6)));
    Root() {
        fs::create_directories(path / "etc");
        std::ofstream(path / "etc/passwd") << "root:x:0:0::/:\nweb:x:33:34::/:\n";
        std::ofstream(path / "etc/group") << "www:x:34:\nextra:x:50:a,web\n";
    }
    ~Root() { fs::remove_all(path); }
    User user(const std::string& pod_context, const std::string& image_user) const {
        images::ImageConfig image;
        image.user = image_user;
        return user_of(object(R"({"metadata":{"name":"p","namespace":"n","uid":"u"},"spec":{"securityContext":)" + pod_context + "}}"), object(R"({"name":"c"})"), image, path);
    }
};

}  // namespace

TEST_CASE("a command in the spec takes the place of the image's entrypoint and arguments") {
    images::ImageConfig image;
    image.entrypoint = {"/entry"};
    image.command = {"arg"};
    using Words = std::vector<std::string>;
    CHECK(words(config_of("{}", image), "process.args") == Words{"/entry", "arg"});
    CHECK(words(config_of(R"({"args":["own"]})", image), "process.args") == Words{"/entry", "own"});
    CHECK(words(config_of(R"({"command":["/own"]})", image), "process.args") == Words{"/own"});
    CHECK(words(config_of(R"j({"command":["/own"],"args":["$(A)"]})j", image), "process.args") == Words{"/own", "x"});
}

TEST_CASE("variables of the spec win over the image's") {
    images::ImageConfig image;
    image.environment = {"A=image", "B=image", "PATH=/x"};
    const auto config = config_of("{}", image);
    CHECK(has(config, "process.env", "A=x"));
    CHECK(has(config, "process.env", "B=image"));
    CHECK(has(config, "process.env", "PATH=/x"));
    CHECK(has(config, "process.env", "HOSTNAME=h"));
    CHECK_FALSE(has(config, "process.env", "A=image"));
}

TEST_CASE("capabilities are the default ones, less those dropped, and those added") {
    const auto path = "process.capabilities.bounding";
    CHECK(has(config_of("{}"), path, "CAP_CHOWN"));
    CHECK_FALSE(has(config_of("{}"), path, "CAP_SYS_ADMIN"));
    const auto chosen = config_of(R"({"securityContext":{"capabilities":{"drop":["ALL"],"add":["NET_ADMIN"]}}})");
    CHECK(words(chosen, path) == std::vector<std::string>{"CAP_NET_ADMIN"});
    CHECK_FALSE(has(config_of(R"({"securityContext":{"capabilities":{"drop":["CHOWN"]}}})"), path, "CAP_CHOWN"));
    CHECK(has(config_of(R"({"securityContext":{"privileged":true}})"), path, "CAP_SYS_ADMIN"));
}

TEST_CASE("paths of the kernel are hidden unless a container is privileged") {
    CHECK(has(config_of("{}"), "linux.maskedPaths", "/proc/kcore"));
    CHECK(has(config_of("{}"), "linux.readonlyPaths", "/proc/sys"));
    CHECK_FALSE(has(config_of(R"({"securityContext":{"privileged":true}})"), "linux.maskedPaths", "/proc/kcore"));
}

TEST_CASE("the default seccomp profile is there when asked for, and never for a privileged container") {
    CHECK_FALSE(kc::field(config_of("{}"), "linux.seccomp"));
    CHECK(kc::field(config_of(R"({"securityContext":{"seccompProfile":{"type":"RuntimeDefault"}}})"), "linux.seccomp"));
    CHECK_FALSE(kc::field(config_of(R"({"securityContext":{"privileged":true,"seccompProfile":{"type":"RuntimeDefault"}}})"), "linux.seccomp"));
    CHECK_THROWS_AS(config_of(R"({"securityContext":{"seccompProfile":{"type":"Localhost"}}})"), hal::Error);
}

TEST_CASE("a user is a number, or a name of the image's own passwd") {
    const Root root;
    CHECK(root.user("{}", "").uid == 0);
    CHECK(root.user("{}", "33").gid == 34);
    CHECK(root.user("{}", "web").uid == 33);
    CHECK(root.user("{}", "web").groups == std::vector<std::uint32_t>{50});
    CHECK(root.user("{}", "web:extra").gid == 50);
    CHECK(root.user("{}", "1000").gid == 0);
    CHECK(root.user(R"({"runAsUser":7,"runAsGroup":8,"fsGroup":9,"supplementalGroups":[10]})", "web").gid == 8);
    CHECK(root.user(R"({"runAsUser":7,"fsGroup":9,"supplementalGroups":[10,9]})", "").groups == std::vector<std::uint32_t>{9, 10});
    CHECK_THROWS_AS(root.user("{}", "nobody"), hal::Error);
}

TEST_CASE("runAsNonRoot refuses root, and a name that cannot be verified") {
    const Root root;
    CHECK(root.user(R"({"runAsNonRoot":true})", "33").uid == 33);
    CHECK(root.user(R"({"runAsNonRoot":true,"runAsUser":5})", "").uid == 5);
    const auto refusal = [&](const std::string& context, const std::string& user) {
        try {
            root.user(context, user);
        } catch (const hal::Error& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    CHECK(refusal(R"({"runAsNonRoot":true})", "") == "container has runAsNonRoot and image will run as root (pod: \"p_n(u)\", container: c)");
    CHECK(refusal(R"({"runAsNonRoot":true})", "web") ==
          "container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root (pod: \"p_n(u)\", container: c)");
    CHECK(refusal(R"({"runAsNonRoot":true,"runAsUser":0})", "33").starts_with("container's runAsUser breaks non-root policy"));
}

TEST_CASE("a link in the image's etc does not lead out of the image") {
    const Root root;
    fs::remove(root.path / "etc/passwd");
    fs::create_symlink("/etc/passwd", root.path / "etc/passwd");
    CHECK_THROWS_AS(root.user("{}", "root"), hal::Error);
}

TEST_CASE("a container is asked to stop by its own signal, the image's, or SIGTERM") {
    images::ImageConfig image;
    CHECK(stop_signal_of(object("{}"), image) == SIGTERM);
    image.stop_signal = "SIGINT";
    CHECK(stop_signal_of(object("{}"), image) == SIGINT);
    image.stop_signal = "3";
    CHECK(stop_signal_of(object("{}"), image) == SIGQUIT);
    CHECK(stop_signal_of(object(R"({"lifecycle":{"stopSignal":"SIGUSR1"}})"), image) == SIGUSR1);
}
