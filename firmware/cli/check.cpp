#include <filesystem>
#include <print>

#include "firmware/cli/commands.hpp"
#include "services/config/configuration.hpp"

namespace firmware::cli {

int check(const std::vector<std::string>& files) {
    int status = exit_ok;
    for (const auto& file : files) {
        std::error_code failure;
        if (!std::filesystem::is_regular_file(file, failure)) {
            std::println(stderr, "{}: {}", file, failure ? failure.message() : "is no file");
            status = exit_usage;
            continue;
        }
        const auto configuration = services::config::read_configuration(file);
        for (const auto& problem : configuration.problems) std::println("{}", problem.to_string());
        if (configuration.problems.empty())
            std::println("{}: ok", file);
        else if (status == exit_ok)
            status = exit_failed;
    }
    return status;
}

}  // namespace firmware::cli
