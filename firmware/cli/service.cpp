#include <print>

#include "firmware/cli/commands.hpp"
#include "firmware/guard/alone.hpp"
#include "firmware/guard/handover.hpp"
#include "hal/base/error.hpp"
#include "services/config/configuration.hpp"

namespace firmware::cli {

std::string service_names() {
    std::string names;
    for (const auto& row : guard::all_services()) names.append(names.empty() ? "" : ", ").append(row.name);
    return names;
}

int service(const ServiceArguments& arguments) {
    const auto* row = guard::find_service(arguments.name);
    if (!row) {
        std::println(stderr, "branchbox: there is no service '{}'; there are: {}", arguments.name, service_names());
        return exit_usage;
    }
    if (auto handover = guard::take_over()) {
        guard::run_handed(*row, std::filesystem::absolute(arguments.root), *std::move(handover));
        return exit_ok;
    }
    guard::AloneOptions options;
    options.root = arguments.root;
    options.listen = arguments.listen;
    if (!arguments.config.empty()) {
        options.configuration = services::config::read_configuration(arguments.config);
        for (const auto& problem : options.configuration.problems) std::println(stderr, "{}", problem.to_string());
        if (!options.configuration.problems.empty()) return exit_failed;
    }
    try {
        guard::run_alone(*row, std::move(options));
    } catch (const hal::Error& failure) {
        std::println(stderr, "branchbox: {}: {}", arguments.name, failure.what());
        return failure.code() == hal::Code::invalid ? exit_usage : exit_failed;
    }
    return exit_ok;
}

}  // namespace firmware::cli
