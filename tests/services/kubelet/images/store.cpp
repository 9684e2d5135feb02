#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch_test_macros.hpp>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <zlib.h>

#include <format>
#include <fstream>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "hal/net/certificates.hpp"
#include "services/kubelet/images/images.hpp"
#include "services/kubelet/images/routes.hpp"

using namespace services::kubelet::images;
namespace fs = std::filesystem;
namespace json = boost::json;
using hal::async::Task;

namespace {

// A tar in the making (ustar).
class Tar {
public:
    Tar& file(std::string path, std::string bytes, int mode = 0644, int uid = 0, int gid = 0) { return add(path, '0', bytes, mode, "", uid, gid); }
    Tar& folder(std::string path, int mode = 0755) { return add(path, '5', "", mode, "", 0, 0); }
    Tar& link(std::string path, std::string target) { return add(path, '2', "", 0777, target, 0, 0); }
    Tar& hard_link(std::string path, std::string target) { return add(path, '1', "", 0644, target, 0, 0); }
    std::string bytes() const { return bytes_ + std::string(1024, '\0'); }

private:
    Tar& add(std::string path, char type, std::string content, int mode, std::string target, int uid, int gid) {
        std::string header(512, '\0');
        const auto put = [&](std::size_t at, const std::string& text) { header.replace(at, text.size(), text); };
        put(0, path);
        put(100, std::format("{:07o}", mode));
        put(108, std::format("{:07o}", uid));
        put(116, std::format("{:07o}", gid));
        put(124, std::format("{:011o}", content.size()));
        put(136, std::format("{:011o}", 1'700'000'000));
        put(148, "        ");
        header[156] = type;
        put(157, target);
        put(257, std::string("ustar\00000", 8));
        unsigned sum = 0;
        for (const char c : header) sum += static_cast<unsigned char>(c);
        put(148, std::format("{:06o}", sum) + std::string("\0 ", 2));
        content.resize((content.size() + 511) / 512 * 512, '\0');
        bytes_ += header + content;
        return *this;
    }
    std::string bytes_;
};

std::string digest(std::string_view bytes) { return "sha256:" + hal::hex(hal::net::sha256(bytes)); }

std::string gzip(const std::string& bytes) {
    z_stream stream{};
    deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    std::string out(compressBound(bytes.size()) + 64, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

std::string config_for(const std::vector<std::string>& layers) {
    json::array diff_ids;
    for (const auto& layer : layers) diff_ids.emplace_back(digest(layer));
    return json::serialize(json::object{
        {"architecture", "amd64"},
        {"config", {{"Entrypoint", {"/bin/app"}}, {"Cmd", {"-v"}}, {"Env", {"A=b"}}, {"User", "7:8"}, {"WorkingDir", "/w"}, {"StopSignal", "SIGINT"}}},
        {"rootfs", {{"type", "layers"}, {"diff_ids", diff_ids}}}});
}

std::string docker_archive(const std::string& name, const std::vector<std::string>& layers) {
    Tar tar;
    json::array paths;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        tar.file(std::to_string(i) + "/layer.tar", layers[i]);
        paths.emplace_back(std::to_string(i) + "/layer.tar");
    }
    tar.file("config.json", config_for(layers));
    tar.file("manifest.json", json::serialize(json::array{json::object{{"Config", "config.json"}, {"RepoTags", {name}}, {"Layers", paths}}}));
    return tar.bytes();
}

std::string oci_archive(const std::string& name, const std::vector<std::string>& layers) {
    Tar tar;
    tar.file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    const auto blob = [&tar](const std::string& bytes) {
        tar.file("blobs/sha256/" + digest(bytes).substr(7), bytes);
        return json::object{{"digest", digest(bytes)}, {"size", bytes.size()}};
    };
    json::array packed;
    for (const auto& layer : layers) packed.emplace_back(blob(gzip(layer)));
    const auto config = blob(config_for(layers));
    auto manifest = blob(json::serialize(json::object{{"schemaVersion", 2}, {"config", config}, {"layers", packed}}));
    manifest["annotations"] = json::object{{"io.containerd.image.name", name}};
    tar.file("index.json", json::serialize(json::object{{"schemaVersion", 2}, {"manifests", json::array{manifest}}}));
    return tar.bytes();
}

struct Store {
    fs::path root = fs::temp_directory_path() / ("images-" + hal::hex(hal::random_bytes(6)));
    hal::async::Pool pool{1};
    hal::SystemClock clock;
    boost::asio::io_context context{1};
    std::unique_ptr<ImageStore> images;

    Store() {
        fs::create_directories(root);
        reopen();
    }
    ~Store() { fs::remove_all(root); }

    void reopen() {
        images = std::make_unique<ImageStore>(root / "images", pool, clock);
        run(images->open());
    }
    template <class T>
    T run(Task<T> task) {
        auto result = boost::asio::co_spawn(context, std::move(task), boost::asio::use_future);
        context.restart();
        context.run();
        return result.get();
    }
    fs::path archive(const std::string& bytes, const std::string& name = "a.tar") {
        std::ofstream(root / name, std::ios::binary) << bytes;
        return root / name;
    }
    std::vector<Image> import(const std::string& bytes) { return run(images->import_archive(archive(bytes))); }
    std::string refusal(const std::string& bytes) {
        try {
            import(bytes);
        } catch (const hal::Error& e) {
            return e.what();
        }
        return "";
    }
    std::size_t layers() { return static_cast<std::size_t>(std::distance(fs::directory_iterator(root / "images/layers"), {})); }
};

std::string text_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

const std::string base = Tar().folder("bin/", 0711).file("bin/app", "#!app", 04755, 7, 8).link("app", "bin/app").hard_link("bin/again", "bin/app").bytes();
const std::string top = Tar().file("bin/.wh.app", "").folder("etc").file("etc/.wh..wh..opq", "").file("etc/conf", "new").bytes();

}  // namespace

TEST_CASE("docker save and OCI layouts give the same layers, unpacked once") {
    Store store;
    const auto docker = store.import(docker_archive("app", {base, top}));
    REQUIRE(docker.size() == 1);
    CHECK(docker[0].references == std::vector<std::string>{"docker.io/library/app:latest"});
    REQUIRE(docker[0].layers.size() == 2);
    CHECK(store.layers() == 2);
    const auto inode = fs::hard_link_count(docker[0].layers[1] / "bin/app");
    CHECK(inode == 2);
    const auto oci = store.import(gzip(oci_archive("registry.example:5000/app:1", {base, top})));
    REQUIRE(oci.size() == 1);
    CHECK(oci[0].layers == docker[0].layers);
    CHECK(oci[0].id == docker[0].id);
    CHECK(store.layers() == 2);
    CHECK(store.images->list().size() == 1);
    CHECK(store.images->find("app"));
    CHECK(store.images->find("registry.example:5000/app:1"));
    CHECK(store.images->find(docker[0].id));
    CHECK_FALSE(store.images->find("other"));
    CHECK_FALSE(store.images->find("NOT a name"));
}

TEST_CASE("a layer folder is what overlayfs wants: whiteouts, opaque folders, owners, modes, times, links") {
    Store store;
    const auto image = store.import(docker_archive("app", {base, top})).at(0);
    const auto& lower = image.layers[1];
    const auto& upper = image.layers[0];
    struct stat app{};
    REQUIRE(::lstat((lower / "bin/app").c_str(), &app) == 0);
    CHECK((app.st_mode & 07777) == 04755);
    CHECK(app.st_uid == 7);
    CHECK(app.st_gid == 8);
    CHECK(app.st_mtim.tv_sec == 1'700'000'000);
    struct stat folder{};
    REQUIRE(::lstat((lower / "bin").c_str(), &folder) == 0);
    CHECK((folder.st_mode & 07777) == 0711);
    CHECK(folder.st_mtim.tv_sec == 1'700'000'000);
    CHECK(fs::read_symlink(lower / "app") == "bin/app");
    CHECK(text_of(lower / "bin/again") == "#!app");
    struct stat whiteout{};
    REQUIRE(::lstat((upper / "bin/app").c_str(), &whiteout) == 0);
    CHECK(S_ISCHR(whiteout.st_mode));
    CHECK(whiteout.st_rdev == 0);
    char opaque = 0;
    CHECK(::getxattr((upper / "etc").c_str(), "trusted.overlay.opaque", &opaque, 1) == 1);
    CHECK(opaque == 'y');
    CHECK_FALSE(fs::exists(upper / "etc/.wh..wh..opq"));
    CHECK(image.config.entrypoint == std::vector<std::string>{"/bin/app"});
    CHECK(image.config.command == std::vector<std::string>{"-v"});
    CHECK(image.config.environment == std::vector<std::string>{"A=b"});
    CHECK(image.config.user == "7:8");
    CHECK(image.config.working_directory == "/w");
    CHECK(image.config.stop_signal == "SIGINT");
}

TEST_CASE("an archive that does not hold changes nothing and says what is wrong") {
    Store store;
    const auto whole = docker_archive("app", {base, top});
    CHECK(store.refusal("").contains("image archive"));
    CHECK(store.refusal(whole.substr(0, 3000)).contains("a.tar: "));
    auto flipped = whole;
    flipped[whole.find("#!app")] = '?';
    CHECK(store.refusal(flipped).contains("layer 0/layer.tar: its bytes have the digest sha256:"));
    CHECK(store.refusal(Tar().file("x", "y").bytes()).contains("neither manifest.json (docker save) nor oci-layout"));
    CHECK(store.refusal(docker_archive("NO", {base})).contains("must be lowercase"));
    CHECK(store.images->list().empty());
    CHECK(store.layers() == 0);
    CHECK_FALSE(fs::exists(store.root / "images/staging"));
    store.reopen();
    CHECK(store.images->list().empty());
}

TEST_CASE("no entry of a layer leaves its folder") {
    Store store;
    const auto outside = store.root / "outside";
    for (const auto& layer : {Tar().file("../../../outside", "x").bytes(),
                              Tar().link("out", store.root.string()).file("out/outside", "x").bytes(),
                              Tar().link("out", "../../..").file("out/.wh.outside", "").bytes(),
                              Tar().hard_link("h", "../../../a.tar").bytes()}) {
        CHECK_FALSE(store.refusal(docker_archive("evil", {layer})).empty());
        CHECK_FALSE(fs::exists(outside));
    }
    // An absolute path is one below the layer's root.
    const auto image = store.import(docker_archive("fine", {Tar().file("/etc/x", "y").bytes()})).at(0);
    CHECK(text_of(image.layers[0] / "etc/x") == "y");
}

TEST_CASE("an image goes with its last name, and a layer with the last image or holder that has it") {
    Store store;
    const auto first = store.import(docker_archive("one", {base})).at(0);
    const auto second = store.import(docker_archive("two", {base, top})).at(0);
    CHECK(store.layers() == 2);
    store.images->hold("container", second.layers);
    CHECK(store.run(store.images->remove("two")));
    CHECK_FALSE(store.run(store.images->remove("two")));
    CHECK_FALSE(store.images->find("two"));
    CHECK(store.layers() == 2);
    store.images->release("container");
    store.run(store.images->sweep());
    CHECK(store.layers() == 1);
    CHECK(store.run(store.images->remove(first.id)));
    CHECK(store.layers() == 0);
}

TEST_CASE("a name moves to the image that was imported last, and the list survives a restart") {
    Store store;
    const auto old = store.import(docker_archive("app", {base})).at(0);
    const auto renewed = store.import(docker_archive("app", {base, top})).at(0);
    CHECK(store.images->find("app")->id == renewed.id);
    CHECK_FALSE(store.images->find(old.id));
    const auto before = store.images->find("app").value();
    store.reopen();
    const auto after = store.images->find("app").value();
    CHECK(after.layers == before.layers);
    CHECK(after.imported == before.imported);
    CHECK(after.size_bytes == before.size_bytes);
    std::ofstream(store.root / "images/index.json") << "{broken";
    store.reopen();
    CHECK(store.images->list().empty());
    CHECK(fs::exists(store.root / "images/index.json.corrupt"));
}

namespace {

Task<> wait_for_image(ImageStore& images, std::string name, hal::async::Event& tick) {
    for (int i = 0; i < 400 && !images.find(name); ++i) co_await tick.wait_for(std::chrono::milliseconds(25));
}

Task<> watch_two(Store& store, fs::path folder) {
    const auto executor = store.context.get_executor();
    hal::async::TaskGroup group(executor, "test");
    hal::async::Event tick(executor);
    group.spawn("watch", store.images->watch_folder(folder));
    co_await wait_for_image(*store.images, "there", tick);
    CHECK(store.images->find("there"));
    std::ofstream(folder / ".new") << gzip(docker_archive("later", {top}));
    fs::rename(folder / ".new", folder / "later.tar.gz");
    co_await wait_for_image(*store.images, "later", tick);
    CHECK(store.images->find("later"));
    group.cancel();
    co_await group.join();
}

}  // namespace

TEST_CASE("archives in a watched folder are imported at the start and when they appear, a bad one is passed over") {
    Store store;
    const auto folder = store.root / "agent";
    fs::create_directories(folder);
    std::ofstream(folder / "bad.tar") << "no tar at all";
    std::ofstream(folder / "notes.txt") << "nothing to import";
    std::ofstream(folder / "there.tar") << docker_archive("there", {base});
    store.run(watch_two(store, folder));
    const auto revision = store.images->revision();
    CHECK(revision == 2);
}

TEST_CASE("over HTTP an archive of this machine is imported, listed and removed, and a refusal says why") {
    Store store;
    services::http::Router router;
    add_routes(router, *store.images);
    const auto ask = [&](std::string method, std::string target) {
        services::http::Request request;
        request.method = std::move(method);
        request.target = std::move(target);
        REQUIRE(request.split_target());
        return store.run(router.handle(std::move(request)));
    };
    const auto file = store.archive(docker_archive("app", {base}));
    CHECK(ask("POST", "/images?archive=" + file.string()).body.contains("docker.io/library/app:latest"));
    CHECK(ask("GET", "/images").body.contains(R"("architecture":"amd64")"));
    CHECK(ask("POST", "/images?archive=app.tar").status == 400);
    CHECK(ask("POST", "/images?archive=" + store.archive("no archive", "bad.tar").string()).body.starts_with(R"({"error":)"));
    CHECK(ask("DELETE", "/images?reference=other").status == 404);
    CHECK(ask("DELETE", "/images?reference=app").status == 200);
    CHECK(ask("GET", "/images").body == R"({"images":[]})");
}
