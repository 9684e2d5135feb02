#include "firmware/cli/minio.hpp"

#include <CLI/CLI.hpp>

#include <filesystem>
#include <print>
#include <string>
#include <vector>

#include "firmware/cli/commands.hpp"
#include "firmware/guard/alone.hpp"
#include "hal/base/error.hpp"

namespace firmware::cli {
namespace {

// The box's own layout below the folder that the user names: DIR/var/lib/branchbox/objects ...
int serve(const std::string& folder, const std::string& address) {
    guard::AloneOptions options;
    options.root = std::filesystem::absolute(folder);
    options.listen = {"s3=" + address};
    std::filesystem::create_directories(options.root);
    try {
        guard::run_alone(*guard::find_service("objects"), std::move(options));
    } catch (const hal::Error& failure) {
        std::println(stderr, "minio: {}", failure.what());
        return exit_failed;
    }
    return exit_ok;
}

}  // namespace

int minio(int argc, char** argv) {
    CLI::App app("The object store alone, as MinIO is started", "minio");
    app.require_subcommand(1);
    app.set_version_flag("--version,-v", "minio version RELEASE.2025-09-07T16-13-09Z (branchbox)");
    std::vector<std::string> folders;
    std::string address = ":9000", ignored;
    bool is_ignored = false;
    auto* server = app.add_subcommand("server", "serves the objects in DIR");
    server->add_option("DIR", folders, "the folder of the data (MINIO_VOLUMES without it)")->envname("MINIO_VOLUMES");
    server->add_option("--address", address, "where S3 is served")->envname("MINIO_ADDRESS");
    server->add_option("--console-address", ignored, "taken and not needed: the console is the box's own")->envname("MINIO_CONSOLE_ADDRESS");
    for (auto* place : {&app, server}) {
        place->add_flag("--quiet,--anonymous,--json,--no-compat", is_ignored, "taken and not needed");
        place->add_option("-C,--config-dir,-S,--certs-dir", ignored, "taken and not needed");
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? exit_ok : exit_usage;
    }
    if (folders.size() != 1) {
        std::println(stderr, "minio: {}", folders.empty() ? "server needs the folder of the data" : "one folder: erasure coding over several is for many disks");
        return exit_usage;
    }
    return serve(folders.front(), address);
}

}  // namespace firmware::cli
