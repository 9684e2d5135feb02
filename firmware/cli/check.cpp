#include <filesystem>
#include <print>

#include "firmware/cli/commands.hpp"
#include "hal/disk/file.hpp"
#include "services/config/configuration.hpp"
#include "services/kube/check/manifest.hpp"

namespace firmware::cli {
namespace {

namespace manifests = services::kube::check;

// Prints what is wrong with one file; how many problems.
std::size_t check_manifest(const std::string& file, const std::string& text) {
    const auto findings = manifests::check_manifest(text);
    for (const auto& finding : findings) {
        std::println("{}:{}:{}: {}", file, finding.line, finding.column, finding.message);
        if (!finding.hint.empty()) std::println("    hint: {}", finding.hint);
    }
    return findings.size();
}

std::size_t check_configuration(const std::string& file) {
    const auto configuration = services::config::read_configuration(file);
    for (const auto& problem : configuration.problems) std::println("{}", problem.to_string());
    return configuration.problems.size();
}

}  // namespace

int check(const std::vector<std::string>& files) {
    int status = exit_ok;
    for (const auto& file : files) {
        std::error_code failure;
        if (!std::filesystem::is_regular_file(file, failure)) {
            std::println(stderr, "{}: {}", file, failure ? failure.message() : "is no file");
            status = exit_usage;
            continue;
        }
        const auto text = hal::disk::read_file(file, manifests::manifest_bytes_max).value_or("");
        const auto problems = manifests::is_manifest(text) ? check_manifest(file, text) : check_configuration(file);
        if (problems == 0)
            std::println("{}: ok", file);
        else if (status == exit_ok)
            status = exit_failed;
    }
    return status;
}

}  // namespace firmware::cli
