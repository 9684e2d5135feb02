// The one exception that crosses module borders: what kind of failure, and a sentence for the person who reads it.
//
// A message names the thing, what was found and what was needed. The edge (a request, a job, main) turns the code into
// its protocol's answer. Absence is std::optional and end of stream a value; neither is an Error.
#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>

namespace hal {

enum class Code {
    invalid,          // the caller's input is wrong; nothing was changed
    unauthenticated,  // no or wrong credentials
    forbidden,        // known, but not allowed
    not_found,
    exists,
    conflict,         // a precondition or expected version did not hold
    gone,             // was there once (a compacted revision)
    exhausted,        // a named limit is reached, or the disk is full
    too_large,        // one item is over a named limit
    unsupported,
    unavailable,      // may work later (not ready, connection refused)
    timed_out,
    cancelled,
    corrupt,          // a checksum or format does not hold
    io,               // the system said no
    internal,         // our own bug
};

std::string_view name_of(Code code);

class Error : public std::runtime_error {
public:
    Error(Code code, const std::string& message) : std::runtime_error(message), code_(code) {}
    [[nodiscard]] Code code() const noexcept { return code_; }

private:
    Code code_;
};

// The Error for a failed system call: "open /x: No space left on device"; ENOSPC and EDQUOT are `exhausted`.
[[nodiscard]] Error system_error(std::string_view what, int error_number = errno);

// Aborts with file and line when `condition` is false; stays on in release, for wherever wrong data would be written.
void require(bool condition, const char* what, const char* file, int line);
#define HAL_REQUIRE(condition) ::hal::require(static_cast<bool>(condition), #condition, __FILE__, __LINE__)

}  // namespace hal
