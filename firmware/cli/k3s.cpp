#include "firmware/cli/k3s.hpp"

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>

#include <array>
#include <filesystem>
#include <print>
#include <string>
#include <vector>

#include "firmware/cli/commands.hpp"
#include "hal/base/error.hpp"
#include "hal/process/spawn.hpp"
#include "services/http/client.hpp"

namespace firmware::cli {
namespace {

namespace json = boost::json;
namespace http = services::http;
namespace fs = std::filesystem;

// Unpacking gigabytes on a slow disk takes its time; the kubelet itself bounds the archive.
constexpr std::chrono::minutes import_time_max{60};
constexpr std::size_t answer_bytes_max = 16 * 1024 * 1024;
constexpr std::uint64_t archive_bytes_max = std::uint64_t{16} << 30;  // what the kubelet takes at most, too

// Asks the kubelet on its control socket. Throws Error with the kubelet's own sentence.
json::object ask_kubelet(const fs::path& root, const std::string& method, const std::string& target) {
    boost::asio::io_context loop(1);
    http::ClientOptions options;
    options.origin = {root / "run/branchbox/kubelet.sock", 0, true};
    options.server_name = "kubelet";
    options.answer_time_max = import_time_max;
    http::Client client(loop.get_executor(), options);
    json::object answer;
    std::exception_ptr failure;
    const auto ask = [](http::Client& with, std::string how, std::string what, json::object& into, std::exception_ptr& told) -> hal::async::Task<> {
        try {
            http::Request request;
            request.method = how;
            request.target = what;
            auto response = co_await with.send(std::move(request));
            const auto text = response.stream ? co_await response.stream->read_all(answer_bytes_max) : response.body;
            boost::system::error_code broken;
            auto value = json::parse(text, broken);
            if (broken || !value.is_object()) throw hal::Error(hal::Code::corrupt, "the kubelet answered " + std::to_string(response.status));
            into = std::move(value.get_object());
            if (response.status >= 400)
                throw hal::Error(response.status == 404 ? hal::Code::not_found : hal::Code::invalid, json::value_to<std::string>(into.at("error")));
        } catch (...) {
            told = std::current_exception();
        }
    };
    hal::async::TaskGroup group(loop.get_executor(), "k3s", 1);
    group.spawn("ask", ask(client, method, target, answer, failure));
    loop.run();
    if (failure) std::rethrow_exception(failure);
    return answer;
}

// Standard input as a file that the kubelet can read; gone with this object. Bounded as every archive is.
class Spooled {
public:
    // Throws Error{too_large|exhausted|io}; nothing is left behind.
    explicit Spooled(const fs::path& folder) {
        std::string made = folder / "import-XXXXXX";
        const hal::process::Descriptor file(::mkostemp(made.data(), O_CLOEXEC));
        if (!file) throw hal::system_error("make a file in " + folder.string());
        path_ = made;
        try {
            copy_input(file.get());
        } catch (...) {
            remove();
            throw;
        }
    }
    ~Spooled() { remove(); }
    Spooled(const Spooled&) = delete;
    Spooled& operator=(const Spooled&) = delete;
    [[nodiscard]] const fs::path& path() const { return path_; }

private:
    void copy_input(int file) const {
        std::array<char, 64 * 1024> piece{};
        for (std::uint64_t bytes = 0;;) {
            const auto got = ::read(STDIN_FILENO, piece.data(), piece.size());
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) throw hal::system_error("read standard input");
            if (got == 0) return;
            bytes += static_cast<std::uint64_t>(got);
            if (bytes > archive_bytes_max) throw hal::Error(hal::Code::too_large, "standard input: more than 16 GiB");
            for (ssize_t done = 0; done < got;) {
                const auto written = ::write(file, piece.data() + done, static_cast<std::size_t>(got - done));
                if (written < 0 && errno == EINTR) continue;
                if (written < 0) throw hal::system_error("write " + path_.string());
                done += written;
            }
        }
    }
    void remove() const {
        std::error_code ignored;
        fs::remove(path_, ignored);
    }

    fs::path path_;
};

void import_one(const fs::path& root, const fs::path& archive) {
    const auto answer = ask_kubelet(root, "POST", "/images?archive=" + http::percent_encode(fs::absolute(archive).string()));
    for (const auto& image : answer.at("images").as_array())
        for (const auto& reference : image.at("references").as_array())
            std::println("unpacking {} ({})...done", reference.as_string().c_str(), image.at("id").as_string().c_str());
}

std::string size_text(double bytes) {
    const std::array units{"B", "KiB", "MiB", "GiB"};
    std::size_t unit = 0;
    for (; bytes >= 1024 && unit + 1 < units.size(); ++unit) bytes /= 1024;
    return std::format("{:.1f} {}", bytes, units[unit]);
}

void list(const fs::path& root, bool names_alone) {
    const auto answer = ask_kubelet(root, "GET", "/images");
    if (!names_alone) std::println("{:<60} {:<71} {:>10} PLATFORMS", "REF", "DIGEST", "SIZE");
    for (const auto& image : answer.at("images").as_array())
        for (const auto& reference : image.at("references").as_array()) {
            if (names_alone)
                std::println("{}", reference.as_string().c_str());
            else
                std::println("{:<60} {:<71} {:>10} linux/{}", reference.as_string().c_str(), image.at("id").as_string().c_str(),
                             size_text(image.at("size_bytes").to_number<double>()), image.at("architecture").as_string().c_str());
        }
}

int kubectl(int argc, char** argv, const fs::path& root) {
    if (!std::getenv("KUBECONFIG")) ::setenv("KUBECONFIG", (root / "etc/rancher/k3s/k3s.yaml").c_str(), 0);
    std::vector<char*> words{argv, argv + argc};
    words.push_back(nullptr);
    ::execvp("kubectl", words.data());
    std::println(stderr, "k3s: kubectl is not on PATH; Debian has it as the package kubernetes-client, others at https://kubernetes.io/docs/tasks/tools/");
    return exit_failed;
}

}  // namespace

int k3s(int argc, char** argv) {
    const auto* where = std::getenv("BRANCHBOX_ROOT");
    const fs::path root = where ? where : "/";
    if (argc > 1 && std::string_view(argv[1]) == "kubectl") return kubectl(argc - 1, argv + 1, root);

    CLI::App app("The commands of k3s that Branchbox has", "k3s");
    app.require_subcommand(1);
    app.set_version_flag("--version,-v", "k3s version v1.37.2+k3s1 (branchbox)");
    auto* ctr = app.add_subcommand("ctr", "the images on this box");
    std::string address, name_space;
    ctr->add_option("-a,--address", address, "taken and not needed");
    ctr->add_option("-n,--namespace", name_space, "taken and not needed: there is one");
    auto* images = ctr->add_subcommand("images", "lists, imports and removes images")->alias("image")->alias("i");
    ctr->require_subcommand(1);
    images->require_subcommand(1);
    std::vector<std::string> archives, references;
    bool names_alone = false, ignored = false;
    auto* import = images->add_subcommand("import", "imports archives (docker save, OCI layout; plain, gzip, zstd); - reads standard input");
    import->add_option("ARCHIVE", archives, "files")->required();
    import->add_flag("--all-platforms,--local,--no-unpack,--digests", ignored, "taken and not needed");
    auto* ls = images->add_subcommand("list", "lists the images")->alias("ls");
    ls->add_flag("-q,--quiet", names_alone, "names alone");
    auto* rm = images->add_subcommand("remove", "removes images by name")->alias("rm")->alias("delete")->alias("del");
    rm->add_option("REFERENCE", references, "names or ids")->required();
    rm->add_flag("--sync", ignored, "taken and not needed");
    std::vector<CLI::App*> later;
    for (const auto* name : {"server", "agent", "crictl", "token", "certificate", "check-config"})
        later.push_back(app.add_subcommand(name, "not here yet")->allow_extras());
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? exit_ok : exit_usage;
    }
    for (const auto* one : later) {
        if (!one->parsed()) continue;
        std::println(stderr, "k3s: `{}` comes in a later release of Branchbox{}", one->get_name(),
                     one->get_name() == "server" ? "; `branchbox run` starts the box" : "");
        return exit_failed;
    }
    try {
        if (import->parsed()) {
            for (const auto& archive : archives) {
                if (archive == "-")
                    import_one(root, Spooled(root / "var/lib/branchbox/kubelet").path());
                else
                    import_one(root, archive);
            }
        } else if (ls->parsed()) {
            list(root, names_alone);
        } else if (rm->parsed()) {
            for (const auto& reference : references) {
                ask_kubelet(root, "DELETE", "/images?reference=" + http::percent_encode(reference));
                std::println("{}", reference);
            }
        }
    } catch (const hal::Error& failure) {
        std::println(stderr, "ctr: {}", failure.what());
        return exit_failed;
    }
    return exit_ok;
}

}  // namespace firmware::cli
