#include "firmware/guard/status.hpp"

#include <print>

#include "firmware/cli/commands.hpp"
#include "hal/base/error.hpp"

namespace firmware::cli {

int status(const std::string& root, bool as_json) {
    try {
        const auto status = guard::ask_status(root);
        if (as_json)
            std::println("{}", guard::to_json(status));
        else
            std::print("{}", guard::to_text(status, hal::SystemClock().wall()));
        return status.is_healthy() ? exit_ok : exit_failed;
    } catch (const hal::Error& failure) {
        std::println(stderr, "branchbox: {}", failure.what());
        return exit_failed;
    }
}

}  // namespace firmware::cli
