// The command line of the one executable. Its first argument is the command; each command's own file does the work.
#include <CLI/CLI.hpp>

#include <exception>
#include <print>
#include <string>
#include <vector>

#include "firmware/cli/commands.hpp"

int main(int argc, char** argv) {
    try {
        CLI::App app("Branchbox: a branch office's own infrastructure in one box", "branchbox");
        app.require_subcommand(1);
        auto* version = app.add_subcommand("version", "version, commit and libraries");
        auto* check = app.add_subcommand("check", "validates configuration files and says how to mend them");
        std::vector<std::string> files;
        check->add_option("FILE", files, "the box's config.yaml; its drop-ins in FILE.d are read too")->required();
        CLI11_PARSE(app, argc, argv);
        if (version->parsed()) return firmware::cli::version();
        return firmware::cli::check(files);
    } catch (const std::exception& e) {
        std::println(stderr, "branchbox: {}", e.what());
        return firmware::cli::exit_failed;
    }
}
