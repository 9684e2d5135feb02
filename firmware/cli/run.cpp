#include <print>

#include "firmware/cli/commands.hpp"
#include "firmware/guard/guard.hpp"
#include "hal/base/error.hpp"

namespace firmware::cli {

int run(const RunArguments& arguments) {
    guard::GuardOptions options;
    options.root = std::filesystem::absolute(arguments.root).lexically_normal();
    options.config = arguments.config;
    options.stops_pods = arguments.stops_pods;
    try {
        guard::run(options);
    } catch (const hal::Error& failure) {
        std::println(stderr, "branchbox: {}", failure.what());
        return failure.code() == hal::Code::invalid ? exit_usage : exit_failed;
    }
    return exit_ok;
}

}  // namespace firmware::cli
