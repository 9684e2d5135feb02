// nftables rulesets of the caller's network namespace, given as text to the `nft` program: libnftables has no static
// archive, and rules change seldom enough for a process each.
//
// Blocking (a few milliseconds): a loop calls it through offload(). Bounded: `nft_time_max`, `nft_output_bytes_max`.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace hal::net {

inline constexpr std::chrono::seconds nft_time_max{20};
inline constexpr std::size_t nft_output_bytes_max = 32 * 1024 * 1024;

class Nftables {
public:
    explicit Nftables(std::filesystem::path program = "/usr/sbin/nft") : program_(std::move(program)) {}
    // Applies `ruleset` (nft's own language) in one transaction: all of it or nothing. Throws Error{invalid} with nft's
    // message, Error{timed_out}.
    void apply(const std::string& ruleset) const;
    // What `nft -j WORDS...` prints, for example {"list", "table", "inet", "branchbox"}. Throws Error{not_found} when
    // what is asked for is not there.
    [[nodiscard]] std::string json(const std::vector<std::string>& words) const;

private:
    std::filesystem::path program_;
};

}  // namespace hal::net
