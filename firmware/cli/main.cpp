// The command line of the one executable. Its first argument is the command; each command's own file does the work.
#include <CLI/CLI.hpp>

#include <exception>
#include <filesystem>
#include <print>
#include <string>
#include <vector>

#include "firmware/cli/commands.hpp"
#include "firmware/cli/k3s.hpp"
#include "firmware/cli/minio.hpp"

int main(int argc, char** argv) {
    try {
        if (std::filesystem::path(argv[0]).filename() == "k3s") return firmware::cli::k3s(argc, argv);
        if (std::filesystem::path(argv[0]).filename() == "minio") return firmware::cli::minio(argc, argv);
        if (argc > 1 && std::string_view(argv[1]) == "minio") return firmware::cli::minio(argc - 1, argv + 1);
        if (argc > 1 && std::string_view(argv[1]) == "k3s") return firmware::cli::k3s(argc - 1, argv + 1);
        CLI::App app("Branchbox: a branch office's own infrastructure in one box", "branchbox");
        app.require_subcommand(1);
        auto* run = app.add_subcommand("run", "runs the whole appliance, in the foreground");
        firmware::cli::RunArguments run_arguments;
        run->add_option("--config", run_arguments.config, "the configuration file; ROOT/etc/branchbox/config.yaml without it");
        run->add_option("--root", run_arguments.root, "the folder that stands for /");
        run->add_flag("--stop-pods", run_arguments.stops_pods, "pods end with it; else they run on");
        auto* status = app.add_subcommand("status", "shows what runs and what is wrong; fails unless all is healthy");
        std::string status_root = "/", status_form;
        status->add_option("-o", status_form, "json: for programs")->check(CLI::IsMember({"json"}));
        status->add_option("--root", status_root, "the folder that stands for /");
        auto* version = app.add_subcommand("version", "version, commit and libraries");
        auto* check = app.add_subcommand("check", "validates configuration files and says how to mend them");
        std::vector<std::string> files;
        check->add_option("FILE", files, "Kubernetes manifests, or the box's config.yaml with its drop-ins in FILE.d")->required();
        auto* service = app.add_subcommand("service", "runs one service alone, in the foreground: " + firmware::cli::service_names());
        firmware::cli::ServiceArguments arguments;
        service->add_option("NAME", arguments.name, "the service")->required();
        service->add_option("--config", arguments.config, "the configuration file; defaults without it");
        service->add_option("--root", arguments.root, "the folder that stands for /");
        service->add_option("--listen", arguments.listen, "[PORTNAME=]ADDR:PORT instead of both loopbacks; port 0: a free one");
        try {
            app.parse(argc, argv);
        } catch (const CLI::ParseError& e) {
            // Help is no failure; every other mistake on the command line has one status.
            return app.exit(e) == 0 ? firmware::cli::exit_ok : firmware::cli::exit_usage;
        }
        if (run->parsed()) return firmware::cli::run(run_arguments);
        if (status->parsed()) return firmware::cli::status(status_root, status_form == "json");
        if (version->parsed()) return firmware::cli::version();
        if (service->parsed()) return firmware::cli::service(arguments);
        return firmware::cli::check(files);
    } catch (const std::exception& e) {
        std::println(stderr, "branchbox: {}", e.what());
        return firmware::cli::exit_failed;
    }
}
